//! Approvals: who has looked at what, and agreed.

use crate::digest::Digest;
use jiff::Timestamp;

/// One approval of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// Why, if they said so.
    pub because: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Of which wave, counted from 0.
    pub wave: usize,
    /// Of which package.
    pub package: Digest,
    /// Of which plan, if there was one.
    pub plan: Option<Digest>,
}
