//! Configuration: of services, profiles, accounts and access, with their history.
//!
//! `SVC#<service>` / `CONFIG`, `PRF#<profile>` / `CONFIG`, `ACC#<account>` / `CONFIG`, `ACCESS` /
//! `CONFIG`; each partition also has the earlier versions as `CFG#<version>`. `IDX#services` and `IDX#profiles`
//! list the names, so that no scan is needed.

use super::Record;
use super::common::time;
use crate::ports::Key;
use flotilla_domain::{AccountId, ProfileName, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The partition of a service; `None` holds uploads whose key names no service.
pub fn service_pk(service: Option<&ServiceName>) -> String {
    // No service can be called "-".
    format!("SVC#{}", service.map_or("-", ServiceName::as_str))
}

/// The key of a service's configuration.
pub fn service_key(service: &ServiceName) -> Key {
    Key::new(service_pk(Some(service)), "CONFIG")
}

/// The key of a profile.
pub fn profile_key(profile: &ProfileName) -> Key {
    Key::new(format!("PRF#{profile}"), "CONFIG")
}

/// The key of an account.
pub fn account_key(account: &AccountId) -> Key {
    Key::new(format!("ACC#{account}"), "CONFIG")
}

/// The key of the access configuration.
pub fn access_key() -> Key {
    Key::new("ACCESS", "CONFIG")
}

/// The partition that lists names of a kind.
pub fn index_pk(kind: &str) -> String {
    format!("IDX#{kind}")
}

/// The key of a name in such a list.
pub fn index_key(kind: &str, name: &str) -> Key {
    Key::new(index_pk(kind), name)
}

/// A configuration document as it was put, and who changed it when.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigRecord {
    /// Its key.
    pub key: Key,
    /// Counted from 1.
    pub config_version: u64,
    /// A principal's ARN.
    pub changed_by: String,
    /// When it was changed.
    pub changed_at: Timestamp,
    /// The document, in the shape of `flotilla-contract`.
    pub document: Value,
}

impl ConfigRecord {
    /// The entry of this version in the history.
    pub fn history(&self) -> Self {
        Self {
            key: Key::new(self.key.pk.clone(), format!("CFG#{:010}", self.config_version)),
            ..self.clone()
        }
    }
}

#[derive(Serialize, Deserialize)]
pub struct StoredConfig {
    format: u32,
    partition: String,
    name: String,
    config_version: u64,
    changed_by: String,
    changed_at: String,
    /// JSON as text: DynamoDB would lose the difference between some numbers and empty values.
    document: String,
}

impl Record for ConfigRecord {
    type Stored = StoredConfig;

    fn key(&self) -> Key {
        self.key.clone()
    }

    fn to_stored(&self) -> StoredConfig {
        StoredConfig {
            format: 1,
            partition: self.key.pk.clone(),
            name: self.key.sk.clone(),
            config_version: self.config_version,
            changed_by: self.changed_by.clone(),
            changed_at: self.changed_at.to_string(),
            document: self.document.to_string(),
        }
    }

    fn from_stored(stored: StoredConfig) -> Result<Self, String> {
        Ok(Self {
            key: Key::new(stored.partition, stored.name),
            config_version: stored.config_version,
            changed_by: stored.changed_by,
            changed_at: time(&stored.changed_at)?,
            document: serde_json::from_str(&stored.document).map_err(|e| e.to_string())?,
        })
    }
}
