//! The states of a rollout.

use crate::cause::Cause;
use crate::deployment::State;
use crate::ids::RolloutId;
use crate::target::Target;

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutState {
    /// Another rollout of its stage is under way.
    Queued,
    /// The package is copied to every target's bucket. Nothing is deployed anywhere before it is proven
    /// everywhere.
    Replicating,
    /// The targets of a wave are deployed.
    Rolling {
        /// Counted from 0.
        wave: usize,
    },

    /// Terminal: every target succeeded.
    Succeeded,
    /// Terminal: it was stopped by a failure; the deployments say what runs where.
    Failed(Cause),
    /// Terminal: it was called off; what had begun was finished.
    Cancelled,
    /// Terminal: a newer rollout took its place before it changed anything.
    Superseded {
        /// The newer one, if it is known.
        by: Option<RolloutId>,
    },
}

impl RolloutState {
    /// Whether nothing follows.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed(_) | Self::Cancelled | Self::Superseded { .. })
    }

    /// The state's name in logs, table and API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Replicating => "replicating",
            Self::Rolling { .. } => "rolling",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded { .. } => "superseded",
        }
    }

    /// Why it failed, if it did.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Failed(cause) => Some(cause),
            _ => None,
        }
    }
}

/// How one target of a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetOutcome {
    /// The target.
    pub target: Target,
    /// Its deployment's state.
    pub state: State,
}
