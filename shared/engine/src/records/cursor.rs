//! The sweep's progress in listing uploads: `SWP#intake` / `CURSOR`.

use super::Record;
use super::common::time;
use crate::ports::Key;
use flotilla_domain::Timestamp;
use serde::{Deserialize, Serialize};

/// The sweep's position in its current round, and the result of earlier rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeCursor {
    /// The position of the next page; `None` at the beginning.
    pub after: Option<String>,
    /// When the current round began.
    pub round_began_at: Timestamp,
    /// All uploads before this time were decided when a complete round read them.
    pub settled_before: Timestamp,
    /// The oldest upload of this round that was not decided. The next round reads it again.
    pub oldest_open: Option<Timestamp>,
}

impl IntakeCursor {
    /// The key of the item.
    pub fn cursor_key() -> Key {
        Key::new("SWP#intake", "CURSOR")
    }
}

#[derive(Serialize, Deserialize)]
pub struct StoredCursor {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    round_began_at: String,
    settled_before: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oldest_open: Option<String>,
}

impl Record for IntakeCursor {
    type Stored = StoredCursor;

    fn key(&self) -> Key {
        Self::cursor_key()
    }

    fn to_stored(&self) -> StoredCursor {
        StoredCursor {
            format: 1,
            after: self.after.clone(),
            round_began_at: self.round_began_at.to_string(),
            settled_before: self.settled_before.to_string(),
            oldest_open: self.oldest_open.map(|at| at.to_string()),
        }
    }

    fn from_stored(stored: StoredCursor) -> Result<Self, String> {
        Ok(Self {
            after: stored.after,
            round_began_at: time(&stored.round_began_at)?,
            settled_before: time(&stored.settled_before)?,
            oldest_open: stored.oldest_open.map(|at| time(&at)).transpose()?,
        })
    }
}
