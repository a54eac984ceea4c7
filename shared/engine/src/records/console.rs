//! The tokens that sign a person in to the console: `CON#<digest of the token>` / `TOKEN`. The token itself is never stored.

use super::Record;
use super::common::{digest, time};
use crate::ports::Key;
use flotilla_domain::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// The token of a sign-in link or of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleToken {
    /// Its SHA-256.
    pub digest: Digest,
    /// What it is for.
    pub kind: TokenKind,
    /// The principal that signs in or is signed in.
    pub principal: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it was used up: a link by its first use, a session by signing out.
    pub is_used: bool,
}

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A link that signs in once.
    Link,
    /// A session.
    Session,
}

/// The key of a token.
pub fn console_key(digest: &Digest) -> Key {
    Key::new(format!("CON#{digest}"), "TOKEN")
}

#[derive(Serialize, Deserialize)]
pub struct StoredToken {
    format: u32,
    token: String,
    kind: String,
    principal: String,
    expires_at: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_used: bool,
}

impl Record for ConsoleToken {
    type Stored = StoredToken;

    fn key(&self) -> Key {
        console_key(&self.digest)
    }

    fn to_stored(&self) -> StoredToken {
        let kind = match self.kind {
            TokenKind::Link => "link",
            TokenKind::Session => "session",
        };
        StoredToken {
            format: 1,
            token: self.digest.to_string(),
            kind: kind.into(),
            principal: self.principal.clone(),
            expires_at: self.expires_at.to_string(),
            is_used: self.is_used,
        }
    }

    fn from_stored(stored: StoredToken) -> Result<Self, String> {
        let kind = match stored.kind.as_str() {
            "link" => TokenKind::Link,
            "session" => TokenKind::Session,
            other => return Err(format!("{other:?} is no kind of token")),
        };
        Ok(Self {
            digest: digest(&stored.token)?,
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
