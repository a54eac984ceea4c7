//! A rollout: `RLO#<rollout id>` / `META`.

use super::Record;
use super::analysis::StoredAnalysis;
use super::common::{
    ONLY, StoredAccess, StoredCause, StoredPolicy, StoredReleaseRef, digest, parsed, part_name, read_stack,
    target_texts, targets, time,
};
use super::gates::{StoredApproval, StoredBreakGlass, StoredClosed, StoredGates, StoredOutputRef};
use super::rollout_state::StoredState;
use super::routes::{StoredMapping, StoredRecord};
use crate::ports::Key;
use flotilla_domain::channel::ChannelArn;
use flotilla_domain::replica::Copies;
use flotilla_domain::rollout::{Cancellation, OnFailure, Rollout, RolloutKind, TrafficPolicy, Wave};
use flotilla_domain::{ProfileName, ReleaseId, RolloutId, ServiceName, SetId, Site, StageName, Target};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The key of a rollout.
pub fn rollout_key(id: &RolloutId) -> Key {
    Key::new(format!("RLO#{id}"), "META")
}

pub(super) fn parse_key(key: &Key) -> Option<RolloutId> {
    let id = key.pk.strip_prefix("RLO#")?;
    if key.sk == "META" { RolloutId::parse(id).ok() } else { None }
}

#[derive(Serialize, Deserialize)]
pub struct StoredRollout {
    format: u32,
    id: String,
    service: String,
    stage: String,
    profile: String,
    /// The release; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deploy: Option<StoredReleaseRef>,
    waves: Vec<StoredWave>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reverts: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    streamed: bool,
    /// Names by part, `-` for the only stack. Up to format 2, its name was `<service>-<stage>`.
    #[serde(default)]
    stacks: BTreeMap<String, String>,
    access: StoredAccess,
    parameters: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    needs: BTreeMap<String, StoredOutputRef>,
    /// Values of parameters by account-region.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    taken: BTreeMap<String, BTreeMap<String, String>>,
    tags: BTreeMap<String, String>,
    capabilities: BTreeSet<String>,
    #[serde(default)]
    policy: StoredPolicy,
    /// A stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promote_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<String>,
    /// Topics in one text, so that the filter of the table's stream can test whether there are any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    notify: String,
    #[serde(flatten)]
    state: StoredState,
    #[serde(default, skip_serializing_if = "StoredGates::is_none")]
    gates: StoredGates,
    /// Each step of the traffic: percent and seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traffic: Option<Vec<(u8, u32)>>,
    /// How many requests each step needs, and how its metrics are judged.
    #[serde(default, skip_serializing_if = "StoredAnalysis::is_none")]
    analysis: StoredAnalysis,
    /// The API mapping that is switched instead of aliases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mapping: Option<StoredMapping>,
    /// The weighted record by which regions are drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<StoredRecord>,
    /// The account-regions that a rollout before has left without traffic.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    drained: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    plan_only: bool,
    /// Digests by target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    plans: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    approvals: Vec<StoredApproval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    break_glass: Option<StoredBreakGlass>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    closed: Vec<StoredClosed>,
    acted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acted_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stop_running: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stop_sent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<StoredCause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revert_to: Option<StoredReleaseRef>,
    requested_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    created_at: String,
    entered_at: String,
}

/// A wave; format 1 had only its targets.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredWave {
    Targets(Vec<String>),
    Wave {
        targets: Vec<String>,
        max_concurrent: usize,
        tolerate_failures: usize,
        bake_s: u32,
        #[serde(default)]
        level: usize,
        #[serde(default)]
        approvals: usize,
    },
}

impl StoredWave {
    fn of(wave: &Wave) -> Self {
        let Wave { targets, max_concurrent, tolerate_failures, bake_s, level, approvals } = wave.clone();
        Self::Wave {
            targets: target_texts(&targets),
            max_concurrent,
            tolerate_failures,
            bake_s,
            level,
            approvals,
        }
    }

    fn read(&self) -> Result<Wave, String> {
        Ok(match self {
            Self::Targets(list) => Wave::of(targets(list)?),
            Self::Wave { targets: list, max_concurrent, tolerate_failures, bake_s, level, approvals } => {
                Wave {
                    targets: targets(list)?,
                    max_concurrent: *max_concurrent,
                    tolerate_failures: *tolerate_failures,
                    bake_s: *bake_s,
                    level: *level,
                    approvals: *approvals,
                }
            }
        })
    }
}

impl Record for Rollout {
    type Stored = StoredRollout;

    fn key(&self) -> Key {
        rollout_key(&self.id)
    }

    fn to_stored(&self) -> StoredRollout {
        let deploy = match &self.kind {
            RolloutKind::Remove => None,
            RolloutKind::Deploy(release) => Some(StoredReleaseRef::of(release)),
        };
        StoredRollout {
            format: 3,
            id: self.id.to_string(),
            service: self.service.to_string(),
            stage: self.stage.to_string(),
            profile: self.profile.to_string(),
            deploy,
            waves: self.waves.iter().map(StoredWave::of).collect(),
            reverts: self.on_failure == OnFailure::Revert,
            streamed: self.copies == Copies::Streamed,
            stacks: self.stacks.iter().map(|(part, name)| (part_name(part), name.to_string())).collect(),
            access: StoredAccess::of(&self.access),
            parameters: self.parameters.clone(),
            needs: self.needs.iter().map(|(name, of)| (name.clone(), StoredOutputRef::of(of))).collect(),
            taken: self.taken.iter().map(|(site, values)| (site.to_string(), values.clone())).collect(),
            tags: self.tags.clone(),
            capabilities: self.capabilities.clone(),
            policy: StoredPolicy::of(&self.policy),
            promote_to: self.promote_to.as_ref().map(ToString::to_string),
            retry_of: self.retry_of.map(|id| id.to_string()),
            set: self.set.map(|id| id.to_string()),
            notify: self.notify.iter().map(ChannelArn::as_str).collect::<Vec<_>>().join(","),
            state: StoredState::of(&self.state),
            gates: StoredGates::of(&self.gates),
            traffic: self.traffic.as_ref().map(|t| t.steps.iter().map(|s| (s.percent, s.for_s)).collect()),
            analysis: self.traffic.as_ref().map(StoredAnalysis::of).unwrap_or_default(),
            mapping: self.traffic.as_ref().and_then(|t| t.mapping.as_ref()).map(StoredMapping::of),
            record: self.traffic.as_ref().and_then(|t| t.record.as_ref()).map(StoredRecord::of),
            drained: self.drained.iter().map(ToString::to_string).collect(),
            replaces: self.replaces.map(|release| release.to_string()),
            plan_only: self.plan_only,
            plans: self.plans.iter().map(|(target, plan)| (target.to_string(), plan.to_string())).collect(),
            approvals: self.approvals.iter().map(StoredApproval::of).collect(),
            break_glass: self.break_glass.as_ref().map(StoredBreakGlass::of),
            closed: self.blocked_by.iter().map(StoredClosed::of).collect(),
            acted: self.acted,
            acted_at: self.acted_at.map(|at| at.to_string()),
            cancelled_by: self.cancelled.as_ref().map(|off| off.by.clone()),
            stop_running: self.cancelled.as_ref().is_some_and(|off| off.stop_running),
            stop_sent: self.stop_sent,
            paused_by: self.paused_by.clone(),
            failure: self.failure.as_ref().map(StoredCause::of_cause),
            revert_to: self.revert_to.as_ref().map(StoredReleaseRef::of),
            requested_by: self.requested_by.clone(),
            because: self.because.clone(),
            created_at: self.created_at.to_string(),
            entered_at: self.entered_at.to_string(),
        }
    }

    fn from_stored(stored: StoredRollout) -> Result<Self, String> {
        let waves = stored.waves.iter().map(StoredWave::read).collect::<Result<Vec<Wave>, String>>()?;
        let state = stored.state.read(&waves)?;
        let plan = |(target, plan): (&String, &String)| {
            Ok((parsed("target", Target::parse(target))?, digest(plan)?))
        };
        let plans = stored.plans.iter().map(plan).collect::<Result<_, String>>()?;
        let kind = match stored.deploy {
            None => RolloutKind::Remove,
            Some(deploy) => RolloutKind::Deploy(deploy.read(&stored.parameters)?),
        };
        let stop_running = stored.stop_running;
        let service = parsed("service", ServiceName::parse(&stored.service))?;
        let stage = parsed("stage", StageName::parse(&stored.stage))?;
        let mut stacks = stored
            .stacks
            .iter()
            .map(|(part, name)| read_stack(part, name))
            .collect::<Result<BTreeMap<_, _>, String>>()?;
        if stacks.is_empty() {
            stacks.extend([read_stack(ONLY, &format!("{service}-{stage}"))?]);
        }
        Ok(Self {
            id: parsed("id", RolloutId::parse(&stored.id))?,
            service,
            stage,
            stacks,
            profile: parsed("profile", ProfileName::parse(&stored.profile))?,
            kind,
            waves,
            on_failure: if stored.reverts { OnFailure::Revert } else { OnFailure::Halt },
            copies: if stored.streamed { Copies::Streamed } else { Copies::S3 },
            access: stored.access.read(),
            revert_to: stored.revert_to.map(|release| release.read(&stored.parameters)).transpose()?,
            parameters: stored.parameters,
            needs: stored
                .needs
                .into_iter()
                .map(|(name, of)| Ok((name, of.read()?)))
                .collect::<Result<_, String>>()?,
            taken: stored
                .taken
                .into_iter()
                .map(|(site, values)| Ok((parsed("site", Site::parse(&site))?, values)))
                .collect::<Result<_, String>>()?,
            tags: stored.tags,
            capabilities: stored.capabilities,
            policy: stored.policy.read()?,
            gates: stored.gates.read(),
            traffic: stored.traffic.map(|steps| TrafficPolicy {
                mapping: stored.mapping.map(StoredMapping::read),
                record: stored.record.map(StoredRecord::read),
                ..stored.analysis.read(steps)
            }),
            drained: stored
                .drained
                .iter()
                .map(|site| parsed("drained", Site::parse(site)))
                .collect::<Result<_, String>>()?,
            replaces: stored
                .replaces
                .map(|release| parsed("replaces", ReleaseId::parse(&release)))
                .transpose()?,
            plan_only: stored.plan_only,
            plans,
            approvals: stored.approvals.into_iter().map(StoredApproval::read).collect::<Result<_, _>>()?,
            break_glass: stored.break_glass.map(StoredBreakGlass::read).transpose()?,
            blocked_by: stored.closed.into_iter().map(StoredClosed::read).collect::<Result<_, _>>()?,
            promote_to: stored
                .promote_to
                .map(|stage| parsed("promote_to", StageName::parse(&stage)))
                .transpose()?,
            retry_of: stored.retry_of.map(|id| parsed("retry_of", RolloutId::parse(&id))).transpose()?,
            set: stored.set.map(|id| parsed("set", SetId::parse(&id))).transpose()?,
            notify: stored
                .notify
                .split_terminator(',')
                .map(|topic| parsed("notify", ChannelArn::parse(topic)))
                .collect::<Result<_, String>>()?,
            state,
            acted: stored.acted,
            acted_at: stored.acted_at.map(|at| time(&at)).transpose()?,
            cancelled: stored.cancelled_by.map(|by| Cancellation { by, stop_running }),
            stop_sent: stored.stop_sent,
            paused_by: stored.paused_by,
            failure: stored.failure.map(|cause| cause.to_cause()).transpose()?,
            requested_by: stored.requested_by,
            because: stored.because,
            created_at: time(&stored.created_at)?,
            entered_at: time(&stored.entered_at)?,
        })
    }
}
