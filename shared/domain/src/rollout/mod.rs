//! Bringing one release to one stage: waves of targets, one outcome.
//!
//! Like a deployment, a rollout is saved before it acts: [`Rollout::apply`] says what an event makes of
//! it, [`Rollout::due`] what the saved state asks for, [`Rollout::look`] what it has to see.

mod asks;
mod gate;
mod policy;
mod properties;
mod reverts;
mod specs;
mod state;
mod transition;
mod waves;

pub use asks::{RolloutCommand, RolloutLook};
pub use gate::Answer;
pub use policy::{Broken, Ruling};
pub use properties::{OnCancel, Position, Properties};
pub use state::{Revert, RolloutState, TargetOutcome};
pub use transition::{IllegalRolloutTransition, RolloutEvent};

#[cfg(test)]
pub(crate) use transition::tests::deploy as blank_for_tests;

use crate::cause::Cause;
use crate::deployment::{Access, StackPolicy};
use crate::digest::Digest;
use crate::gate::output::OutputRef;
use crate::gate::{Approval, BreakGlass, Closed, Gates};
use crate::ids::{ReleaseId, RolloutId, SetId};
use crate::names::{ProfileName, ServiceName, StackName, StackPart, StageName};
use crate::release::ReleaseRef;
use crate::replica::Copies;
use crate::target::{Site, Target};
use crate::topic::TopicArn;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a rollout brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutKind {
    /// A release at every target.
    Deploy(ReleaseRef),
    /// No stack at any target: the end of a preview.
    Remove,
}

/// Targets that may proceed together, and what must hold before the next wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// The targets, in the order in which they are begun.
    pub targets: Vec<Target>,
    /// Most of them at a time.
    pub max_concurrent: usize,
    /// How many of them may fail without stopping the rollout.
    pub tolerate_failures: usize,
    /// How long the wave is left alone after its last deployment, in seconds.
    pub bake_s: u32,
    /// How many of the package's stacks come before those of this wave, one behind the other.
    pub level: usize,
    /// How many people have to approve it before it begins.
    pub approvals: usize,
}

impl Wave {
    /// A wave of targets that all go at once, none of which may fail.
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

/// What becomes of the targets that a failed rollout has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// They stay as they are.
    #[default]
    Halt,
    /// They go back to the stage's last stable release.
    Revert,
}

/// How a rollout was called off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// Who did it.
    pub by: String,
    /// Whether updates that run are stopped and rolled back, instead of being finished.
    pub stop_running: bool,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Which one.
    pub id: RolloutId,
    /// The service.
    pub service: ServiceName,
    /// The stage.
    pub stage: StageName,
    /// The profile it goes by; what follows below is the profile as it was then.
    pub profile: ProfileName,
    /// What it brings about.
    pub kind: RolloutKind,
    /// Its targets in waves.
    pub waves: Vec<Wave>,
    /// What becomes of the targets it has changed if it fails.
    pub on_failure: OnFailure,
    /// How its packages get to the targets' buckets.
    pub copies: Copies,
    /// The name of each stack, the same at every site.
    pub stacks: BTreeMap<Option<StackPart>, StackName>,
    /// How the targets are reached.
    pub access: Access,
    /// The profile's values for parameters: those that a template declares are passed.
    pub parameters: BTreeMap<String, String>,
    /// Parameters whose values are outputs of other services, as far as the package declares them.
    pub needs: BTreeMap<String, OutputRef>,
    /// Their values, once they are known.
    pub taken: BTreeMap<Site, BTreeMap<String, String>>,
    /// The stacks' tags.
    pub tags: BTreeMap<String, String>,
    /// The capabilities the profile grants.
    pub capabilities: BTreeSet<String>,
    /// What may be done to the stacks.
    pub policy: StackPolicy,
    /// What has to hold before its waves begin.
    pub gates: Gates,
    /// Whether it only shows what it would change.
    pub plan_only: bool,
    /// The plan of each target, as far as they were made before the first wave.
    pub plans: BTreeMap<Target, Digest>,
    /// Who has approved it.
    pub approvals: Vec<Approval>,
    /// Whose word opens all its gates, if there is one.
    pub break_glass: Option<BreakGlass>,
    /// The gates that were closed when they were looked at last.
    pub closed: Vec<Closed>,
    /// The rollout whose failed targets this one does again.
    pub retry_of: Option<RolloutId>,
    /// The set of services that it is a part of.
    pub set: Option<SetId>,
    /// Who is told what becomes of it.
    pub notify: BTreeSet<TopicArn>,
    /// Where it stands.
    pub state: RolloutState,
    /// Whether what the state asks for is known to be done.
    pub acted: bool,
    /// When it was done last.
    pub acted_at: Option<Timestamp>,
    /// How it was called off, if somebody did.
    pub cancelled: Option<Cancellation>,
    /// Whether the deployments under way have been told to stop.
    pub stop_sent: bool,
    /// Who paused it, while it is paused: nothing is begun.
    pub paused_by: Option<String>,
    /// Why it reverts or reverted, or what failed of it that the profile tolerates.
    pub failure: Option<Cause>,
    /// The release it reverts to, once it is known.
    pub revert_to: Option<ReleaseRef>,
    /// Who or what started it.
    pub requested_by: String,
    /// Why, if they said so.
    pub because: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the state was entered.
    pub entered_at: Timestamp,
}

impl Rollout {
    /// Whether it can be called off: what goes back, or withdraws its change sets, is finished.
    pub fn may_be_called_off(&self) -> bool {
        self.state.properties().on_cancel != OnCancel::Refused
    }

    /// The rollout, called off by somebody. Its next step carries it out.
    #[must_use]
    pub fn call_off(mut self, by: &str, stop_running: bool) -> Self {
        let new = || Cancellation { by: by.to_owned(), stop_running };
        self.cancelled.get_or_insert_with(new).stop_running |= stop_running;
        self
    }

    /// The outputs of other services that its package declares parameters for. Others that the profile names are for
    /// what it may go back to.
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

    /// The sites of its targets.
    pub fn sites(&self) -> BTreeSet<Site> {
        self.targets().map(|target| target.site.clone()).collect()
    }

    /// Leaves out all other targets. What had to be approved before a wave that is left out has to be before the
    /// one that follows it.
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

    /// How many stacks come before a target's, one behind the other.
    pub fn level(&self, target: &Target) -> usize {
        self.waves.iter().find(|wave| wave.targets.contains(target)).map_or(0, |wave| wave.level)
    }

    /// The release it brings, if it brings one.
    pub fn release(&self) -> Option<ReleaseId> {
        match &self.kind {
            RolloutKind::Deploy(release) => Some(release.release),
            RolloutKind::Remove => None,
        }
    }

    /// The package it brings, if it brings one.
    pub fn package(&self) -> Option<Digest> {
        match &self.kind {
            RolloutKind::Deploy(release) => Some(release.package),
            RolloutKind::Remove => None,
        }
    }

    /// The release whose replicas it waits for in its present state.
    pub fn awaited_release(&self) -> Option<ReleaseId> {
        match self.state {
            RolloutState::Reverting(_) => self.revert_to.as_ref().map(|release| release.release),
            _ => self.release(),
        }
    }

    /// Most targets of a rollout: its stage's head, which names each, is one item.
    pub const TARGETS_MAX: usize = 400;
}
