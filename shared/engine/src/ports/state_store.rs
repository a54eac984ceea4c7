//! The state store: items by key, written in conditional transactions.

use super::PortError;
use async_trait::async_trait;
use flotilla_domain::Timestamp;
use serde_json::{Map, Value};

/// An item's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    /// Creates a key.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// An item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// The number of changes, from 1: the optimistic lock.
    pub version: u64,
    /// When the sweep sends a tick for it, if no other tick has come before.
    pub due_at: Option<Timestamp>,
    /// When the store may delete it. Deletion may be late, so readers compare the time themselves.
    pub expires_at: Option<Timestamp>,
    /// The remaining fields.
    pub body: Map<String, Value>,
}

/// The condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The item does not exist.
    Absent,
    /// The item still has this version.
    Version(u64),
    /// The item does not exist, or this text field has one of these values.
    AbsentOrFieldIn(&'static str, Vec<String>),
    /// No condition.
    Anything,
}

/// The effect of one part of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Stores the item, replacing an existing one.
    Put(Item),
    /// Only checks the condition.
    Check(Key),
}

/// One part of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The effect.
    pub change: Change,
    /// The condition.
    pub expect: Expect,
}

impl Write {
    /// Stores an item.
    pub fn put(item: Item, expect: Expect) -> Self {
        Self { change: Change::Put(item), expect }
    }

    /// Makes the transaction conditional on the item of this key.
    pub fn check(key: Key, expect: Expect) -> Self {
        Self { change: Change::Check(key), expect }
    }

    /// The key of its item.
    pub fn key(&self) -> &Key {
        match &self.change {
            Change::Put(item) => &item.key,
            Change::Check(key) => key,
        }
    }
}

/// The error of a write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The conditions of these writes, by index in the transaction, did not hold. Nothing was written.
    #[error("the conditions of writes {0:?} did not hold")]
    Conflict(Vec<usize>),
    /// The store failed. Whether the transaction was written is unknown.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A query for items of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The partition.
    pub pk: String,
    /// Prefix of the sort keys.
    pub prefix: String,
    /// Start after this sort key.
    pub after: Option<String>,
    /// In descending order of sort keys.
    pub newest_first: bool,
    /// Most items, at least 1.
    pub limit: usize,
}

/// A page of items.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemPage {
    /// The items.
    pub items: Vec<Item>,
    /// Whether there are more.
    pub more: bool,
}

/// The key of an item that is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueKey {
    /// When it became due.
    pub due_at: Timestamp,
    /// The key.
    pub key: Key,
}

/// The state store.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Reads items by key, consistently. Results are in the order of the keys, at most 100.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, PortError>;

    /// Reads items of one partition in the order of their sort keys, consistently.
    async fn query(&self, query: Query) -> Result<ItemPage, PortError>;

    /// Writes all items or none. At most 100, each key once.
    async fn write(&self, writes: Vec<Write>) -> Result<(), WriteError>;

    /// Items whose `due_at` has passed, oldest first, in one shard of the index. The index may lag: use it to
    /// find items, not to decide.
    async fn due(&self, shard: u8, until: Timestamp, limit: usize) -> Result<Vec<DueKey>, PortError>;
}

/// Number of shards of the index of due items.
pub const DUE_SHARDS: u8 = 4;

/// The shard of a key: the same in every adapter.
pub fn due_shard(key: &Key) -> u8 {
    let sum =
        key.pk.bytes().chain(key.sk.bytes()).fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    sum % DUE_SHARDS
}
