//! A rollout brings one release to one stage: waves of targets, one outcome.
//!
//! Like a deployment, a rollout is saved before it acts: [`Rollout::apply`] returns the state after an event,
//! [`Rollout::due`] the command that the saved state asks for, [`Rollout::observation`] what it observes next.

mod asks;
mod gate;
mod policy;
mod properties;
mod reverts;
mod slots;
mod specs;
mod state;
mod traffic;
mod traffic_policy;
mod transition;
mod waves;

pub use asks::{RolloutCommand, RolloutObservation};
pub use gate::Answer;
pub use properties::{OnCancel, Position, Properties};
pub use state::{Revert, RolloutState, Shift, TargetOutcome};
pub use traffic_policy::{TrafficHooks, TrafficOrder, TrafficPolicy, TrafficStep};
pub use transition::{IllegalRolloutTransition, RolloutEvent};

#[cfg(test)]
pub(crate) use transition::tests::deploy as blank_for_tests;

use crate::cause::Cause;
use crate::channel::ChannelArn;
use crate::deployment::{Access, StackPolicy};
use crate::digest::Digest;
use crate::gate::output::OutputRef;
use crate::gate::{Approval, Blocked, BreakGlass, Gates};
use crate::ids::{ReleaseId, RolloutId, SetId};
use crate::names::{ProfileName, ServiceName, StackName, StackPart, StageName};
use crate::release::{ReleaseRef, Source};
use crate::replica::Copies;
use crate::target::{Site, Target};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The goal of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutKind {
    /// The release runs at every target.
    Deploy(ReleaseRef),
    /// No target has a stack: a preview is removed.
    Remove,
}

/// Targets that are deployed together, and what must be true before the next wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// The targets, in the order in which their deployments are opened.
    pub targets: Vec<Target>,
    /// Most targets that are deployed concurrently.
    pub max_concurrent: usize,
    /// How many targets may fail without failing the rollout.
    pub tolerate_failures: usize,
    /// How long the wave bakes after its last deployment, in seconds.
    pub bake_s: u32,
    /// The level of the wave's stacks: the length of the longest chain of stacks that they need.
    pub level: usize,
    /// How many people must approve the wave before it begins.
    pub approvals: usize,
}

impl Wave {
    /// A wave that deploys all its targets concurrently and tolerates no failure.
    pub fn of(targets: Vec<Target>) -> Self {
        Self {
            max_concurrent: targets.len().max(1),
            targets,
            tolerate_failures: 0,
            bake_s: 0,
            level: 0,
            approvals: 0,
        }
    }
}

/// What happens to the targets that a failed rollout changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// They are left as they are.
    #[default]
    Halt,
    /// They are reverted to the stage's last stable release.
    Revert,
}

/// How a rollout was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// Who cancelled it.
    pub by: String,
    /// Whether running updates are cancelled and rolled back instead of finished.
    pub stop_running: bool,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Its id.
    pub id: RolloutId,
    /// The service.
    pub service: ServiceName,
    /// The stage.
    pub stage: StageName,
    /// The profile it uses. The fields below copy the profile as it was when the rollout was accepted.
    pub profile: ProfileName,
    /// Its goal.
    pub kind: RolloutKind,
    /// Its targets in waves.
    pub waves: Vec<Wave>,
    /// What happens to the targets it changed if it fails.
    pub on_failure: OnFailure,
    /// How packages are copied to the targets' buckets.
    pub copies: Copies,
    /// The name of each stack, the same in every account-region.
    pub stacks: BTreeMap<Option<StackPart>, StackName>,
    /// How the targets are reached.
    pub access: Access,
    /// The profile's values for parameters. Only parameters that a template declares are passed.
    pub parameters: BTreeMap<String, String>,
    /// Parameters whose values are outputs of other services.
    pub needs: BTreeMap<String, OutputRef>,
    /// The values of those outputs, once they are known.
    pub taken: BTreeMap<Site, BTreeMap<String, String>>,
    /// The stacks' tags.
    pub tags: BTreeMap<String, String>,
    /// The capabilities the profile grants.
    pub capabilities: BTreeSet<String>,
    /// What Flotilla may do to the stacks.
    pub policy: StackPolicy,
    /// The gates of its waves.
    pub gates: Gates,
    /// The account-regions that a rollout before has left without traffic.
    pub drained: BTreeSet<Site>,
    /// Of a rollout that shifts traffic: the release that got all traffic at every target when it became active.
    pub replaces: Option<ReleaseId>,
    /// How it shifts traffic, if it does.
    pub traffic: Option<TrafficPolicy>,
    /// Whether it only makes plans and changes nothing.
    pub plan_only: bool,
    /// The digest of each target's plan, for plans made before the first wave.
    pub plans: BTreeMap<Target, Digest>,
    /// The approvals given so far.
    pub approvals: Vec<Approval>,
    /// The break-glass that opens all its gates, if one was given.
    pub break_glass: Option<BreakGlass>,
    /// The gates that were blocked at the last observation.
    pub blocked_by: Vec<Blocked>,
    /// The stage to which its release is promoted when it has succeeded.
    pub promote_to: Option<StageName>,
    /// The rollout that this one retries.
    pub retry_of: Option<RolloutId>,
    /// The set that it belongs to.
    pub set: Option<SetId>,
    /// The topics and event buses that get its notices.
    pub notify: BTreeSet<ChannelArn>,
    /// Its state.
    pub state: RolloutState,
    /// Whether the command of the state is known to be done.
    pub acted: bool,
    /// When the command was last done.
    pub acted_at: Option<Timestamp>,
    /// How it was cancelled, if it was.
    pub cancelled: Option<Cancellation>,
    /// Whether the running deployments were asked to stop.
    pub stop_sent: bool,
    /// Who paused it, while it is paused. A paused rollout begins nothing.
    pub paused_by: Option<String>,
    /// Why it reverts or reverted, or which tolerated failures it had.
    pub failure: Option<Cause>,
    /// The release it reverts to, once it is known.
    pub revert_to: Option<ReleaseRef>,
    /// The person or the system that requested it.
    pub requested_by: String,
    /// The reason, if one was given.
    pub because: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the state was entered.
    pub entered_at: Timestamp,
}

impl Rollout {
    /// Whether it can be cancelled. A revert or the discarding of change sets is always finished.
    pub fn is_cancellable(&self) -> bool {
        self.state.properties().on_cancel != OnCancel::Refused
    }

    /// Marks the rollout as cancelled. Its next step carries that out.
    #[must_use]
    pub fn cancel(mut self, by: &str, stop_running: bool) -> Self {
        let new = || Cancellation { by: by.to_owned(), stop_running };
        self.cancelled.get_or_insert_with(new).stop_running |= stop_running;
        self
    }

    /// The outputs of other services for which its package declares parameters. The others in the profile may be
    /// needed by the release that it reverts to.
    pub fn needed(&self) -> impl Iterator<Item = (&String, &OutputRef)> {
        let declares = |name: &String| match &self.kind {
            RolloutKind::Deploy(release) => {
                release.stacks.iter().any(|stack| stack.parameters.contains(name))
            }
            RolloutKind::Remove => false,
        };
        self.needs.iter().filter(move |(name, _)| declares(name))
    }

    /// All its targets, in the order of the waves.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.waves.iter().flat_map(|wave| &wave.targets)
    }

    /// The account-regions of its targets.
    pub fn sites(&self) -> BTreeSet<Site> {
        self.targets().map(|target| target.site.clone()).collect()
    }

    /// Removes all other targets. The approvals that a removed wave needs are needed by the wave after it.
    pub fn keep_targets(&mut self, left: &BTreeSet<Target>) {
        let mut asked = 0;
        for wave in &mut self.waves {
            wave.targets.retain(|target| left.contains(target));
            asked = asked.max(wave.approvals);
            if !wave.targets.is_empty() {
                wave.approvals = std::mem::take(&mut asked);
            }
        }
        self.waves.retain(|wave| !wave.targets.is_empty());
    }

    /// The level of a target's stack.
    pub fn level(&self, target: &Target) -> usize {
        self.waves.iter().find(|wave| wave.targets.contains(target)).map_or(0, |wave| wave.level)
    }

    /// The release it deploys; `None` for a removal.
    pub fn release(&self) -> Option<ReleaseId> {
        match &self.kind {
            RolloutKind::Deploy(release) => Some(release.release),
            RolloutKind::Remove => None,
        }
    }

    /// The package it deploys; `None` for a removal.
    pub fn package(&self) -> Option<Digest> {
        match &self.kind {
            RolloutKind::Deploy(release) => Some(release.package),
            RolloutKind::Remove => None,
        }
    }

    /// What the release was built from, if it is known.
    pub fn source(&self) -> Option<&Source> {
        match &self.kind {
            RolloutKind::Deploy(release) => release.source.as_ref(),
            RolloutKind::Remove => None,
        }
    }

    /// Whether it removes a preview. The removal of a permanent stage always protects what holds data.
    pub fn removes_preview(&self) -> bool {
        self.kind == RolloutKind::Remove && !self.policy.safeguards.block_stateful
    }

    /// The release whose replicas the present state waits for.
    pub fn awaited_release(&self) -> Option<ReleaseId> {
        match self.state {
            RolloutState::Reverting(_) => self.revert_to.as_ref().map(|release| release.release),
            _ => self.release(),
        }
    }

    /// Most targets of a rollout: the head of its stage names each of them in one item.
    pub const TARGETS_MAX: usize = 400;
}
