//! Buckets that belong to a preview's stack.

use super::{Place, PortError};
use async_trait::async_trait;

/// How far a bucket has been emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emptied {
    /// Versions, delete markers and uploads that were removed now.
    pub removed: u64,
    /// Whether nothing is left.
    pub done: bool,
}

/// S3, for buckets that are to be deleted.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Removes versions, delete markers and unfinished uploads of a bucket, at most a few thousand. A
    /// bucket that does not exist is empty.
    async fn empty(&self, place: &Place, bucket: &str) -> Result<Emptied, PortError>;
}
