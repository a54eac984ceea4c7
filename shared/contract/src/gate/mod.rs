//! Gates: one file for each with its configuration, the command that opens it, and its view. The view of all gates of a rollout
//! is here.

mod approval;
mod freeze;
mod verification;
mod window;

pub use approval::{ApprovalView, Approve};
pub use freeze::{LiftLine, LineView, StopLine};
pub use verification::CheckConfig;
pub use window::{FreezeConfig, WindowConfig};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A blocked gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedView {
    /// `line`, `window`, `alarm`, `approval`, `output` or `rules`.
    pub gate: String,
    /// Why it is blocked.
    pub why: String,
    /// The time at which it opens by itself, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// The gates of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct GatesView {
    /// The wave that waits to begin, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    /// The number of approvals that this wave needs.
    pub approvals_needed: usize,
    /// The approvals given so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalView>,
    /// The gates that were blocked at the last observation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ClosedView>,
    /// Who opened all gates by break-glass, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_open: Option<String>,
}
