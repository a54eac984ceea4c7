//! The ingest bucket: uploads under `incoming/`, and the originals of templates and assets.

use super::PortError;
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::{Digest, Timestamp};
use std::ops::Range;

/// Key and version of an uploaded object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// The decoded key.
    pub key: String,
    /// The version.
    pub version_id: String,
}

/// An object in a bucket that is not Flotilla's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalObject {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version; `None` for the current one.
    pub version: Option<String>,
}

impl std::fmt::Display for ExternalObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// The last bytes of an object, and its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last bytes, or all of a small object.
    pub bytes: Bytes,
    /// The object's length, in bytes.
    pub total_bytes: u64,
    /// When S3 stored it, to the second.
    pub uploaded_at: Timestamp,
}

/// A stream of bytes.
#[async_trait]
pub trait ChunkStream: Send {
    /// The next chunk, `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, PortError>;
}

/// The contents of an object to store.
pub enum Body {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A stream, and its length in bytes.
    Stream(u64, Box<dyn ChunkStream>),
}

/// An upload in the list of the ingest bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The upload.
    pub object: ObjectVersion,
    /// Whether it was uploaded in parts. S3 then reports the time at which the upload began, and the object appears later.
    pub is_multipart: bool,
}

/// A page of uploads, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncomingPage {
    /// The latest version of each upload.
    pub objects: Vec<Incoming>,
    /// The position of the next page; `None` at the end.
    pub next: Option<String>,
}

/// The ingest bucket.
#[async_trait]
pub trait PackageStore: Send + Sync {
    /// Reads the last `bytes` of an upload. `Missing` if the object or version was deleted.
    async fn read_tail(&self, object: &ObjectRef, bytes: u64) -> Result<Tail, PortError>;

    /// Reads the latest version of a small object; `None` if there is none. Of a larger one, the first `bytes_max + 1` bytes.
    async fn read_latest(&self, key: &str, bytes_max: u64) -> Result<Option<Bytes>, PortError>;

    /// Reads a range of an upload.
    async fn read(&self, object: &ObjectRef, range: Range<u64>) -> Result<Box<dyn ChunkStream>, PortError>;

    /// When an object was stored, to the second, if S3 proves that its bytes have this digest; else `None`.
    async fn holds(&self, key: &str, digest: &Digest) -> Result<Option<Timestamp>, PortError>;

    /// Lets S3 copy an object onto itself and prove its digest, which makes it young again. `false` if S3
    /// proves no such object. The bytes do not pass through this process.
    async fn renew(&self, key: &str, digest: &Digest) -> Result<bool, PortError>;

    /// Stores an object. S3 refuses it if its bytes have another digest.
    async fn put(&self, key: &str, digest: &Digest, body: Body) -> Result<(), PortError>;

    /// Lets S3 copy a range of an upload to a key that is kept for a day. Returns the digest that S3 computed,
    /// or `None` if S3 reports none. The bytes do not pass through this process.
    async fn lift(
        &self,
        object: &ObjectRef,
        range: Range<u64>,
        parked: &str,
    ) -> Result<Option<Digest>, PortError>;

    /// Lets S3 copy a parked object to its final key. `false` if S3 reports no digest of the copy; fails if it reports another.
    async fn settle(&self, parked: &str, key: &str, digest: &Digest) -> Result<bool, PortError>;

    /// Lets S3 copy an object of another bucket to a key that is kept for a day. Returns the digest that S3 computed, or `None` if S3 reports
    /// none. The bytes do not pass through this process.
    async fn fetch(&self, from: &ExternalObject, parked: &str) -> Result<Option<Digest>, PortError>;

    /// Reads what [`PackageStore::fetch`] has parked, whose length is returned too.
    async fn read_parked(&self, parked: &str) -> Result<(u64, Box<dyn ChunkStream>), PortError>;

    /// Lists uploads after the position that the previous page returned.
    async fn list_incoming(&self, after: Option<&str>) -> Result<IncomingPage, PortError>;
}
