//! The artifact buckets of the targets.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::replica::Copies;
use flotilla_domain::{Digest, Timestamp};

/// What is known of an object in a target's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// There is none.
    Absent,
    /// There is one whose full-object SHA-256, as S3 itself computed it, is this.
    Proven(Digest),
    /// There is one, but S3 has no full-object SHA-256 of it.
    Unproven,
}

/// An object as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What is known of it.
    pub presence: Presence,
    /// When it was stored, to the second; `None` if it is absent.
    pub stored_at: Option<Timestamp>,
}

/// What to copy: an object of the ingest bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// The key, the same at both ends.
    pub key: String,
    /// The digest its bytes must have.
    pub digest: Digest,
}

/// The artifact buckets.
#[async_trait]
pub trait ReplicaStore: Send + Sync {
    /// What is there, and since when.
    async fn presence(&self, place: &Place, key: &str) -> Result<Seen, PortError>;

    /// Brings an object from the ingest bucket: S3 copies it, and its bytes do not pass through here, or they
    /// are streamed, and S3 takes none that have another digest. Answers what is known of the copy.
    async fn copy(&self, place: &Place, source: &CopySource, how: Copies) -> Result<Presence, PortError>;
}
