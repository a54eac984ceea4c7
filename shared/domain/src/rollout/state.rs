//! The states of a rollout.

use crate::cause::Cause;
use crate::deployment::State;
use crate::digest::Digest;
use crate::ids::{RolloutId, Turn};
use crate::target::Target;

/// How far a rollout that failed has come with going back. The targets are those it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revert {
    /// The stage's last stable release is looked up.
    Finding(Vec<Target>),
    /// That release's package is proven in the targets' buckets.
    Copying(Vec<Target>),
    /// The targets are deployed: all sites at once, and of several stacks those first that need the others.
    Rolling {
        /// All of them.
        targets: Vec<Target>,
        /// The level of those that are deployed now: see [`super::Wave::level`].
        level: usize,
    },
}

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutState {
    /// Another rollout of its stage is under way.
    Queued,
    /// The profile's rules are asked what they say of its templates. Nothing of it has begun.
    PolicyCheck,
    /// The package is copied to every target's bucket. Nothing is deployed anywhere before it is proven
    /// everywhere.
    Replicating,
    /// It waits for outputs of other services.
    WaitingForOutputs,
    /// The change sets of all targets are made before any of them is executed.
    Planning,
    /// A wave waits for its gates.
    Gated {
        /// Counted from 0.
        wave: usize,
    },
    /// The targets of a wave are deployed.
    Rolling {
        /// Counted from 0.
        wave: usize,
        /// The targets of the wave before this one, by their place, are known to be open.
        from: usize,
        /// The targets of the wave before this one, by their place, are open or are to be opened.
        opened: usize,
    },
    /// A wave is done and is verified.
    Verifying {
        /// Counted from 0.
        wave: usize,
    },
    /// A wave is done and is left alone for a time before the next one begins.
    Baking {
        /// Counted from 0.
        wave: usize,
    },
    /// It failed, and what it has changed goes back to the stage's last stable release.
    Reverting(Revert),
    /// It is over but for change sets that were made and are not executed: they are removed, then this.
    DiscardingChangeSets(Box<RolloutState>),

    /// Terminal: every target succeeded.
    Succeeded,
    /// Terminal: it was stopped by a failure; the deployments say what runs where.
    Failed(Cause),
    /// Terminal: it failed, and every target it had changed is back at the last stable release.
    Reverted(Cause),
    /// Terminal: it was called off; what had begun was finished, or stopped and rolled back.
    Cancelled,
    /// Terminal: it has shown what it would change, and changed nothing.
    Planned,
    /// Terminal: a newer rollout took its place before it changed anything.
    Superseded {
        /// The newer one, if it is known.
        by: Option<RolloutId>,
    },
}

impl RolloutState {
    /// The state's name in logs, table and API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::PolicyCheck => "vetting",
            Self::Replicating => "replicating",
            Self::WaitingForOutputs => "awaiting",
            Self::Planning => "planning",
            Self::Gated { .. } => "gated",
            Self::Rolling { .. } => "rolling",
            Self::Verifying { .. } => "checking",
            Self::Baking { .. } => "baking",
            Self::Reverting(_) => "reverting",
            Self::DiscardingChangeSets(_) => "withdrawing",
            Self::Planned => "planned",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Reverted(_) => "reverted",
            Self::Cancelled => "cancelled",
            Self::Superseded { .. } => "superseded",
        }
    }

    /// Why it failed, if it did.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Failed(cause) | Self::Reverted(cause) => Some(cause),
            Self::DiscardingChangeSets(end) => end.cause(),
            _ => None,
        }
    }
}

/// How one target of a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetOutcome {
    /// The target.
    pub target: Target,
    /// Forward, or back.
    pub turn: Turn,
    /// Its deployment's state.
    pub state: State,
    /// Whether the deployment has begun an operation on the stack.
    pub touched: bool,
    /// The digest of its plan, once it has one.
    pub plan: Option<Digest>,
}

impl TargetOutcome {
    /// Whether the stack may no longer be what it was before the deployment.
    pub fn changed(&self) -> bool {
        let untouched = matches!(
            self.state,
            State::Succeeded { changed: false } | State::RolledBack(_) | State::Cancelled
        );
        self.touched && !untouched
    }
}
