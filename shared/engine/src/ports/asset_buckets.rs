//! The buckets that hold the objects of packages, as garbage collection sees them.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::retention::StoredVersion;

/// One bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetBucket {
    /// The ingest bucket.
    Home,
    /// The artifact bucket of an account-region.
    At(Place),
}

/// A position in the list of a bucket's versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListMark {
    /// The last key before the position.
    pub key: String,
    /// The last version of that key before the position; `None` if all versions are before it.
    pub version_id: Option<String>,
}

/// A page of a bucket's versions, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionPage {
    /// The versions and delete markers, at most 1,000.
    pub versions: Vec<StoredVersion>,
    /// The position of the next page; `None` at the end.
    pub next: Option<ListMark>,
}

/// Versions that were not removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unremoved {
    /// Their indices in the request.
    pub places: Vec<usize>,
    /// AWS's error for the first of them.
    pub why: Option<PortError>,
}

/// The ingest bucket and the artifact buckets.
#[async_trait]
pub trait AssetBuckets: Send + Sync {
    /// Lists the versions under a key prefix.
    async fn list(
        &self,
        bucket: &AssetBucket,
        prefix: &str,
        after: Option<&ListMark>,
    ) -> Result<VersionPage, PortError>;

    /// Removes versions permanently, at most 1,000. A version that does not exist counts as removed. A version
    /// stored later under the same key stays.
    async fn remove(&self, bucket: &AssetBucket, versions: &[&StoredVersion])
    -> Result<Unremoved, PortError>;
}
