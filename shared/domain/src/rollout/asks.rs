//! What the saved state of a rollout asks for: its command, its observation and its deadline.

use super::{Revert, Rollout, RolloutKind, RolloutState, Shift};
use crate::ids::{Direction, ReleaseId};
use crate::target::{Site, Target};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// A command of a saved rollout. Every command can be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutCommand {
    /// Copy a release's package to these account-regions' buckets and prove it there. Repeated, it is already there.
    Replicate(ReleaseId, BTreeSet<Site>),
    /// Open the deployments of these targets. Repeated, they are open already.
    Open(Direction, Vec<Target>),
    /// Send a tick to the open deployments of these targets, so that they observe the rollout.
    Wake(Vec<Target>),
    /// Cancel the active rollout of the stage, which this removal or rollback waits for. Repeated, it is cancelled already.
    ClearStage,
    /// Ask the running deployments to cancel their updates. Repeated, they are asked already.
    Stop {
        /// The operator who asked.
        by: String,
    },
}

/// What a rollout observes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutObservation {
    /// Its place at the stage's head.
    Head,
    /// The result of the policy check of its templates.
    PolicyCheck,
    /// The replicas of its release.
    Replicas,
    /// Its deployments.
    Deployments,
    /// The outputs of other services that it needs.
    Outputs,
    /// The gates of its next wave, and its place at the stage's head if nothing has begun.
    Gates,
    /// The verification of a wave.
    Verification,
    /// The deployments and the alarms of a wave whose traffic is shifted.
    Traffic,
    /// The clock and the alarms of a wave that bakes.
    Bake,
    /// The stage's last stable release.
    Stable,
}

impl Rollout {
    /// The command that the saved state asks for and that is not yet known to be done.
    pub fn due(&self) -> Option<RolloutCommand> {
        match (&self.state, &self.cancelled) {
            (RolloutState::Rolling { .. }, Some(off)) => {
                let stop = off.stop_running && !self.stop_sent;
                return stop.then(|| RolloutCommand::Stop { by: off.by.clone() });
            }
            _ if self.acted => return None,
            _ => {}
        }
        match &self.state {
            RolloutState::Queued if self.clears_stage() => Some(RolloutCommand::ClearStage),
            RolloutState::Replicating | RolloutState::Reverting(Revert::Copying(_)) => {
                Some(RolloutCommand::Replicate(self.awaited_release()?, self.waits_for_copies_at()))
            }
            RolloutState::Planning => {
                Some(RolloutCommand::Open(Direction::Forward, self.targets_planned_first()))
            }
            RolloutState::DiscardingChangeSets(_) => Some(RolloutCommand::Wake(self.targets_planned_first())),
            RolloutState::Rolling { wave, from, opened } if from < opened => {
                let targets = self.waves[*wave].targets[*from..*opened].to_vec();
                Some(match self.is_ahead(*wave) {
                    true => RolloutCommand::Wake(targets),
                    false => RolloutCommand::Open(Direction::Forward, targets),
                })
            }
            RolloutState::Shifting(Shift { wave, .. })
            | RolloutState::Completing { wave }
            | RolloutState::ShiftingBack { wave } => {
                Some(RolloutCommand::Wake(self.waves.get(*wave)?.targets.clone()))
            }
            RolloutState::Reverting(Revert::Rolling { targets, level }) => {
                let targets = targets.iter().filter(|target| self.level(target) == *level);
                Some(RolloutCommand::Open(Direction::Rollback, targets.cloned().collect()))
            }
            _ => None,
        }
    }

    /// Whether it cancels the rollout that it waits for: a removal and a rollback do not want what that one deploys.
    pub(super) fn clears_stage(&self) -> bool {
        self.kind == RolloutKind::Remove || self.gates.expedite
    }

    /// What it observes next; `None` when it is terminal.
    pub fn observation(&self) -> Option<RolloutObservation> {
        match self.state {
            RolloutState::Queued => Some(RolloutObservation::Head),
            RolloutState::PolicyCheck => Some(RolloutObservation::PolicyCheck),
            RolloutState::Replicating | RolloutState::Reverting(Revert::Copying(_)) => {
                Some(RolloutObservation::Replicas)
            }
            RolloutState::Planning
            | RolloutState::Rolling { .. }
            | RolloutState::Completing { .. }
            | RolloutState::ShiftingBack { .. }
            | RolloutState::Reverting(Revert::Rolling { .. })
            | RolloutState::DiscardingChangeSets(_) => Some(RolloutObservation::Deployments),
            RolloutState::WaitingForOutputs => Some(RolloutObservation::Outputs),
            RolloutState::Gated { .. } => Some(RolloutObservation::Gates),
            RolloutState::Verifying { .. } => Some(RolloutObservation::Verification),
            RolloutState::Shifting(_) => Some(RolloutObservation::Traffic),
            RolloutState::Baking { .. } => Some(RolloutObservation::Bake),
            RolloutState::Reverting(Revert::Finding(_)) => Some(RolloutObservation::Stable),
            RolloutState::Succeeded
            | RolloutState::Failed(_)
            | RolloutState::Reverted(_)
            | RolloutState::Cancelled
            | RolloutState::Planned
            | RolloutState::Superseded { .. } => None,
        }
    }

    /// Whether it must observe its place at the stage's head in addition to what its state observes: nothing has
    /// begun, so a newer rollout may supersede it. A plan-only rollout has no place there.
    pub fn may_be_superseded(&self) -> bool {
        // These two observations include the place.
        let looks = matches!(self.observation(), Some(RolloutObservation::Head | RolloutObservation::Gates));
        self.state.properties().is_supersedable && !looks && !self.plan_only
    }

    /// The account-regions where the present state waits for copies of a release.
    pub fn waits_for_copies_at(&self) -> BTreeSet<Site> {
        match &self.state {
            RolloutState::Replicating => self.sites(),
            RolloutState::Reverting(Revert::Copying(targets)) => {
                targets.iter().map(|target| target.site.clone()).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// A copy that has not ended this long after it was requested, in seconds, is requested again: its message may
    /// be lost.
    pub const COPY_PATIENCE_S: i64 = 90;

    /// The time until the next step if no tick comes earlier, in seconds. Replicas and deployments send a tick when
    /// they end; this is only the fallback.
    pub const PATIENCE_S: u32 = 60;

    /// The end of the bake, while a wave bakes.
    pub fn baked_at(&self) -> Option<Timestamp> {
        let RolloutState::Baking { wave } = self.state else { return None };
        let bake = SignedDuration::from_secs(self.waves.get(wave)?.bake_s.into());
        Some(self.entered_at.saturating_add(bake).unwrap_or(Timestamp::MAX))
    }

    /// When the present state fails if nothing happens; `None` when it is terminal, is paused, or waits for
    /// deployments, which have their own deadlines.
    pub fn deadline(&self) -> Option<Timestamp> {
        let after = match self.state {
            RolloutState::PolicyCheck => SignedDuration::from_mins(Self::POLICY_CHECK_MIN_MAX),
            RolloutState::Replicating | RolloutState::Reverting(Revert::Copying(_))
                if self.paused_by.is_none() =>
            {
                SignedDuration::from_hours(2)
            }
            // Two rollouts may each hold the lease of a stack that the other one waits for.
            RolloutState::Planning => SignedDuration::from_hours(2),
            RolloutState::WaitingForOutputs | RolloutState::Gated { .. } => {
                SignedDuration::from_hours(Self::GATED_H_MAX)
            }
            RolloutState::Queued
            | RolloutState::Replicating
            | RolloutState::Rolling { .. }
            | RolloutState::Verifying { .. }
            | RolloutState::Shifting(_)
            | RolloutState::Completing { .. }
            | RolloutState::ShiftingBack { .. }
            | RolloutState::Baking { .. }
            | RolloutState::Reverting(_)
            | RolloutState::DiscardingChangeSets(_)
            | RolloutState::Succeeded
            | RolloutState::Failed(_)
            | RolloutState::Reverted(_)
            | RolloutState::Cancelled
            | RolloutState::Planned
            | RolloutState::Superseded { .. } => return None,
        };
        Some(self.entered_at.saturating_add(after).unwrap_or(Timestamp::MAX))
    }
}
