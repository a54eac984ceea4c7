//! The table, with conditions and transactions as in DynamoDB.

use crate::state::Shared;
use async_trait::async_trait;
use flotilla_domain::Timestamp;
use flotilla_engine::ports::{
    Change, DueKey, ErrorKind, Expect, Item, ItemPage, Key, PortError, Query, StateStore, Write, WriteError,
    due_shard,
};
use std::collections::BTreeSet;

/// Most items of a transaction.
const ITEMS_MAX: usize = 100;

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
        self.0
            .call("dynamodb:GetItem", None, |state| {
                Ok(keys.iter().map(|key| state.table.get(key).cloned()).collect())
            })
            .await
    }

    async fn query(&self, query: Query) -> Result<ItemPage, PortError> {
        self.0
            .call("dynamodb:Query", None, |state| {
                let first = Key::new(query.pk.as_str(), query.prefix.as_str());
                let inside = |key: &Key| key.pk == query.pk && key.sk.starts_with(&query.prefix);
                let behind = |key: &Key| match &query.after {
                    None => true,
                    Some(after) if query.newest_first => key.sk < *after,
                    Some(after) => key.sk > *after,
                };
                let mut found: Vec<&Item> = state
                    .table
                    .range(first..)
                    .take_while(|(key, _)| inside(key))
                    .filter(|(key, _)| behind(key))
                    .map(|(_, item)| item)
                    .collect();
                if query.newest_first {
                    found.reverse();
                }
                let more = found.len() > query.limit;
                Ok(ItemPage { items: found.into_iter().take(query.limit).cloned().collect(), more })
            })
            .await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), WriteError> {
        self.0
            .call("dynamodb:TransactWriteItems", None, |state| {
                // Amazon DynamoDB API Reference, "TransactWriteItems".
                let keys: BTreeSet<&Key> = writes.iter().map(Write::key).collect();
                if keys.len() < writes.len() || writes.len() > ITEMS_MAX {
                    let what = "ValidationException: more than 100 items, or two operations on one item";
                    let error = PortError::new(ErrorKind::Permanent, "dynamodb:TransactWriteItems", what);
                    return Err(WriteError::Port(error));
                }
                let contended = if state.running.is_some() { state.faults.contended } else { 0 };
                if writes.len() > 1 && state.rng.chance(contended) {
                    let place = state.rng.below(writes.len() as u64);
                    return Err(WriteError::Conflict(vec![usize::try_from(place).unwrap_or(0)]));
                }
                let failed = writes
                    .iter()
                    .enumerate()
                    .filter(|(_, w)| !holds(state.table.get(w.key()), &w.expect))
                    .map(|(place, _)| place)
                    .collect::<Vec<usize>>();
                if !failed.is_empty() {
                    return Err(WriteError::Conflict(failed));
                }
                for write in writes {
                    if let Change::Put(item) = write.change {
                        state.touched.push(item.key.clone());
                        match item.due_at {
                            Some(_) => drop(state.due.insert(item.key.clone())),
                            None => drop(state.due.remove(&item.key)),
                        }
                        state.table.insert(item.key.clone(), item);
                    }
                }
                Ok(())
            })
            .await
    }

    async fn due(&self, shard: u8, until: Timestamp, limit: usize) -> Result<Vec<DueKey>, PortError> {
        self.0
            .call("dynamodb:Query", None, |state| {
                let stale = if state.running.is_some() { state.faults.stale_index } else { 0 };
                let in_shard: Vec<Key> =
                    state.due.iter().filter(|key| due_shard(key) == shard).cloned().collect();
                let mut due = Vec::new();
                for key in in_shard {
                    let at = state.table.get(&key).and_then(|item| item.due_at).filter(|at| *at <= until);
                    // A lagging index may lack an item.
                    if let Some(due_at) = at.filter(|_| !state.rng.chance(stale)) {
                        due.push(DueKey { due_at, key });
                    }
                }
                due.sort();
                due.truncate(limit);
                Ok(due)
            })
            .await
    }
}
