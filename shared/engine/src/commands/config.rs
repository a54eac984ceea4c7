//! Services, profiles and accounts.

use super::{Caller, Commands, conflict};
use crate::EngineError;
use crate::configure;
use crate::ports::{Expect, Item, Key, Write, WriteError};
use crate::records::{
    ConfigRecord, Versioned, account_key, create, index_key, profile_key, read, service_key,
};
use flotilla_contract::{AccountConfig, ProfileConfig, ServiceConfigDoc};
use flotilla_domain::{AccountId, Code, ProfileName, Refusal, ServiceName, Timestamp};
use serde::Serialize;

impl Commands {
    /// Puts a service's configuration. With `expected` only if that is its version (0 for none yet).
    ///
    /// # Errors
    /// Refusals: invalid, an unknown profile, or another version.
    pub async fn put_service(
        &self,
        service: &ServiceName,
        doc: &ServiceConfigDoc,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        let config = configure::service_config(service.clone(), doc)?;
        for (n, rule) in config.rules.iter().enumerate() {
            if self.store.get(&[profile_key(&rule.profile)]).await?.into_iter().next().flatten().is_none() {
                let what = format!("the profile {} is not configured", rule.profile);
                let refusal =
                    Refusal::new(Code::ProfileUnknown, what, "put the profile first, or correct its name");
                return Err(refusal.at(format!("rules.{n}.profile")).into());
            }
        }
        self.put(service_key(service), Some(index_key("services", service.as_str())), doc, expected, caller)
            .await
    }

    /// Puts a profile.
    ///
    /// # Errors
    /// Refusals: invalid, an unknown region, or another version.
    pub async fn put_profile(
        &self,
        name: &ProfileName,
        doc: &ProfileConfig,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        configure::profile(name.clone(), doc)?;
        self.put(profile_key(name), Some(index_key("profiles", name.as_str())), doc, expected, caller).await
    }

    /// Registers an account.
    ///
    /// # Errors
    /// Refusals: invalid, or another version.
    pub async fn put_account(
        &self,
        id: &AccountId,
        doc: &AccountConfig,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        configure::account(id.clone(), doc)?;
        self.put(account_key(id), None, doc, expected, caller).await
    }

    /// Saves a document with its history. The same document again changes nothing.
    async fn put<T: Serialize>(
        &self,
        key: Key,
        index: Option<Key>,
        doc: &T,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        let document = serde_json::to_value(doc).map_err(|e| EngineError::Defect(e.to_string()))?;
        let found = self.store.get(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        let before = found.map(read::<ConfigRecord>).transpose()?;
        let version = before.as_ref().map_or(0, |b| b.value.config_version);
        if expected.is_some_and(|expected| expected != version) {
            return Err(conflict(format!("the configuration has version {version} now")).into());
        }
        if let Some(same) = before.as_ref().filter(|before| before.value.document == document) {
            return Ok(same.value.clone());
        }
        let record = ConfigRecord {
            key,
            config_version: version + 1,
            changed_by: caller.principal.clone(),
            changed_at: self.clock.now(),
            document,
        };
        let saved = before.unwrap_or_else(|| Versioned::new(record.clone()));
        let mut writes = vec![saved.write(&record, None), create(&record.history())];
        writes.extend(index.map(index_entry));
        match self.store.write(writes).await {
            Ok(()) => {
                tracing::info!(
                    key = record.key.pk,
                    version = record.config_version,
                    actor = caller.principal,
                    "configuration changed"
                );
                Ok(record)
            }
            Err(WriteError::Conflict(_)) => {
                Err(conflict("somebody else changed the configuration meanwhile".into()).into())
            }
            Err(WriteError::Port(error)) => Err(error.into()),
        }
    }
}

fn index_entry(key: Key) -> Write {
    let body = [("format".to_owned(), 1.into())].into_iter().collect();
    let item = Item { key, version: 1, due_at: None::<Timestamp>, expires_at: None, body };
    Write::put(item, Expect::Anything)
}
