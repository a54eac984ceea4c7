//! What lets a person into the console: `CON#<digest of the token>` / `PASS`. The token itself is never stored.

use super::Record;
use super::common::{digest, time};
use crate::ports::Key;
use flotilla_domain::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// A sign-in link or a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolePass {
    /// The SHA-256 of its token.
    pub token: Digest,
    /// What it is.
    pub kind: PassKind,
    /// The principal that signs in or is signed in.
    pub principal: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it was used up: a link by its first use, a session by signing out.
    pub is_used: bool,
}

/// The kind of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassKind {
    /// A link that signs in once.
    Link,
    /// A session.
    Session,
}

/// The key of a pass.
pub fn console_key(token: &Digest) -> Key {
    Key::new(format!("CON#{token}"), "PASS")
}

#[derive(Serialize, Deserialize)]
pub struct StoredPass {
    format: u32,
    token: String,
    kind: String,
    principal: String,
    expires_at: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_used: bool,
}

impl Record for ConsolePass {
    type Stored = StoredPass;

    fn key(&self) -> Key {
        console_key(&self.token)
    }

    fn to_stored(&self) -> StoredPass {
        let kind = match self.kind {
            PassKind::Link => "link",
            PassKind::Session => "session",
        };
        StoredPass {
            format: 1,
            token: self.token.to_string(),
            kind: kind.into(),
            principal: self.principal.clone(),
            expires_at: self.expires_at.to_string(),
            is_used: self.is_used,
        }
    }

    fn from_stored(stored: StoredPass) -> Result<Self, String> {
        let kind = match stored.kind.as_str() {
            "link" => PassKind::Link,
            "session" => PassKind::Session,
            other => return Err(format!("{other:?} is no kind of pass")),
        };
        Ok(Self {
            token: digest(&stored.token)?,
            kind,
            principal: stored.principal,
            expires_at: time(&stored.expires_at)?,
            is_used: stored.is_used,
        })
    }

    /// The table may delete it a day after its end.
    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at.saturating_add(flotilla_domain::SignedDuration::from_hours(24)).ok()
    }
}
