//! A replica: `REL#<release id>` / `RPL#<account>#<region>`.

use super::Record;
use super::common::{StoredCause, digest, parsed, time};
use crate::ports::{Key, Query};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{Cause, Digest, ReleaseId, Site, Timestamp};
use serde::{Deserialize, Serialize};

const SK: &str = "RPL#";

/// A proven replica, or why it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRecord {
    /// The release.
    pub release: ReleaseId,
    /// The account-region.
    pub site: Site,
    /// The package that was proven there.
    pub package: Digest,
    /// Why it could not be proven; `None` if it is.
    pub failure: Option<Cause>,
    /// When it was recorded.
    pub at: Timestamp,
}

impl ReplicaRecord {
    /// Whether a rollout may rely on it. A rollout that only plans may not rely on an old one: no stage names
    /// its release, so only the age of the objects protects them from garbage collection (see
    /// [`crate::replica::Replicate`]).
    pub fn proves_for(&self, rollout: &Rollout) -> bool {
        self.failure.is_none() && !(rollout.plan_only && self.at < rollout.created_at)
    }
}

/// Most replicas of a release that are read: more than one rollout has.
pub const REPLICAS_MAX: usize = 1_000;

/// The key of a replica.
pub fn replica_key(release: &ReleaseId, site: &Site) -> Key {
    Key::new(format!("REL#{release}"), format!("{SK}{}#{}", site.account, site.region))
}

/// All replicas of a release.
pub fn replicas_query(release: &ReleaseId, limit: usize) -> Query {
    Query { pk: format!("REL#{release}"), prefix: SK.into(), after: None, newest_first: false, limit }
}

#[derive(Serialize, Deserialize)]
pub struct StoredReplica {
    format: u32,
    release: String,
    target: String,
    package: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<StoredCause>,
    at: String,
}

impl Record for ReplicaRecord {
    type Stored = StoredReplica;

    fn key(&self) -> Key {
        replica_key(&self.release, &self.site)
    }

    fn to_stored(&self) -> StoredReplica {
        StoredReplica {
            format: 1,
            release: self.release.to_string(),
            target: self.site.to_string(),
            package: self.package.to_string(),
            failure: self.failure.as_ref().map(StoredCause::of_cause),
            at: self.at.to_string(),
        }
    }

    fn from_stored(stored: StoredReplica) -> Result<Self, String> {
        Ok(Self {
            release: parsed("release", ReleaseId::parse(&stored.release))?,
            site: parsed("target", Site::parse(&stored.target))?,
            package: digest(&stored.package)?,
            failure: stored.failure.map(|cause| cause.to_cause()).transpose()?,
            at: time(&stored.at)?,
        })
    }
}
