//! Copies of a package, one bucket per region.

/// How a package gets from the ingest bucket into a target's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Copies {
    /// S3 itself copies, with the target's role, which reads the ingest bucket.
    #[default]
    S3,
    /// The bytes pass through `replicate`, which reads with the control plane's own role and writes with the
    /// target's: for targets whose role cannot read a bucket of the control plane's account.
    Streamed,
}
