//! Break-glass: every gate of one rollout opens, with a reason that is kept.

use jiff::Timestamp;

/// A word of somebody who may give it that opens every gate of one rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    /// Who.
    pub by: String,
    /// Why.
    pub because: String,
    /// When.
    pub at: Timestamp,
}
