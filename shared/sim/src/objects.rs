//! Objects of buckets, with their versions.

use flotilla_domain::{Digest, Site, Timestamp};
use std::collections::BTreeMap;

/// A version, or the mark that the object was deleted.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) id: u64,
    pub(crate) stored_at: Timestamp,
    /// `None` is a mark of deletion.
    pub(crate) digest: Option<Digest>,
    pub(crate) bytes: u64,
}

/// All versions of all keys, by site and key; `None` is the ingest bucket. The latest comes last.
#[derive(Debug, Default)]
pub struct Objects {
    pub(crate) versions: BTreeMap<(Option<Site>, String), Vec<Version>>,
    pub(crate) made: u64,
    /// Keys of which no version is left, for the checker.
    pub gone: Vec<(Option<Site>, String)>,
}

impl Objects {
    pub(crate) fn latest(&self, site: Option<&Site>, key: &str) -> Option<&Version> {
        self.versions.get(&(site.cloned(), key.to_owned()))?.last()
    }

    /// When what a key answers with was stored.
    pub fn stored_at(&self, site: Option<&Site>, key: &str) -> Option<Timestamp> {
        self.latest(site, key).filter(|version| version.digest.is_some()).map(|version| version.stored_at)
    }

    /// How long it is.
    pub fn latest_bytes(&self, site: Option<&Site>, key: &str) -> u64 {
        self.latest(site, key).map_or(0, |version| version.bytes)
    }

    /// How many versions a key has, marks of deletion included.
    pub fn count(&self, site: Option<&Site>, key: &str) -> usize {
        self.versions.get(&(site.cloned(), key.to_owned())).map_or(0, Vec::len)
    }
}
