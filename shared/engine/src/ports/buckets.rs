//! Buckets of a preview's stack.

use super::{Place, PortError};
use async_trait::async_trait;

/// How far a bucket has been emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emptied {
    /// Versions, delete markers and multipart uploads that this call removed.
    pub removed: u64,
    /// Whether the bucket is empty.
    pub done: bool,
}

/// S3, for buckets that will be deleted.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Removes versions, delete markers and multipart uploads of a bucket, at most a few thousand in one call.
    /// A bucket that does not exist is empty.
    async fn empty(&self, place: &Place, bucket: &str) -> Result<Emptied, PortError>;
}
