//! A rollout: `RLO#<rollout id>` / `META`.

use super::Record;
use super::common::{
    StoredAccess, StoredCause, StoredFunction, digest, parsed, read_functions, store_functions, time,
};
use crate::ports::Key;
use flotilla_domain::rollout::{Rollout, RolloutKind, RolloutState};
use flotilla_domain::{ProfileName, ReleaseId, RolloutId, ServiceName, StageName, Target};
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deploy: Option<StoredPackage>,
    waves: Vec<Vec<String>>,
    access: StoredAccess,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    capabilities: BTreeSet<String>,
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wave: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<StoredCause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
    acted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acted_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<String>,
    requested_by: String,
    created_at: String,
    entered_at: String,
}

/// What is rolled out; absent for a removal.
#[derive(Serialize, Deserialize)]
pub struct StoredPackage {
    release: String,
    package: String,
    template: String,
    functions: Vec<StoredFunction>,
}

impl Record for Rollout {
    type Stored = StoredRollout;

    fn key(&self) -> Key {
        rollout_key(&self.id)
    }

    fn to_stored(&self) -> StoredRollout {
        let deploy = match &self.kind {
            RolloutKind::Remove => None,
            RolloutKind::Deploy { release, package, template, functions } => Some(StoredPackage {
                release: release.to_string(),
                package: package.to_string(),
                template: template.to_string(),
                functions: store_functions(functions),
            }),
        };
        let (mut wave, mut superseded_by) = (None, None);
        match &self.state {
            RolloutState::Rolling { wave: number } => wave = Some(*number),
            RolloutState::Superseded { by } => superseded_by = by.map(|by| by.to_string()),
            _ => {}
        }
        StoredRollout {
            format: 1,
            id: self.id.to_string(),
            service: self.service.to_string(),
            stage: self.stage.to_string(),
            profile: self.profile.to_string(),
            deploy,
            waves: self.waves.iter().map(|wave| wave.iter().map(ToString::to_string).collect()).collect(),
            access: StoredAccess::of(&self.access),
            parameters: self.parameters.clone(),
            tags: self.tags.clone(),
            capabilities: self.capabilities.clone(),
            state: self.state.name().into(),
            wave,
            cause: self.state.cause().map(StoredCause::of_cause),
            superseded_by,
            acted: self.acted,
            acted_at: self.acted_at.map(|at| at.to_string()),
            cancelled_by: self.cancelled_by.clone(),
            requested_by: self.requested_by.clone(),
            created_at: self.created_at.to_string(),
            entered_at: self.entered_at.to_string(),
        }
    }

    fn from_stored(stored: StoredRollout) -> Result<Self, String> {
        let kind = match stored.deploy {
            None => RolloutKind::Remove,
            Some(deploy) => RolloutKind::Deploy {
                release: parsed("release", ReleaseId::parse(&deploy.release))?,
                package: digest(&deploy.package)?,
                template: digest(&deploy.template)?,
                functions: read_functions(deploy.functions)?,
            },
        };
        let state = match stored.state.as_str() {
            "queued" => RolloutState::Queued,
            "replicating" => RolloutState::Replicating,
            "rolling" => RolloutState::Rolling {
                wave: stored
                    .wave
                    .filter(|wave| *wave < stored.waves.len())
                    .ok_or("the state rolling lacks its wave")?,
            },
            "succeeded" => RolloutState::Succeeded,
            "failed" => {
                RolloutState::Failed(stored.cause.ok_or("the state failed lacks its cause")?.to_cause()?)
            }
            "cancelled" => RolloutState::Cancelled,
            "superseded" => RolloutState::Superseded {
                by: stored
                    .superseded_by
                    .map(|by| parsed("superseded_by", RolloutId::parse(&by)))
                    .transpose()?,
            },
            other => return Err(format!("the state {other} is not known")),
        };
        let waves: Result<Vec<Vec<Target>>, String> = stored
            .waves
            .iter()
            .map(|wave| wave.iter().map(|target| parsed("target", Target::parse(target))).collect())
            .collect();
        Ok(Self {
            id: parsed("id", RolloutId::parse(&stored.id))?,
            service: parsed("service", ServiceName::parse(&stored.service))?,
            stage: parsed("stage", StageName::parse(&stored.stage))?,
            profile: parsed("profile", ProfileName::parse(&stored.profile))?,
            kind,
            waves: waves?,
            access: stored.access.read(),
            parameters: stored.parameters,
            tags: stored.tags,
            capabilities: stored.capabilities,
            state,
            acted: stored.acted,
            acted_at: stored.acted_at.map(|at| time(&at)).transpose()?,
            cancelled_by: stored.cancelled_by,
            requested_by: stored.requested_by,
            created_at: time(&stored.created_at)?,
            entered_at: time(&stored.entered_at)?,
        })
    }
}
