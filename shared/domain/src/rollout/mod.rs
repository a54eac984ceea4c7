//! Bringing one release to one stage: waves of targets, one outcome.
//!
//! Like a deployment, a rollout is saved before it acts: [`Rollout::apply`] says what an event makes of
//! it, [`Rollout::due`] what the saved state asks for, [`Rollout::look`] what it has to see.

mod gate;
mod reverts;
mod state;
mod transition;
mod waves;

pub use gate::Answer;
pub use state::{Revert, RolloutState, TargetOutcome};
pub use transition::{IllegalRolloutTransition, RolloutEvent};

use crate::cause::Cause;
use crate::deployment::{Access, DeploymentKind, DeploymentSpec, StackPolicy};
use crate::digest::Digest;
use crate::gates::{Approval, BreakGlass, Closed, Gates};
use crate::ids::{DeploymentId, ReleaseId, RolloutId, Turn};
use crate::names::{ProfileName, ServiceName, StackName, StackPart, StageName};
use crate::outputs::OutputRef;
use crate::package::{KEEP_BUCKET_PARAMETER, STAGE_MARK, STAGE_PARAMETER, stack_parameter};
use crate::profile::Copies;
use crate::release::{ReleaseRef, StackRelease};
use crate::target::{Site, Target};
use jiff::{SignedDuration, Timestamp};
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
    /// The place, and the replicas of its release.
    Replicas,
    /// Its deployments.
    Deployments,
    /// The outputs of other services that it needs, and its place.
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
            RolloutState::Replicating => Some(RolloutCommand::Replicate(self.release()?, self.sites())),
            RolloutState::Planning => Some(RolloutCommand::Open(Turn::Forward, self.planned_ahead())),
            RolloutState::Withdrawing(_) => Some(RolloutCommand::Wake(self.planned_ahead())),
            RolloutState::Rolling { wave, from, opened } if from < opened => {
                let targets = self.waves[*wave].targets[*from..*opened].to_vec();
                Some(match self.is_ahead(*wave) {
                    true => RolloutCommand::Wake(targets),
                    false => RolloutCommand::Open(Turn::Forward, targets),
                })
            }
            RolloutState::Reverting(Revert::Copying(targets)) => {
                let sites = targets.iter().map(|target| target.site.clone()).collect();
                Some(RolloutCommand::Replicate(self.revert_to.as_ref()?.release, sites))
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
            RolloutState::Replicating | RolloutState::Reverting(Revert::Copying(_)) => {
                Some(RolloutLook::Replicas)
            }
            RolloutState::Planning
            | RolloutState::Rolling { .. }
            | RolloutState::Reverting(Revert::Rolling { .. })
            | RolloutState::Withdrawing(_) => Some(RolloutLook::Deployments),
            RolloutState::Awaiting => Some(RolloutLook::Outputs),
            RolloutState::Gated { .. } => Some(RolloutLook::Gates),
            RolloutState::Checking { .. } => Some(RolloutLook::Checks),
            RolloutState::Baking { .. } => Some(RolloutLook::Clock),
            RolloutState::Reverting(Revert::Finding(_)) => Some(RolloutLook::Stable),
            _ => None,
        }
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

    /// The id of the deployment to one target.
    pub fn deployment_id(&self, target: &Target, turn: Turn) -> DeploymentId {
        DeploymentId { rollout: self.id, target: target.clone(), turn }
    }

    /// What the deployment to one of its targets is to bring about; `None` back to nothing.
    pub fn deployment_spec(&self, target: &Target, turn: Turn) -> Option<DeploymentSpec> {
        let release = match (turn, &self.kind) {
            (Turn::Forward, RolloutKind::Deploy(release)) => Some(release),
            (Turn::Forward, RolloutKind::Remove) => None,
            (Turn::Back, _) => Some(self.revert_to.as_ref()?),
        };
        let (mut parameters, mut tags) = (BTreeMap::new(), self.tags.clone());
        let kind = match release {
            None => DeploymentKind::Remove,
            Some(release) => {
                let stack = release.stack(target.part.as_ref())?;
                let taken = self.taken.get(&target.site).cloned().unwrap_or_default();
                let values = self.parameters.clone().into_iter().chain(taken).chain(self.given());
                parameters = values.filter(|(name, _)| stack.parameters.contains(name)).collect();
                for (key, value) in &stack.tags {
                    let value = value.replace(STAGE_MARK, self.stage.as_str());
                    tags.entry(key.clone()).or_insert(value);
                }
                DeploymentKind::Deploy(StackRelease {
                    release: release.release,
                    package: release.package,
                    template: stack.template,
                    functions: stack.functions.clone(),
                    may_keep_bucket: stack.parameters.contains(KEEP_BUCKET_PARAMETER),
                })
            }
        };
        Some(DeploymentSpec {
            service: self.service.clone(),
            stage: self.stage.clone(),
            stack: self.stacks.get(&target.part)?.clone(),
            access: self.access.clone(),
            parameters,
            tags,
            capabilities: self.capabilities.clone(),
            policy: self.policy.clone(),
            alarms: match (self.gates.triggers && !self.gates.hurry, turn) {
                (true, Turn::Forward) => {
                    self.gates.alarms.iter().take(Gates::TRIGGERS_MAX).cloned().collect()
                }
                _ => BTreeSet::new(),
            },
            kind,
        })
    }

    /// The parameters whose values Flotilla gives: the stage, and the names of the package's stacks.
    fn given(&self) -> impl Iterator<Item = (String, String)> {
        let stacks = self
            .stacks
            .iter()
            .filter_map(|(part, name)| part.as_ref().map(|part| (stack_parameter(part), name.to_string())));
        std::iter::once((STAGE_PARAMETER.to_owned(), self.stage.to_string())).chain(stacks)
    }

    /// Most targets of a rollout: its stage's head, which names each, is one item.
    pub const TARGETS_MAX: usize = 400;

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
        let hours = match self.state {
            _ if copies && self.paused_by.is_none() => 2,
            // Two rollouts may each have stacks that the other one waits for.
            RolloutState::Planning => 2,
            RolloutState::Awaiting | RolloutState::Gated { .. } => Self::GATED_H_MAX,
            _ => return None,
        };
        Some(self.entered_at.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX))
    }
}
