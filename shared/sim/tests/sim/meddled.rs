//! A table in which somebody else is faster.

use async_trait::async_trait;
use flotilla_domain::Timestamp;
use flotilla_engine::ports::{DueKey, Item, ItemPage, Key, PortError, Query, StateStore, Write, WriteError};
use std::sync::{Arc, Mutex};

/// A table in which something happens right before the first write.
pub struct Meddled {
    table: Arc<dyn StateStore>,
    first: Mutex<Option<First>>,
}

pub enum First {
    /// Somebody else writes this.
    Write(Box<Write>),
    /// The last item of so many transactions is busy with another one.
    Busy(usize),
}

impl Meddled {
    pub fn new(table: Arc<dyn StateStore>, first: First) -> Self {
        Self { table, first: Mutex::new(Some(first)) }
    }
}

#[async_trait]
impl StateStore for Meddled {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, PortError> {
        self.table.get(keys).await
    }

    async fn query(&self, query: Query) -> Result<ItemPage, PortError> {
        self.table.query(query).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), WriteError> {
        let first = self.first.lock().unwrap().take();
        match first {
            Some(First::Write(write)) => self.table.write(vec![*write]).await?,
            Some(First::Busy(times)) => {
                *self.first.lock().unwrap() = (times > 1).then_some(First::Busy(times - 1));
                return Err(WriteError::Conflict(vec![writes.len() - 1]));
            }
            None => {}
        }
        self.table.write(writes).await
    }

    async fn due(&self, shard: u8, until: Timestamp, limit: usize) -> Result<Vec<DueKey>, PortError> {
        self.table.due(shard, until, limit).await
    }
}
