//! The artifact buckets of the account-regions.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::replica::Copies;
use flotilla_domain::{Digest, Timestamp};

/// What S3 reports about an object in an artifact bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The object does not exist.
    Absent,
    /// The object exists, and S3 itself computed this full-object SHA-256.
    Proven(Digest),
    /// The object exists, but S3 has no full-object SHA-256 for it.
    Unproven,
}

/// An object as it was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What S3 reports about it.
    pub presence: Presence,
    /// When it was stored, to the second; `None` if it is absent.
    pub stored_at: Option<Timestamp>,
}

/// An object of the ingest bucket to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// The key, the same in both buckets.
    pub key: String,
    /// The digest its bytes must have.
    pub digest: Digest,
}

/// The artifact buckets.
#[async_trait]
pub trait ReplicaStore: Send + Sync {
    /// Observes an object: its presence, and when it was stored.
    async fn presence(&self, place: &Place, key: &str) -> Result<Seen, PortError>;

    /// Copies an object from the ingest bucket. Either S3 copies it, and the bytes do not pass through this
    /// process, or they are streamed, and S3 refuses bytes with another digest. Returns what S3 reports about
    /// the copy.
    async fn copy(&self, place: &Place, source: &CopySource, how: Copies) -> Result<Presence, PortError>;
}
