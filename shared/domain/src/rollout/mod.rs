//! Bringing one release to one stage: waves of targets, one outcome.
//!
//! Like a deployment, a rollout is saved before it acts: [`Rollout::apply`] says what an event makes of
//! it, [`Rollout::due`] what the saved state asks for, [`Rollout::look`] what it has to see.

mod state;
mod transition;

pub use state::{RolloutState, TargetOutcome};
pub use transition::{IllegalRolloutTransition, RolloutEvent};

use crate::deployment::{Access, DeploymentKind, DeploymentSpec};
use crate::digest::Digest;
use crate::ids::{DeploymentId, ReleaseId, RolloutId};
use crate::names::{ProfileName, ServiceName, StackName, StageName};
use crate::package::FunctionCode;
use crate::target::Target;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a rollout brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutKind {
    /// A release at every target.
    Deploy {
        /// The release.
        release: ReleaseId,
        /// Its package.
        package: Digest,
        /// The package's template.
        template: Digest,
        /// The functions whose code is read back.
        functions: Vec<FunctionCode>,
    },
    /// No stack at any target: the end of a preview.
    Remove,
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
    pub waves: Vec<Vec<Target>>,
    /// How the targets are reached.
    pub access: Access,
    /// The values of the template's parameters, less `FlotillaAssetsBucket`.
    pub parameters: BTreeMap<String, String>,
    /// The stacks' tags.
    pub tags: BTreeMap<String, String>,
    /// The capabilities the profile grants.
    pub capabilities: BTreeSet<String>,
    /// Where it stands.
    pub state: RolloutState,
    /// Whether what the state asks for is known to be done.
    pub acted: bool,
    /// When it was done last.
    pub acted_at: Option<Timestamp>,
    /// Who asked to call it off, if somebody did.
    pub cancelled_by: Option<String>,
    /// Who or what started it.
    pub requested_by: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the state was entered.
    pub entered_at: Timestamp,
}

/// What a saved rollout asks to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutCommand {
    /// Copy the package to these targets' buckets and prove it there. Repeated, it is already there.
    Replicate(Vec<Target>),
    /// Open the deployments of these targets. Repeated, they are open.
    Open(Vec<Target>),
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
}

impl Rollout {
    /// The commands that the saved state asks for and that are not known to be done.
    pub fn due(&self) -> Vec<RolloutCommand> {
        match self.state {
            _ if self.acted => Vec::new(),
            RolloutState::Replicating => vec![RolloutCommand::Replicate(self.targets().cloned().collect())],
            RolloutState::Rolling { wave } if self.cancelled_by.is_none() => {
                vec![RolloutCommand::Open(self.waves[wave].clone())]
            }
            _ => Vec::new(),
        }
    }

    /// Where it has to look; `None` when it is terminal.
    pub fn look(&self) -> Option<RolloutLook> {
        match self.state {
            RolloutState::Queued => Some(RolloutLook::Head),
            RolloutState::Replicating => Some(RolloutLook::Replicas),
            RolloutState::Rolling { .. } => Some(RolloutLook::Deployments),
            _ => None,
        }
    }

    /// All its targets, in the order of the waves.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.waves.iter().flatten()
    }

    /// The release it brings, if it brings one.
    pub fn release(&self) -> Option<ReleaseId> {
        match &self.kind {
            RolloutKind::Deploy { release, .. } => Some(*release),
            RolloutKind::Remove => None,
        }
    }

    /// The package it brings, if it brings one.
    pub fn package(&self) -> Option<Digest> {
        match &self.kind {
            RolloutKind::Deploy { package, .. } => Some(*package),
            RolloutKind::Remove => None,
        }
    }

    /// The id of the deployment to one target.
    pub fn deployment_id(&self, target: &Target) -> DeploymentId {
        DeploymentId { rollout: self.id, target: target.clone() }
    }

    /// What the deployment to any of its targets is to bring about.
    pub fn deployment_spec(&self) -> DeploymentSpec {
        let kind = match &self.kind {
            RolloutKind::Deploy { release, package, template, functions } => DeploymentKind::Deploy {
                release: *release,
                package: *package,
                template: *template,
                functions: functions.clone(),
            },
            RolloutKind::Remove => DeploymentKind::Remove,
        };
        DeploymentSpec {
            service: self.service.clone(),
            stage: self.stage.clone(),
            stack: StackName::of(&self.service, &self.stage),
            access: self.access.clone(),
            kind,
            parameters: self.parameters.clone(),
            tags: self.tags.clone(),
            capabilities: self.capabilities.clone(),
        }
    }

    /// A copy that was asked for this long ago, in seconds, and is not settled is asked for again: its message
    /// may be lost.
    pub const COPY_PATIENCE_S: i64 = 90;

    /// How long until it looks again although nothing woke it, in seconds. What it waits for wakes it:
    /// replicas and deployments send a tick when they end; this is only the net below them.
    pub fn patience_s(&self) -> u32 {
        60
    }

    /// When the present state ends in failure if nothing happens; `None` when it is terminal or waits
    /// for others, who have deadlines of their own.
    pub fn deadline(&self) -> Option<Timestamp> {
        (self.state == RolloutState::Replicating)
            .then(|| self.entered_at.saturating_add(SignedDuration::from_hours(2)).unwrap_or(Timestamp::MAX))
    }
}
