//! The views of the API. Every view takes one or two queries, however long the history; lists of stages and previews take as many as
//! they have pages.

use crate::EngineError;
use crate::ports::{Clock, Key, Query, StateStore};
use crate::records::{ConfigRecord, access_key, index_pk, read};
use flotilla_contract as view;
use flotilla_domain::{Cause, Code, Refusal};
use std::sync::Arc;

/// The use case and the ports that it needs.
pub struct Status {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The state store.
    pub store: Arc<dyn StateStore>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Where the previous page ended.
    pub cursor: Option<String>,
    /// Most items: 1 to 100.
    pub limit: usize,
}

impl Status {
    /// The services, ordered by name.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn services(&self, page: PageRequest) -> Result<view::Page<view::ServiceView>, EngineError> {
        let query = Query {
            pk: index_pk("services"),
            prefix: String::new(),
            after: page.cursor,
            newest_first: false,
            limit: page.limit,
        };
        let found = self.store.query(query).await?;
        let next = next_cursor(&found);
        let keys: Vec<Key> =
            found.items.iter().map(|item| Key::new(format!("SVC#{}", item.key.sk), "CONFIG")).collect();
        let configs = if keys.is_empty() { Vec::new() } else { self.store.get(&keys).await? };
        let items = configs.into_iter().flatten().map(|item| {
            let service = item.key.pk.trim_start_matches("SVC#").to_owned();
            Ok(view::ServiceView {
                service,
                config_version: read::<ConfigRecord>(item)?.value.config_version,
            })
        });
        Ok(view::Page { items: items.collect::<Result<_, EngineError>>()?, next })
    }

    /// Checks the state store. Returns whether access is configured.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn health(&self) -> Result<bool, EngineError> {
        Ok(self.store.get(&[access_key()]).await?.into_iter().flatten().next().is_some())
    }
}

pub(crate) fn next_cursor(page: &crate::ports::ItemPage) -> Option<String> {
    page.items.last().filter(|_| page.more).map(|item| item.key.sk.clone())
}

pub(crate) fn missing(what: String) -> Refusal {
    Refusal::new(Code::NotFound, what, "check the name with flotilla status")
}

pub(crate) fn cause_view(cause: &Cause) -> view::CauseView {
    let Cause { code, message, fix, resource } = cause.clone();
    view::CauseView { code: code.to_string(), message, fix, path: resource }
}
