//! Changes of the configuration of services, profiles, accounts and access.

use crate::access::{Caller, Commands, Order, conflict};
use crate::ports::{Expect, Item, Key, Write, WriteError};
use crate::records::{
    ConfigRecord, Versioned, access_key, account_key, create, index_key, profile_key, read, service_key,
};
use crate::{Current, EngineError, config};
use flotilla_contract::{AccessConfig, AccountConfig, ProfileConfig, ServiceConfigDoc};
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::{AccountId, Code, ProfileName, Refusal, ServiceName, Timestamp};
use serde::Serialize;

impl Commands {
    /// Puts a service's configuration. With `expected`, only if that is its current version (0 for none).
    ///
    /// # Errors
    /// Refusals: an invalid document, names like those of Flotilla's parts, an unknown profile, or another version.
    pub async fn put_service(
        &self,
        service: &ServiceName,
        doc: &ServiceConfigDoc,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        let order = self.order(caller, Act::PutService, Scope::service(service)).await?;
        let config = config::service_config(service.clone(), doc)?;
        config::outside_of(&self.prefix, &config)?;
        for (n, rule) in config.rules.iter().enumerate() {
            let path = |field: &str| format!("rules.{n}.{field}");
            let Some(item) =
                self.store.get(&[profile_key(&rule.profile)]).await?.into_iter().next().flatten()
            else {
                let what = format!("the profile {} is not configured", rule.profile);
                let refusal =
                    Refusal::new(Code::ProfileUnknown, what, "apply the profile first, or correct its name");
                return Err(refusal.at(path("profile")).into());
            };
            let doc = config::document::<ProfileConfig>(read::<ConfigRecord>(item)?.value)?;
            let profile = config::profile(rule.profile.clone(), &doc)?;
            rule.check_profile(&profile).map_err(|refusal| refusal.at(path("profile")))?;
        }
        self.put(order, service_key(service), Some(index_key("services", service.as_str())), doc, expected)
            .await
    }

    /// Puts a profile.
    ///
    /// # Errors
    /// Refusals: an invalid document, an unknown region, rules that Guard cannot read, or another version.
    pub async fn put_profile(
        &self,
        name: &ProfileName,
        doc: &ProfileConfig,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        let order = self.order(caller, Act::PutProfile, Scope::EVERYTHING).await?;
        config::profile(name.clone(), doc)?;
        config::check_secrets(doc)?;
        if let Some(rules) = config::rules(doc)? {
            let tried = self.policies.dry_run_rules(rules).await?;
            config::check_rules(tried)?;
        }
        self.put(order, profile_key(name), Some(index_key("profiles", name.as_str())), doc, expected).await
    }

    /// Registers an account.
    ///
    /// # Errors
    /// Refusals: an invalid document, or another version.
    pub async fn put_account(
        &self,
        id: &AccountId,
        doc: &AccountConfig,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        let order = self.order(caller, Act::PutAccount, Scope::EVERYTHING).await?;
        config::account(id.clone(), doc)?;
        self.put(order, account_key(id), None, doc, expected).await
    }

    /// Puts the grants of access.
    ///
    /// # Errors
    /// Refusals: an invalid document, one that does not grant the caller admin of everything, or another
    /// version.
    pub async fn put_access(
        &self,
        doc: &AccessConfig,
        expected: Option<u64>,
        caller: &Caller,
    ) -> Result<ConfigRecord, EngineError> {
        let order = self.order(caller, Act::PutAccess, Scope::EVERYTHING).await?;
        config::access(doc)?.keeps_admin(&caller.principal)?;
        config::identity(doc)?;
        self.put(order, access_key(), None, doc, expected).await
    }

    /// Saves a document, and its version in the history. An unchanged document writes nothing.
    async fn put<T: Serialize>(
        &self,
        order: Order,
        key: Key,
        index: Option<Key>,
        doc: &T,
        expected: Option<u64>,
    ) -> Result<ConfigRecord, EngineError> {
        let document = serde_json::to_value(doc).map_err(|e| EngineError::Defect(e.to_string()))?;
        let found = self.store.get(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        let before = found.map(read::<ConfigRecord>).transpose()?;
        let version = before.as_ref().map_or(0, |b| b.value.config_version);
        if expected.is_some_and(|expected| expected != version) {
            return Err(changed(before.map(|before| before.value)));
        }
        if let Some(same) = before.as_ref().filter(|before| before.value.document == document) {
            return Ok(same.value.clone());
        }
        let record = ConfigRecord {
            key,
            config_version: version + 1,
            changed_by: order.principal().to_owned(),
            changed_at: self.clock.now(),
            document,
        };
        let saved = before.unwrap_or_else(|| Versioned::new(record.clone()));
        let mut writes = vec![saved.write(&record, None), create(&record.history())];
        writes.extend(index.map(index_entry));
        let order = order.detail(format!("{} version {}", record.key.pk, record.config_version));
        match self.save(&order, writes).await {
            Ok(()) => {
                tracing::info!(
                    key = record.key.pk,
                    version = record.config_version,
                    actor = record.changed_by,
                    "configuration changed"
                );
                Ok(record)
            }
            Err(WriteError::Conflict(_)) => {
                let found = self.store.get(&[record.key]).await?.into_iter().next().flatten();
                Err(changed(found.map(read::<ConfigRecord>).transpose()?.map(|now| now.value)))
            }
            Err(WriteError::Port(error)) => Err(error.into()),
        }
    }
}

/// A conflict: the configuration does not have the version that the caller expects.
fn changed(now: Option<ConfigRecord>) -> EngineError {
    let (version, changed_by) = now.map_or((0, None), |now| (now.config_version, Some(now.changed_by)));
    let refusal = conflict(format!("the configuration now has version {version}"));
    EngineError::conflict(refusal, Current::Config { version, changed_by })
}

fn index_entry(key: Key) -> Write {
    let body = [("format".to_owned(), 1.into())].into_iter().collect();
    let item = Item { key, version: 1, due_at: None::<Timestamp>, expires_at: None, body };
    Write::put(item, Expect::Anything)
}
