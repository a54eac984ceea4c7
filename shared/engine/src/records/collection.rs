//! The progress of garbage collection: `SWP#collect` / `CURSOR`.

use super::Record;
use super::common::{parsed, time};
use crate::ports::{Key, ListMark};
use flotilla_domain::{Site, Timestamp};
use serde::{Deserialize, Serialize};

/// The position of garbage collection in its current round through all buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionCursor {
    /// When the round began.
    pub round_began_at: Timestamp,
    /// Whether the round is complete.
    pub is_over: bool,
    /// The current bucket: that of an account-region, or `None` for the ingest bucket, which comes first.
    pub site: Option<Site>,
    /// The index of the current folder.
    pub folder: usize,
    /// The version after which the next page begins; `None` at the folder's beginning.
    pub after: Option<ListMark>,
    /// Attempts from this position.
    pub tries: u32,
}

impl CollectionCursor {
    /// The key of the item.
    pub fn cursor_key() -> Key {
        Key::new("SWP#collect", "CURSOR")
    }

    /// A completed round. The next one begins after the interval between rounds.
    pub fn over(began_at: Timestamp) -> Self {
        Self { is_over: true, ..Self::begin(began_at) }
    }

    /// A new round.
    pub fn begin(now: Timestamp) -> Self {
        Self { round_began_at: now, is_over: false, site: None, folder: 0, after: None, tries: 0 }
    }
}

#[derive(Serialize, Deserialize)]
pub struct StoredCollection {
    format: u32,
    round_began_at: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_over: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    folder: usize,
    /// Key and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<(String, Option<String>)>,
    tries: u32,
}

impl Record for CollectionCursor {
    type Stored = StoredCollection;

    fn key(&self) -> Key {
        Self::cursor_key()
    }

    fn to_stored(&self) -> StoredCollection {
        StoredCollection {
            format: 1,
            round_began_at: self.round_began_at.to_string(),
            is_over: self.is_over,
            site: self.site.as_ref().map(ToString::to_string),
            folder: self.folder,
            after: self.after.as_ref().map(|mark| (mark.key.clone(), mark.version_id.clone())),
            tries: self.tries,
        }
    }

    fn from_stored(stored: StoredCollection) -> Result<Self, String> {
        Ok(Self {
            round_began_at: time(&stored.round_began_at)?,
            is_over: stored.is_over,
            site: stored.site.map(|site| parsed("site", Site::parse(&site))).transpose()?,
            folder: stored.folder,
            after: stored.after.map(|(key, version_id)| ListMark { key, version_id }),
            tries: stored.tries,
        })
    }
}
