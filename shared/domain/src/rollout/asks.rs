//! What the saved state of a rollout asks for: what to do, what to look at, and until when.

use super::{Revert, Rollout, RolloutState};
use crate::ids::{ReleaseId, Turn};
use crate::target::{Site, Target};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// What a saved rollout asks to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutCommand {
    /// Copy a release's package to these buckets and prove it there. Repeated, it is already there.
    Replicate(ReleaseId, BTreeSet<Site>),
    /// Open the deployments of these targets. Repeated, they are open.
    Open(Turn, Vec<Target>),
    /// Tell the deployments of these targets, which are open, to look where the rollout stands.
    Wake(Vec<Target>),
    /// Tell the deployments under way to stop their updates. Repeated, they know.
    Stop {
        /// Who wants it.
        by: String,
    },
}

/// What a rollout has to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutLook {
    /// Its place at the stage's head.
    Head,
    /// What the profile's rules say of its templates.
    Rules,
    /// The replicas of its release.
    Replicas,
    /// Its deployments.
    Deployments,
    /// The outputs of other services that it needs.
    Outputs,
    /// The gates of its next wave, and its place if nothing has begun.
    Gates,
    /// The verification of a wave.
    Checks,
    /// The clock and the alarms: has it baked long enough, and well?
    Clock,
    /// The stage's last stable release.
    Stable,
}

impl Rollout {
    /// The command that the saved state asks for and that is not known to be done.
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
            RolloutState::Replicating | RolloutState::Reverting(Revert::Copying(_)) => {
                Some(RolloutCommand::Replicate(self.awaited_release()?, self.waits_for_copies_at()))
            }
            RolloutState::Planning => Some(RolloutCommand::Open(Turn::Forward, self.planned_ahead())),
            RolloutState::DiscardingChangeSets(_) => Some(RolloutCommand::Wake(self.planned_ahead())),
            RolloutState::Rolling { wave, from, opened } if from < opened => {
                let targets = self.waves[*wave].targets[*from..*opened].to_vec();
                Some(match self.is_ahead(*wave) {
                    true => RolloutCommand::Wake(targets),
                    false => RolloutCommand::Open(Turn::Forward, targets),
                })
            }
            RolloutState::Reverting(Revert::Rolling { targets, level }) => {
                let targets = targets.iter().filter(|target| self.level(target) == *level);
                Some(RolloutCommand::Open(Turn::Back, targets.cloned().collect()))
            }
            _ => None,
        }
    }

    /// Where it has to look; `None` when it is terminal.
    pub fn look(&self) -> Option<RolloutLook> {
        match self.state {
            RolloutState::Queued => Some(RolloutLook::Head),
            RolloutState::PolicyCheck => Some(RolloutLook::Rules),
            RolloutState::Replicating | RolloutState::Reverting(Revert::Copying(_)) => {
                Some(RolloutLook::Replicas)
            }
            RolloutState::Planning
            | RolloutState::Rolling { .. }
            | RolloutState::Reverting(Revert::Rolling { .. })
            | RolloutState::DiscardingChangeSets(_) => Some(RolloutLook::Deployments),
            RolloutState::WaitingForOutputs => Some(RolloutLook::Outputs),
            RolloutState::Gated { .. } => Some(RolloutLook::Gates),
            RolloutState::Verifying { .. } => Some(RolloutLook::Checks),
            RolloutState::Baking { .. } => Some(RolloutLook::Clock),
            RolloutState::Reverting(Revert::Finding(_)) => Some(RolloutLook::Stable),
            _ => None,
        }
    }

    /// Whether its place at the stage's head still counts, besides what its state looks at: nothing of it has
    /// begun, and a newer one may have come. One that only shows its plan never was there.
    pub fn may_be_superseded(&self) -> bool {
        // These two observe the place themselves.
        let looks = matches!(self.look(), Some(RolloutLook::Head | RolloutLook::Gates));
        self.state.properties().is_supersedable && !looks && !self.plan_only
    }

    /// Where it waits for copies of a release, in its present state.
    pub fn waits_for_copies_at(&self) -> BTreeSet<Site> {
        match &self.state {
            RolloutState::Replicating => self.sites(),
            RolloutState::Reverting(Revert::Copying(targets)) => {
                targets.iter().map(|target| target.site.clone()).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// A copy that was asked for this long ago, in seconds, and is not settled is asked for again: its message
    /// may be lost.
    pub const COPY_PATIENCE_S: i64 = 90;

    /// How long until it looks again although nothing woke it, in seconds. What it waits for wakes it:
    /// replicas and deployments send a tick when they end; this is only the net below them.
    pub const PATIENCE_S: u32 = 60;

    /// When its wave has baked, while it bakes.
    pub fn baked_at(&self) -> Option<Timestamp> {
        let RolloutState::Baking { wave } = self.state else { return None };
        let bake = SignedDuration::from_secs(self.waves.get(wave)?.bake_s.into());
        Some(self.entered_at.saturating_add(bake).unwrap_or(Timestamp::MAX))
    }

    /// When the present state ends in failure if nothing happens; `None` when it is terminal or waits
    /// for others, who have deadlines of their own, or is paused.
    pub fn deadline(&self) -> Option<Timestamp> {
        let copies =
            matches!(self.state, RolloutState::Replicating | RolloutState::Reverting(Revert::Copying(_)));
        let after = match self.state {
            RolloutState::PolicyCheck => SignedDuration::from_mins(Self::VETTING_MIN_MAX),
            _ if copies && self.paused_by.is_none() => SignedDuration::from_hours(2),
            // Two rollouts may each have stacks that the other one waits for.
            RolloutState::Planning => SignedDuration::from_hours(2),
            RolloutState::WaitingForOutputs | RolloutState::Gated { .. } => {
                SignedDuration::from_hours(Self::GATED_H_MAX)
            }
            _ => return None,
        };
        Some(self.entered_at.saturating_add(after).unwrap_or(Timestamp::MAX))
    }
}
