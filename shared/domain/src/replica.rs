//! Replicas: copies of a package, one per account-region.

/// How a package is copied from the ingest bucket to a target's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Copies {
    /// S3 copies the objects. The target's role reads the ingest bucket.
    #[default]
    S3,
    /// The `replicate` function streams the bytes. It reads with the control plane's role and writes with the target's:
    /// for targets whose role cannot read a bucket of the control plane's account.
    Streamed,
}
