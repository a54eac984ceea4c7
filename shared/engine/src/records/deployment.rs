//! A deployment: `RLO#<rollout>` / `DEP#<account>#<region>`.

use super::Record;
use super::common::{
    StoredAccess, StoredCause, StoredFunction, digest, parsed, read_functions, store_functions, time,
};
use crate::ports::{Key, Query};
use flotilla_domain::deployment::state::ChangeSetKind;
use flotilla_domain::deployment::{ChangeSummary, Deployment, DeploymentKind, DeploymentSpec, State};
use flotilla_domain::{DeploymentId, ReleaseId, RolloutId, ServiceName, StackName, StageName, Target};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const SK: &str = "DEP#";

/// The key of a deployment.
pub fn deployment_key(id: &DeploymentId) -> Key {
    let Target { account, region } = &id.target;
    Key::new(format!("RLO#{}", id.rollout), format!("{SK}{account}#{region}"))
}

/// All deployments of a rollout.
pub fn deployments_query(rollout: &RolloutId, limit: usize) -> Query {
    Query { pk: format!("RLO#{rollout}"), prefix: SK.into(), after: None, newest_first: false, limit }
}

pub(super) fn parse_key(key: &Key) -> Option<DeploymentId> {
    let rollout = RolloutId::parse(key.pk.strip_prefix("RLO#")?).ok()?;
    let target = Target::parse(&key.sk.strip_prefix(SK)?.replace('#', "/")).ok()?;
    Some(DeploymentId { rollout, target })
}

#[derive(Serialize, Deserialize)]
pub struct StoredDeployment {
    format: u32,
    rollout: String,
    target: String,
    service: String,
    stage: String,
    stack: String,
    access: StoredAccess,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deploy: Option<StoredDeploy>,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    capabilities: BTreeSet<String>,
    state: StoredState,
    acted: bool,
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change_set_id: Option<String>,
    /// Add, modify, replace, remove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changes: Option<[u32; 4]>,
    opened_at: String,
    entered_at: String,
}

/// What is deployed; absent for a removal.
#[derive(Serialize, Deserialize)]
pub struct StoredDeploy {
    release: String,
    package: String,
    template: String,
    functions: Vec<StoredFunction>,
}

/// A state by its name, with what only some have.
#[derive(Serialize, Deserialize, Default)]
pub struct StoredState {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    create: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restored: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack_status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<StoredCause>,
}

impl StoredState {
    fn of(state: &State) -> Self {
        let mut stored = Self { name: state.name().into(), ..Self::default() };
        match state {
            State::Planning(kind) => stored.create = Some(*kind == ChangeSetKind::Create),
            State::Verifying { changed } | State::Succeeded { changed } => stored.changed = Some(*changed),
            State::Explaining { restored, status } => {
                stored.restored = Some(*restored);
                stored.stack_status = Some(status.clone());
            }
            State::RolledBack(cause) | State::Failed(cause) => {
                stored.cause = Some(StoredCause::of_cause(cause))
            }
            _ => {}
        }
        stored
    }

    fn read(self) -> Result<State, String> {
        let lacks = |what: &str| format!("the state {} lacks {what}", self.name);
        let cause = || self.cause.as_ref().ok_or_else(|| lacks("its cause"))?.to_cause();
        Ok(match self.name.as_str() {
            "waiting" => State::Waiting,
            "inspecting" => State::Inspecting,
            "planning" => State::Planning(match self.create.ok_or_else(|| lacks("create"))? {
                true => ChangeSetKind::Create,
                false => ChangeSetKind::Update,
            }),
            "planned" => State::Planned,
            "executing" => State::Executing,
            "verifying" => State::Verifying { changed: self.changed.ok_or_else(|| lacks("changed"))? },
            "explaining" => State::Explaining {
                restored: self.restored.ok_or_else(|| lacks("restored"))?,
                status: self.stack_status.clone().ok_or_else(|| lacks("stack_status"))?,
            },
            "clearing" => State::Clearing,
            "emptying" => State::Emptying,
            "deleting" => State::Deleting,
            "succeeded" => State::Succeeded { changed: self.changed.ok_or_else(|| lacks("changed"))? },
            "removed" => State::Removed,
            "rolled_back" => State::RolledBack(cause()?),
            "failed" => State::Failed(cause()?),
            "cancelled" => State::Cancelled,
            other => return Err(format!("the state {other} is not known")),
        })
    }
}

impl Record for Deployment {
    type Stored = StoredDeployment;

    fn key(&self) -> Key {
        deployment_key(&self.id)
    }

    fn to_stored(&self) -> StoredDeployment {
        let deploy = match &self.spec.kind {
            DeploymentKind::Remove => None,
            DeploymentKind::Deploy { release, package, template, functions } => Some(StoredDeploy {
                release: release.to_string(),
                package: package.to_string(),
                template: template.to_string(),
                functions: store_functions(functions),
            }),
        };
        StoredDeployment {
            format: 1,
            rollout: self.id.rollout.to_string(),
            target: self.id.target.to_string(),
            service: self.spec.service.to_string(),
            stage: self.spec.stage.to_string(),
            stack: self.spec.stack.to_string(),
            access: StoredAccess::of(&self.spec.access),
            deploy,
            parameters: self.spec.parameters.clone(),
            tags: self.spec.tags.clone(),
            capabilities: self.spec.capabilities.clone(),
            state: StoredState::of(&self.state),
            acted: self.acted,
            attempt: self.attempt,
            stack_id: self.stack_id.clone(),
            change_set_id: self.change_set_id.clone(),
            changes: self.changes.map(|c| [c.add, c.modify, c.replace, c.remove]),
            opened_at: self.opened_at.to_string(),
            entered_at: self.entered_at.to_string(),
        }
    }

    fn from_stored(stored: StoredDeployment) -> Result<Self, String> {
        let kind = match stored.deploy {
            None => DeploymentKind::Remove,
            Some(deploy) => DeploymentKind::Deploy {
                release: parsed("release", ReleaseId::parse(&deploy.release))?,
                package: digest(&deploy.package)?,
                template: digest(&deploy.template)?,
                functions: read_functions(deploy.functions)?,
            },
        };
        Ok(Self {
            id: DeploymentId {
                rollout: parsed("rollout", RolloutId::parse(&stored.rollout))?,
                target: parsed("target", Target::parse(&stored.target))?,
            },
            spec: DeploymentSpec {
                service: parsed("service", ServiceName::parse(&stored.service))?,
                stage: parsed("stage", StageName::parse(&stored.stage))?,
                stack: parsed("stack", StackName::parse(&stored.stack))?,
                access: stored.access.read(),
                kind,
                parameters: stored.parameters,
                tags: stored.tags,
                capabilities: stored.capabilities,
            },
            state: stored.state.read()?,
            acted: stored.acted,
            attempt: stored.attempt,
            stack_id: stored.stack_id,
            change_set_id: stored.change_set_id,
            changes: stored.changes.map(|[add, modify, replace, remove]| ChangeSummary {
                add,
                modify,
                replace,
                remove,
            }),
            opened_at: time(&stored.opened_at)?,
            entered_at: time(&stored.entered_at)?,
        })
    }
}
