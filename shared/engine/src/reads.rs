//! Reads of the state store that take several calls: all pages of a query, items by many keys, the names of a kind.

use crate::ports::{Item, Key, PortError, Query, StateStore};
use crate::records::index_pk;

/// Items of one page, and keys of one read.
const PAGE: usize = 100;

/// All items of a query. For what is few: names, and the stages of a service.
pub(crate) async fn all(store: &dyn StateStore, mut query: Query) -> Result<Vec<Item>, PortError> {
    let mut all: Vec<Item> = Vec::new();
    loop {
        let page = store.query(query.clone()).await?;
        all.extend(page.items);
        if !page.more {
            return Ok(all);
        }
        query.after = all.last().map(|item| item.key.sk.clone());
    }
}

/// The items with these keys that exist.
pub(crate) async fn existing(store: &dyn StateStore, keys: Vec<Key>) -> Result<Vec<Item>, PortError> {
    let mut existing = Vec::new();
    for keys in keys.chunks(PAGE) {
        existing.extend(store.get(keys).await?.into_iter().flatten());
    }
    Ok(existing)
}

/// The listed names of a kind: `services` or `profiles`.
pub(crate) async fn names(store: &dyn StateStore, kind: &str) -> Result<Vec<String>, PortError> {
    let (pk, prefix) = (index_pk(kind), String::new());
    let query = Query { pk, prefix, after: None, newest_first: false, limit: PAGE };
    Ok(all(store, query).await?.into_iter().map(|item| item.key.sk).collect())
}
