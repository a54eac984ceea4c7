//! A deployment: `RLO#<rollout>` / `DEP#<account>#<region>`, with `:<part>` appended for one of several stacks,
//! and `#BACK` for a rollback.

use super::Record;
use super::common::{StoredAccess, StoredPolicy, StoredStackRelease, digest, parsed, time};
use super::deployment_state::StoredState;
use super::routes::{StoredDrain, StoredMapped, StoredMapping, StoredRecord};
use crate::ports::{Key, Query};
use flotilla_domain::deployment::{
    AliasVersions, Deployment, DeploymentKind, DeploymentSpec, RestoredVersion, Stop,
};
use flotilla_domain::plan::ChangeSummary;
use flotilla_domain::{DeploymentId, Direction, RolloutId, ServiceName, StackName, StageName, Target};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const SK: &str = "DEP#";
const BACK: &str = "#BACK";

/// The key of a deployment.
pub fn deployment_key(id: &DeploymentId) -> Key {
    let target = id.target.to_string().replace('/', "#");
    let back = if id.direction == Direction::Rollback { BACK } else { "" };
    Key::new(format!("RLO#{}", id.rollout), format!("{SK}{target}{back}"))
}

/// All deployments of a rollout, of both directions.
pub fn deployments_query(rollout: &RolloutId, limit: usize) -> Query {
    Query { pk: format!("RLO#{rollout}"), prefix: SK.into(), after: None, newest_first: false, limit }
}

pub(super) fn parse_key(key: &Key) -> Option<DeploymentId> {
    let rollout = RolloutId::parse(key.pk.strip_prefix("RLO#")?).ok()?;
    let sk = key.sk.strip_prefix(SK)?;
    let (sk, direction) = match sk.strip_suffix(BACK) {
        Some(sk) => (sk, Direction::Rollback),
        None => (sk, Direction::Forward),
    };
    let target = Target::parse(&sk.replace('#', "/")).ok()?;
    Some(DeploymentId { rollout, target, direction })
}

#[derive(Serialize, Deserialize)]
pub struct StoredDeployment {
    format: u32,
    rollout: String,
    target: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    back: bool,
    service: String,
    stage: String,
    stack: String,
    access: StoredAccess,
    /// The release; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deploy: Option<StoredStackRelease>,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    capabilities: BTreeSet<String>,
    #[serde(default)]
    policy: StoredPolicy,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    alarms: BTreeSet<String>,
    state: StoredState,
    acted: bool,
    attempt: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    creates: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    keeps_bucket: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shifts: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<StoredAliasVersions>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    restores: BTreeMap<String, [String; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mapping: Option<StoredMapping>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mapped: Option<StoredMapped>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<StoredRecord>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    drains: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    was_drained: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain: Option<StoredDrain>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    completes: bool,
    #[serde(default)]
    operations: u32,
    /// Format 1 had leases that were always of number 1.
    #[serde(default = "first_fence")]
    fence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change_set_id: Option<String>,
    /// Add, modify, replace, remove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changes: Option<[u32; 4]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    outputs: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop_asked_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    opened_at: String,
    entered_at: String,
}

/// An alias with its versions.
#[derive(Serialize, Deserialize)]
struct StoredAliasVersions {
    alias: String,
    arn: String,
    stable: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new: Option<String>,
    revision: String,
}

impl StoredAliasVersions {
    fn of(alias: &AliasVersions) -> Self {
        let AliasVersions { alias, arn, stable, new, revision } = alias.clone();
        Self { alias, arn, stable, new, revision }
    }

    fn read(self) -> AliasVersions {
        let Self { alias, arn, stable, new, revision } = self;
        AliasVersions { alias, arn, stable, new, revision }
    }
}

fn first_fence() -> u64 {
    1
}

impl Record for Deployment {
    type Stored = StoredDeployment;

    fn key(&self) -> Key {
        deployment_key(&self.id)
    }

    fn to_stored(&self) -> StoredDeployment {
        let deploy = match &self.spec.kind {
            DeploymentKind::Remove => None,
            DeploymentKind::Deploy(release) => Some(StoredStackRelease::of(release)),
        };
        let (stop_asked_by, stop) = match &self.stop {
            Stop::No => (None, None),
            Stop::Asked(by) => (Some(by.clone()), None),
            Stop::Sent(by) => (Some(by.clone()), Some("sent".to_owned())),
            Stop::TooLate(by) => (Some(by.clone()), Some("too_late".to_owned())),
        };
        StoredDeployment {
            format: 2,
            rollout: self.id.rollout.to_string(),
            target: self.id.target.to_string(),
            back: self.id.direction == Direction::Rollback,
            service: self.spec.service.to_string(),
            stage: self.spec.stage.to_string(),
            stack: self.spec.stack.to_string(),
            access: StoredAccess::of(&self.spec.access),
            deploy,
            parameters: self.spec.parameters.clone(),
            tags: self.spec.tags.clone(),
            capabilities: self.spec.capabilities.clone(),
            policy: StoredPolicy::of(&self.spec.policy),
            alarms: self.spec.alarms.clone(),
            state: StoredState::of(&self.state),
            acted: self.acted,
            attempt: self.attempt,
            creates: self.creates,
            keeps_bucket: self.keeps_bucket,
            shifts: self.spec.shifts,
            restores: self
                .spec
                .restores
                .iter()
                .map(|(alias, known)| (alias.clone(), [known.from.clone(), known.to.clone()]))
                .collect(),
            aliases: self.aliases.iter().map(StoredAliasVersions::of).collect(),
            mapping: self.spec.mapping.as_ref().map(StoredMapping::of),
            mapped: self.mapped.as_ref().map(StoredMapped::of),
            record: self.spec.record.as_ref().map(StoredRecord::of),
            drains: self.spec.drains,
            was_drained: self.spec.was_drained,
            drain: self.drain.as_ref().map(StoredDrain::of),
            completes: self.completes,
            operations: self.operations,
            fence: self.fence,
            stack_id: self.stack_id.clone(),
            change_set_id: self.change_set_id.clone(),
            changes: self.changes.map(|c| [c.add, c.modify, c.replace, c.remove]),
            plan: self.plan_digest.map(|plan| plan.to_string()),
            outputs: self.outputs.clone(),
            notes: self.notes.clone(),
            stop_asked_by,
            stop,
            expected_s: self.expected_s,
            number: self.number,
            opened_at: self.opened_at.to_string(),
            entered_at: self.entered_at.to_string(),
        }
    }

    fn from_stored(stored: StoredDeployment) -> Result<Self, String> {
        let kind = match stored.deploy {
            None => DeploymentKind::Remove,
            Some(deploy) => DeploymentKind::Deploy(deploy.read()?),
        };
        Ok(Self {
            id: DeploymentId {
                rollout: parsed("rollout", RolloutId::parse(&stored.rollout))?,
                target: parsed("target", Target::parse(&stored.target))?,
                direction: if stored.back { Direction::Rollback } else { Direction::Forward },
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
                policy: stored.policy.read()?,
                shifts: stored.shifts,
                restores: stored
                    .restores
                    .into_iter()
                    .map(|(alias, [from, to])| (alias, RestoredVersion { from, to }))
                    .collect(),
                mapping: stored.mapping.map(StoredMapping::read),
                record: stored.record.map(StoredRecord::read),
                drains: stored.drains,
                was_drained: stored.was_drained,
                alarms: stored.alarms,
            },
            state: stored.state.read()?,
            acted: stored.acted,
            attempt: stored.attempt,
            creates: stored.creates,
            keeps_bucket: stored.keeps_bucket,
            aliases: stored.aliases.into_iter().map(StoredAliasVersions::read).collect(),
            mapped: stored.mapped.map(StoredMapped::read),
            drain: stored.drain.map(StoredDrain::read).transpose()?,
            completes: stored.completes,
            operations: stored.operations,
            fence: stored.fence,
            stack_id: stored.stack_id,
            change_set_id: stored.change_set_id,
            changes: stored.changes.map(|[add, modify, replace, remove]| ChangeSummary {
                add,
                modify,
                replace,
                remove,
            }),
            plan_digest: stored.plan.as_deref().map(digest).transpose()?,
            outputs: stored.outputs,
            notes: stored.notes,
            stop: match (stored.stop_asked_by, stored.stop.as_deref()) {
                (None, _) => Stop::No,
                (Some(by), None) => Stop::Asked(by),
                (Some(by), Some("sent")) => Stop::Sent(by),
                (Some(by), Some("too_late")) => Stop::TooLate(by),
                (_, Some(other)) => return Err(format!("stop: {other}")),
            },
            expected_s: stored.expected_s,
            number: stored.number,
            opened_at: time(&stored.opened_at)?,
            entered_at: time(&stored.entered_at)?,
        })
    }
}
