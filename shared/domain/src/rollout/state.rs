//! The states of a rollout.

use crate::analysis::Reading;
use crate::cause::Cause;
use crate::deployment::State;
use crate::digest::Digest;
use crate::ids::{Direction, RolloutId};
use crate::target::Target;
use jiff::Timestamp;

/// The progress of a revert. The targets are those that the failed rollout changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revert {
    /// The stage's last stable release is read.
    Finding(Vec<Target>),
    /// That release's package is copied to the targets' buckets and proven there.
    Copying(Vec<Target>),
    /// The targets are deployed: all account-regions concurrently, the stacks of the highest level first.
    Rolling {
        /// All targets of the revert.
        targets: Vec<Target>,
        /// The level that is deployed now: see [`super::Wave::level`].
        level: usize,
    },
}

/// A wave whose traffic is being shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// The wave, counted from 0.
    pub wave: usize,
    /// The step, counted from 0.
    pub step: usize,
    /// The share of the new versions in percent: the step's, or what an operator has set instead.
    pub percent: u8,
    /// When every alias was first seen to have this share.
    pub since: Option<Timestamp>,
    /// The last reading of the metrics of the step, if it needs them.
    pub reading: Option<Reading>,
}

/// The state of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutState {
    /// Another rollout of its stage is active.
    Queued,
    /// The profile's rules are evaluated against its templates. Nothing has begun.
    PolicyCheck,
    /// The package is copied to every target's bucket. Nothing is deployed before it is proven in all of them.
    Replicating,
    /// It waits for outputs of other services that do not exist yet.
    WaitingForOutputs,
    /// The change sets of all targets are created before any of them is executed.
    Planning,
    /// A wave waits for its gates to open.
    Gated {
        /// Counted from 0.
        wave: usize,
    },
    /// The targets of a wave are deployed.
    Rolling {
        /// Counted from 0.
        wave: usize,
        /// The deployments of the wave's targets before this index are known to be open.
        from: usize,
        /// The deployments of the wave's targets before this index are open or are to be opened.
        opened: usize,
    },
    /// A wave is deployed and its targets are verified.
    Verifying {
        /// Counted from 0.
        wave: usize,
    },
    /// The new versions of a wave's functions get a growing share of the invocations.
    Shifting(Shift),
    /// The new versions of a wave get everything, and a second update lets the stacks' templates say so.
    Completing {
        /// Counted from 0.
        wave: usize,
    },
    /// It failed or was cancelled while traffic was shifted: the old versions of a wave get everything back.
    ShiftingBack {
        /// Counted from 0.
        wave: usize,
    },
    /// A wave is deployed and bakes before the next one begins.
    Baking {
        /// Counted from 0.
        wave: usize,
    },
    /// It failed, and the targets it changed are reverted to the stage's last stable release.
    Reverting(Revert),
    /// It deletes its change sets that are not executed, then ends in this state.
    DiscardingChangeSets(Box<RolloutState>),

    /// Terminal: every target succeeded.
    Succeeded,
    /// Terminal: it failed. Its deployments tell what runs at each target.
    Failed(Cause),
    /// Terminal: it failed, and every target it changed is back at the last stable release.
    Reverted(Cause),
    /// Terminal: it was cancelled. Running updates were finished, or cancelled and rolled back.
    Cancelled,
    /// Terminal: it made its plans and changed nothing.
    Planned,
    /// Terminal: a newer rollout replaced it before it changed anything.
    Superseded {
        /// The newer rollout, if it is known.
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
            Self::Shifting(_) => "shifting",
            Self::Completing { .. } => "completing",
            Self::ShiftingBack { .. } => "shifting_back",
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

/// The deployment of one target, as its rollout observes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetOutcome {
    /// The target.
    pub target: Target,
    /// Forward, or back.
    pub direction: Direction,
    /// The deployment's state.
    pub state: State,
    /// Whether the command of the state is known to be done.
    pub acted: bool,
    /// Whether the deployment has begun an operation on the stack.
    pub touched: bool,
    /// The digest of the plan, once there is one.
    pub plan: Option<Digest>,
}

impl TargetOutcome {
    /// Whether the deployment may have changed the stack.
    pub fn changed(&self) -> bool {
        let untouched = matches!(
            self.state,
            State::Succeeded { changed: false } | State::RolledBack(_) | State::Cancelled
        );
        self.touched && !untouched
    }
}
