//! The table: items by key, saved together or not at all, on conditions.

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
    /// A key of both parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// An item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// Counts its changes from 1: the optimistic lock.
    pub version: u64,
    /// When the sweep is to look after it, if nothing else has before.
    pub due_at: Option<Timestamp>,
    /// When the table may forget it. The table does so late; readers compare it themselves.
    pub expires_at: Option<Timestamp>,
    /// Everything else.
    pub body: Map<String, Value>,
}

/// On what condition an item is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// There is none yet.
    Absent,
    /// It still has this version.
    Version(u64),
    /// There is none yet, or this text field of it has one of these values.
    AbsentOrFieldIn(&'static str, Vec<String>),
    /// Always.
    Anything,
}

/// What one part of a transaction does.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Stores the item in place of what is there.
    Put(Item),
    /// Nothing: only the condition matters.
    Check(Key),
}

/// One part of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// What it does.
    pub change: Change,
    /// On what condition.
    pub expect: Expect,
}

impl Write {
    /// Stores an item.
    pub fn put(item: Item, expect: Expect) -> Self {
        Self { change: Change::Put(item), expect }
    }

    /// Lets the transaction happen only if the item of this key is as expected.
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

/// A write that did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The conditions of these writes, by their place in the transaction, did not hold. Nothing was written.
    #[error("the conditions of writes {0:?} did not hold")]
    Conflict(Vec<usize>),
    /// The store failed; whether it was written is not known.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A question for items of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The partition.
    pub pk: String,
    /// What the sort keys begin with.
    pub prefix: String,
    /// Begin behind this sort key.
    pub after: Option<String>,
    /// From the greatest sort key down.
    pub newest_first: bool,
    /// Most items, at least 1.
    pub limit: usize,
}

/// An answer.
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
    /// Since when.
    pub due_at: Timestamp,
    /// Which.
    pub key: Key,
}

/// The table.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Reads items by key, each as it is now; in the order of the keys, at most 100.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, PortError>;

    /// Reads items of one partition in the order of their sort keys, as they are now.
    async fn query(&self, query: Query) -> Result<ItemPage, PortError>;

    /// Writes all items or none; at most 100, each key once.
    async fn write(&self, writes: Vec<Write>) -> Result<(), WriteError>;

    /// Items whose `due_at` has passed, oldest first, in one shard of the index. The index may lag: it only
    /// says what to look at, it never decides.
    async fn due(&self, shard: u8, until: Timestamp, limit: usize) -> Result<Vec<DueKey>, PortError>;
}

/// How many shards the index of due items has.
pub const DUE_SHARDS: u8 = 4;

/// The shard of a key: the same in every adapter.
pub fn due_shard(key: &Key) -> u8 {
    let sum =
        key.pk.bytes().chain(key.sk.bytes()).fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    sum % DUE_SHARDS
}
