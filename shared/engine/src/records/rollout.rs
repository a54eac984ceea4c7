//! A rollout: `RLO#<rollout id>` / `META`.

use super::Record;
use super::common::{
    ONLY, StoredAccess, StoredCause, StoredPolicy, StoredReleaseRef, parsed, part_name, read_stack, time,
};
use crate::ports::Key;
use flotilla_domain::rollout::{Cancellation, OnFailure, Revert, Rollout, RolloutKind, RolloutState, Wave};
use flotilla_domain::{ProfileName, RolloutId, ServiceName, StageName, Target};
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
    /// What is rolled out; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deploy: Option<StoredReleaseRef>,
    waves: Vec<StoredWave>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reverts: bool,
    /// Names by part, `-` for the only stack. Up to format 2 it was called `<service>-<stage>`.
    #[serde(default)]
    stacks: BTreeMap<String, String>,
    access: StoredAccess,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    capabilities: BTreeSet<String>,
    #[serde(default)]
    policy: StoredPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_of: Option<String>,
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wave: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<usize>,
    /// The step of a way back, and the targets that go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back: Option<(String, Vec<String>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back_level: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<StoredCause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
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
    },
}

fn targets(texts: &[String]) -> Result<Vec<Target>, String> {
    texts.iter().map(|text| parsed("target", Target::parse(text))).collect()
}

fn texts(targets: &[Target]) -> Vec<String> {
    targets.iter().map(ToString::to_string).collect()
}

impl StoredWave {
    fn of(wave: &Wave) -> Self {
        let Wave { targets, max_concurrent, tolerate_failures, bake_s, level } = wave.clone();
        Self::Wave { targets: texts(&targets), max_concurrent, tolerate_failures, bake_s, level }
    }

    fn read(&self) -> Result<Wave, String> {
        Ok(match self {
            Self::Targets(list) => Wave::of(targets(list)?),
            Self::Wave { targets: list, max_concurrent, tolerate_failures, bake_s, level } => Wave {
                targets: targets(list)?,
                max_concurrent: *max_concurrent,
                tolerate_failures: *tolerate_failures,
                bake_s: *bake_s,
                level: *level,
            },
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
        let (mut wave, mut from, mut opened, mut superseded_by) = (None, None, None, None);
        let (mut back, mut back_level) = (None, None);
        match &self.state {
            RolloutState::Rolling { wave: number, from: first, opened: count } => {
                (wave, from, opened) = (Some(*number), Some(*first), Some(*count));
            }
            RolloutState::Baking { wave: number } => wave = Some(*number),
            RolloutState::Reverting(Revert::Finding(list)) => back = Some(("finding".into(), texts(list))),
            RolloutState::Reverting(Revert::Copying(list)) => back = Some(("copying".into(), texts(list))),
            RolloutState::Reverting(Revert::Rolling { targets, level }) => {
                (back, back_level) = (Some(("rolling".into(), texts(targets))), Some(*level));
            }
            RolloutState::Superseded { by } => superseded_by = by.map(|by| by.to_string()),
            RolloutState::Queued
            | RolloutState::Replicating
            | RolloutState::Succeeded
            | RolloutState::Failed(_)
            | RolloutState::Reverted(_)
            | RolloutState::Cancelled => {}
        }
        StoredRollout {
            format: 3,
            id: self.id.to_string(),
            service: self.service.to_string(),
            stage: self.stage.to_string(),
            profile: self.profile.to_string(),
            deploy,
            waves: self.waves.iter().map(StoredWave::of).collect(),
            reverts: self.on_failure == OnFailure::Revert,
            stacks: self.stacks.iter().map(|(part, name)| (part_name(part), name.to_string())).collect(),
            access: StoredAccess::of(&self.access),
            parameters: self.parameters.clone(),
            tags: self.tags.clone(),
            capabilities: self.capabilities.clone(),
            policy: StoredPolicy::of(&self.policy),
            retry_of: self.retry_of.map(|id| id.to_string()),
            state: self.state.name().into(),
            wave,
            from,
            opened,
            back,
            back_level,
            cause: self.state.cause().map(StoredCause::of_cause),
            superseded_by,
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
        let state = state(&stored, &waves)?;
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
            access: stored.access.read(),
            revert_to: stored.revert_to.map(|release| release.read(&stored.parameters)).transpose()?,
            parameters: stored.parameters,
            tags: stored.tags,
            capabilities: stored.capabilities,
            policy: stored.policy.read()?,
            retry_of: stored.retry_of.map(|id| parsed("retry_of", RolloutId::parse(&id))).transpose()?,
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

fn state(stored: &StoredRollout, waves: &[Wave]) -> Result<RolloutState, String> {
    let lacks = |what: &str| format!("the state {} lacks its {what}", stored.state);
    let wave = || stored.wave.filter(|wave| *wave < waves.len()).ok_or_else(|| lacks("wave"));
    let cause = || stored.cause.as_ref().ok_or_else(|| lacks("cause"))?.to_cause();
    Ok(match stored.state.as_str() {
        "queued" => RolloutState::Queued,
        "replicating" => RolloutState::Replicating,
        "rolling" => {
            let wave = wave()?;
            let count = waves[wave].targets.len();
            // Format 1 opened a wave as a whole.
            let opened = stored.opened.unwrap_or(count).min(count);
            RolloutState::Rolling { wave, from: stored.from.unwrap_or(0).min(opened), opened }
        }
        "baking" => RolloutState::Baking { wave: wave()? },
        "reverting" => {
            let (step, list) = stored.back.as_ref().ok_or_else(|| lacks("step"))?;
            let list = targets(list)?;
            RolloutState::Reverting(match step.as_str() {
                "finding" => Revert::Finding(list),
                "copying" => Revert::Copying(list),
                "rolling" => Revert::Rolling { targets: list, level: stored.back_level.unwrap_or(0) },
                other => return Err(format!("the step {other} is not known")),
            })
        }
        "succeeded" => RolloutState::Succeeded,
        "failed" => RolloutState::Failed(cause()?),
        "reverted" => RolloutState::Reverted(cause()?),
        "cancelled" => RolloutState::Cancelled,
        "superseded" => RolloutState::Superseded {
            by: stored
                .superseded_by
                .as_ref()
                .map(|by| parsed("superseded_by", RolloutId::parse(by)))
                .transpose()?,
        },
        other => return Err(format!("the state {other} is not known")),
    })
}
