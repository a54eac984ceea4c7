//! Objects in buckets, with their versions, and container images in repositories.

use flotilla_domain::{Digest, Site, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A version, or a delete marker.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) id: u64,
    pub(crate) stored_at: Timestamp,
    /// `None` for a delete marker.
    pub(crate) digest: Option<Digest>,
    pub(crate) bytes: u64,
}

/// All versions of all keys, by account-region and key; `None` is the ingest bucket. The latest version is last.
#[derive(Debug, Default)]
pub struct Objects {
    pub(crate) versions: BTreeMap<(Option<Site>, String), Vec<Version>>,
    pub(crate) made: u64,
    /// Keys without any remaining version, for the checker.
    pub gone: Vec<(Option<Site>, String)>,
}

impl Objects {
    pub(crate) fn latest(&self, site: Option<&Site>, key: &str) -> Option<&Version> {
        self.versions.get(&(site.cloned(), key.to_owned()))?.last()
    }

    /// When the current version of a key was stored.
    pub fn stored_at(&self, site: Option<&Site>, key: &str) -> Option<Timestamp> {
        self.latest(site, key).filter(|version| version.digest.is_some()).map(|version| version.stored_at)
    }

    /// The size of the current version.
    pub fn latest_bytes(&self, site: Option<&Site>, key: &str) -> u64 {
        self.latest(site, key).map_or(0, |version| version.bytes)
    }

    /// The number of versions of a key, including delete markers.
    pub fn count(&self, site: Option<&Site>, key: &str) -> usize {
        self.versions.get(&(site.cloned(), key.to_owned())).map_or(0, Vec::len)
    }
}

/// The repository of an account-region.
#[derive(Default)]
pub struct Repository {
    /// The images, with their tags.
    pub images: BTreeMap<Digest, BTreeSet<String>>,
    /// The blobs of all images, and those that no image names yet.
    pub blobs: BTreeSet<Digest>,
    /// How many blobs were sent to it.
    pub sent: u64,
}
