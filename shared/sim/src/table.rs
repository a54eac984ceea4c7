//! The table: conditions and transactions as DynamoDB has them.

use crate::state::Shared;
use async_trait::async_trait;
use flotilla_domain::Timestamp;
use flotilla_engine::ports::{
    Expect, Item, ItemPage, Key, PortError, Query, StateStore, Write, WriteError, due_shard,
};

/// The fake.
pub struct SimTable(pub Shared);

fn holds(existing: Option<&Item>, expect: &Expect) -> bool {
    match expect {
        Expect::Anything => true,
        Expect::Absent => existing.is_none(),
        Expect::Version(version) => existing.is_some_and(|item| item.version == *version),
        Expect::AbsentOrFieldIn(field, values) => existing.is_none_or(|item| {
            item.body
                .get(*field)
                .and_then(|value| value.as_str())
                .is_some_and(|found| values.iter().any(|v| v == found))
        }),
    }
}

#[async_trait]
impl StateStore for SimTable {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, PortError> {
        self.0.call("dynamodb:GetItem", |state| {
            Ok(keys.iter().map(|key| state.table.get(key).cloned()).collect())
        })
    }

    async fn query(&self, query: Query) -> Result<ItemPage, PortError> {
        self.0.call("dynamodb:Query", |state| {
            let inside = |key: &Key| key.pk == query.pk && key.sk.starts_with(&query.prefix);
            let mut found: Vec<Item> =
                state.table.iter().filter(|(key, _)| inside(key)).map(|(_, item)| item.clone()).collect();
            if query.newest_first {
                found.reverse();
            }
            let behind = |item: &Item| match &query.after {
                None => true,
                Some(after) if query.newest_first => item.key.sk < *after,
                Some(after) => item.key.sk > *after,
            };
            found.retain(behind);
            let more = found.len() > query.limit;
            found.truncate(query.limit);
            Ok(ItemPage { items: found, more })
        })
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), WriteError> {
        self.0.call("dynamodb:TransactWriteItems", |state| {
            let failed =
                writes.iter().enumerate().filter(|(_, w)| !holds(state.table.get(&w.item.key), &w.expect));
            let failed: Vec<usize> = failed.map(|(place, _)| place).collect();
            if !failed.is_empty() {
                return Err(WriteError::Conflict(failed));
            }
            for write in writes {
                state.table.insert(write.item.key.clone(), write.item);
            }
            Ok(())
        })
    }

    async fn due(&self, shard: u8, until: Timestamp, limit: usize) -> Result<Vec<Key>, PortError> {
        self.0.call("dynamodb:Query", |state| {
            let due = state.table.values().filter(|item| due_shard(&item.key) == shard);
            let mut due: Vec<(Timestamp, Key)> = due
                .filter_map(|item| Some((item.due_at.filter(|at| *at <= until)?, item.key.clone())))
                .collect();
            due.sort();
            Ok(due.into_iter().take(limit).map(|(_, key)| key).collect())
        })
    }
}
