//! How far the collection of what is not needed has come: `SWP#collect` / `CURSOR`.

use super::Record;
use super::common::{parsed, time};
use crate::ports::{Key, ListMark};
use flotilla_domain::{Site, Timestamp};
use serde::{Deserialize, Serialize};

/// The collection's place in its present round through all buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionCursor {
    /// When the round began.
    pub round_began_at: Timestamp,
    /// Whether it has come to its end.
    pub is_over: bool,
    /// The bucket it is at: that of a site, or the ingest bucket, which comes first.
    pub site: Option<Site>,
    /// Which of the folders it is at.
    pub folder: usize,
    /// Behind which version the next page begins; `None` at the folder's beginning.
    pub after: Option<ListMark>,
    /// How often it has been tried from here.
    pub tries: u32,
}

impl CollectionCursor {
    /// Its key.
    pub fn cursor_key() -> Key {
        Key::new("SWP#collect", "CURSOR")
    }

    /// A round that is over; the next one begins when it is so long ago as rounds are apart.
    pub fn over(began_at: Timestamp) -> Self {
        Self { is_over: true, ..Self::begin(began_at) }
    }

    /// A round that begins.
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
