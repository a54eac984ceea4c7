//! The ingest bucket: uploads under `incoming/`, and the home copies of templates and assets.

use super::PortError;
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::{Digest, Timestamp};
use std::ops::Range;

/// An uploaded object's key and, if it is known, its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// The decoded key.
    pub key: String,
    /// The version.
    pub version_id: String,
}

/// The last bytes of an object, and what came with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last bytes, or all of them.
    pub bytes: Bytes,
    /// The object's length.
    pub total_bytes: u64,
    /// When S3 took it, to the second.
    pub uploaded_at: Timestamp,
}

/// Bytes as they come.
#[async_trait]
pub trait ChunkStream: Send {
    /// The next ones, `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, PortError>;
}

/// What to store.
pub enum Body {
    /// Bytes at hand.
    Bytes(Bytes),
    /// Bytes as they come, of this length.
    Stream(u64, Box<dyn ChunkStream>),
}

/// Some of the uploads, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncomingPage {
    /// The latest version of each.
    pub objects: Vec<ObjectVersion>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

/// The ingest bucket.
#[async_trait]
pub trait PackageStore: Send + Sync {
    /// Reads the last `bytes` of an upload. Fails with `Missing` when object or version is gone.
    async fn read_tail(&self, object: &ObjectRef, bytes: u64) -> Result<Tail, PortError>;

    /// Reads a range of an upload.
    async fn read(&self, object: &ObjectRef, range: Range<u64>) -> Result<Box<dyn ChunkStream>, PortError>;

    /// Since when an object is stored whose bytes S3 itself proves to have this digest, to the second; `None` if
    /// there is none.
    async fn holds(&self, key: &str, digest: &Digest) -> Result<Option<Timestamp>, PortError>;

    /// Has S3 store an object anew, as a copy of itself, and prove its digest; `false` if there is none that it
    /// proves. No byte of it passes through here.
    async fn renew(&self, key: &str, digest: &Digest) -> Result<bool, PortError>;

    /// Stores an object; S3 refuses it if its bytes have another digest.
    async fn put(&self, key: &str, digest: &Digest, body: Body) -> Result<(), PortError>;

    /// Has S3 copy a range of an upload to a place where it is kept for a day, and answers the digest that S3
    /// computed of it; `None` if it does not say. No byte of it passes through here.
    async fn lift(
        &self,
        object: &ObjectRef,
        range: Range<u64>,
        parked: &str,
    ) -> Result<Option<Digest>, PortError>;

    /// Has S3 copy what was parked to its key; fails if it has another digest.
    async fn settle(&self, parked: &str, key: &str, digest: &Digest) -> Result<(), PortError>;

    /// Lists uploads, beginning behind a place that an earlier page named.
    async fn list_incoming(&self, after: Option<&str>) -> Result<IncomingPage, PortError>;
}
