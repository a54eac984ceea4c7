//! How values are stored, one file for each kind of item. The stored types are separate from the domain types.
//!
//! Each item carries `format`. A change of a format keeps a reader of the old one, and a test of it.

mod analysis;
mod audit;
mod budget;
mod collection;
mod common;
mod config;
mod console;
mod cursor;
mod deployment;
mod deployment_state;
mod event;
mod gates;
mod kept;
mod lease;
mod line;
mod outputs;
mod plan;
mod previews;
mod release;
mod replica;
mod rollout;
mod rollout_state;
mod routes;
mod safeguards;
mod set;
mod stage;
mod upload;

pub use audit::{AuditRecord, Outcome, audit_day, audit_query};
pub use budget::{BudgetRecord, budget_key};
pub use collection::CollectionCursor;
pub use config::{
    ConfigRecord, access_key, account_key, index_key, index_pk, profile_key, service_key, service_pk,
};
pub use console::{ConsoleToken, TokenKind, console_key};
pub use cursor::IntakeCursor;
pub use deployment::{deployment_key, deployments_query};
pub use event::{EventRecord, events_query, nth_moment};
pub use kept::{KeptRecord, kept_key};
pub use lease::{keep_lease, lease_holder, lease_key, read_lease, release_lease, take_lease};
pub use line::stops_key;
pub use outputs::{ConsumerRecord, OutputsRecord, consumers_query, outputs_key};
pub use plan::{PlanRecord, action_word, leaving_word, plans_query, replacement_word};
pub use previews::{PreviewsRecord, previews_key};
pub use release::{release_key, releases_query};
pub use replica::{REPLICAS_MAX, ReplicaRecord, replica_key, replicas_query};
pub use rollout::rollout_key;
pub use set::{set_key, sets_query};
pub use stage::{stage_key, stages_query};
pub use upload::{upload_key, uploads_query};

use crate::ports::{Expect, Item, Key, Subject, Write};
use flotilla_domain::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A stored item cannot be read: it was written by hand, or by a version of Flotilla that this one does not
/// know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the item {pk} / {sk} cannot be read: {why}")]
pub struct RecordError {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
    /// What is wrong.
    pub why: String,
}

/// A value that is stored as one item.
pub trait Record: Sized {
    /// The stored form.
    type Stored: Serialize + DeserializeOwned;

    /// The key of its item.
    fn key(&self) -> Key;

    /// The stored form.
    fn to_stored(&self) -> Self::Stored;

    /// Reads the stored form.
    ///
    /// # Errors
    /// A text that says what is wrong.
    fn from_stored(stored: Self::Stored) -> Result<Self, String>;

    /// When the table may delete it.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

/// A value with the version it was read at.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// The version of its item, 0 if it is not stored yet.
    pub version: u64,
    /// When the sweep sends a tick for it.
    pub due_at: Option<Timestamp>,
}

impl<T: Record> Versioned<T> {
    /// A value that is not stored yet.
    pub fn new(value: T) -> Self {
        Self { value, version: 0, due_at: None }
    }

    /// The write that stores a changed value, on the condition that the item is unchanged.
    pub fn write(&self, value: &T, due_at: Option<Timestamp>) -> Write {
        let expect = if self.version == 0 { Expect::Absent } else { Expect::Version(self.version) };
        Write::put(to_item(value, self.version + 1, due_at), expect)
    }
}

/// The write that stores a new value.
pub fn create<T: Record>(value: &T) -> Write {
    Write::put(to_item(value, 1, None), Expect::Absent)
}

/// A write that keeps an existing item: for values whose content follows from their key.
pub(crate) fn keep<T: Record>(value: &T) -> Write {
    Write { expect: Expect::Anything, ..create(value) }
}

fn to_item<T: Record>(value: &T, version: u64, due_at: Option<Timestamp>) -> Item {
    let body = match serde_json::to_value(value.to_stored()) {
        Ok(Value::Object(body)) => body,
        // Stored types are structs of strings, numbers and lists, which cannot fail to serialise.
        _ => Map::new(),
    };
    Item { key: value.key(), version, due_at, expires_at: value.expires_at(), body }
}

/// Reads an item.
///
/// # Errors
/// [`RecordError`] if it cannot be read.
pub fn read<T: Record>(item: Item) -> Result<Versioned<T>, RecordError> {
    let Item { key, version, due_at, body, .. } = item;
    let value = serde_json::from_value::<T::Stored>(Value::Object(body)).map_err(|e| e.to_string());
    match value.and_then(T::from_stored) {
        Ok(value) => Ok(Versioned { value, version, due_at }),
        Err(why) => Err(RecordError { pk: key.pk, sk: key.sk, why }),
    }
}

/// What the sweep has to do for a due item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueItem {
    /// Send a tick.
    Tick(Subject),
    /// Remove an expired preview: the key of its stage.
    Stage(Key),
    /// The key is of a kind that is never due.
    Unknown,
}

/// Reads a due item's key.
pub fn due_item(key: &Key) -> DueItem {
    if let Some(id) = rollout::parse_key(key) {
        return DueItem::Tick(Subject::Rollout(id));
    }
    if let Some(id) = deployment::parse_key(key) {
        return DueItem::Tick(Subject::Deployment(id));
    }
    if let Some(id) = set::parse_key(key) {
        return DueItem::Tick(Subject::Set(id));
    }
    if key.pk.starts_with(stage::PK) { DueItem::Stage(key.clone()) } else { DueItem::Unknown }
}

#[cfg(test)]
mod tests;
