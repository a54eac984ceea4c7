//! The buckets that hold the objects of packages, for whoever removes what is not needed any more.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::retention::StoredVersion;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetBucket {
    /// The ingest bucket: the home of every package.
    Home,
    /// A site's artifact bucket.
    At(Place),
}

/// A place in the list of a bucket's versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListMark {
    /// The last key before it.
    pub key: String,
    /// The last version of that key before it; `None` if all of them are.
    pub version_id: Option<String>,
}

/// Some of a bucket's versions, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionPage {
    /// The versions and marks of deletion, at most a thousand.
    pub versions: Vec<StoredVersion>,
    /// Where to go on; `None` at the end.
    pub next: Option<ListMark>,
}

/// What was not removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unremoved {
    /// Which ones, by their place among what was to be removed.
    pub places: Vec<usize>,
    /// Why the first of them was not, in AWS's words.
    pub why: Option<PortError>,
}

/// The buckets.
#[async_trait]
pub trait AssetBuckets: Send + Sync {
    /// Lists versions whose keys begin like this.
    async fn list(
        &self,
        bucket: &AssetBucket,
        prefix: &str,
        after: Option<&ListMark>,
    ) -> Result<VersionPage, PortError>;

    /// Removes versions for good, at most a thousand. One that is gone already counts as removed; what is stored
    /// under its key meanwhile is another version and stays.
    async fn remove(&self, bucket: &AssetBucket, versions: &[&StoredVersion])
    -> Result<Unremoved, PortError>;
}
