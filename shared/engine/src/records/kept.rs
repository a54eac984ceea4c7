//! Which releases of a service are kept: `SVC#<service>` / `KEPT`.

use super::Record;
use super::common::parsed;
use super::config::service_pk;
use crate::ports::Key;
use flotilla_domain::retention::Kept;
use flotilla_domain::{ReleaseId, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The retention record of a service. Without an item, all releases are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// The service.
    pub service: ServiceName,
    /// The releases that are kept.
    pub kept: Kept,
}

/// The key of a service's retention record.
pub fn kept_key(service: &ServiceName) -> Key {
    Key::new(service_pk(Some(service)), "KEPT")
}

#[derive(Serialize, Deserialize)]
pub struct StoredKept {
    format: u32,
    service: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    older: BTreeSet<String>,
}

impl Record for KeptRecord {
    type Stored = StoredKept;

    fn key(&self) -> Key {
        kept_key(&self.service)
    }

    fn to_stored(&self) -> StoredKept {
        StoredKept {
            format: 1,
            service: self.service.to_string(),
            since: self.kept.since.map(|id| id.to_string()),
            older: self.kept.older.iter().map(ToString::to_string).collect(),
        }
    }

    fn from_stored(stored: StoredKept) -> Result<Self, String> {
        let release = |id: &String| parsed("release", ReleaseId::parse(id));
        Ok(Self {
            service: parsed("service", ServiceName::parse(&stored.service))?,
            kept: Kept {
                since: stored.since.as_ref().map(release).transpose()?,
                older: stored.older.iter().map(release).collect::<Result<_, _>>()?,
            },
        })
    }
}
