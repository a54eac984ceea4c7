//! Break-glass: opens every gate of one rollout, with a reason that is kept.

use jiff::Timestamp;

/// An operator's override that opens every gate of one rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    /// Principal that opened the gates.
    pub by: String,
    /// Reason.
    pub because: String,
    /// Time of the command.
    pub at: Timestamp,
}
