//! A rollout's state, as part of its item.

use super::analysis::StoredReading;
use super::common::{StoredCause, parsed, target_texts, targets, time};
use flotilla_domain::RolloutId;
use flotilla_domain::rollout::{Revert, RolloutState, Shift, Wave};
use serde::{Deserialize, Serialize};

/// The state's name and fields. For `withdrawing`, the fields of the final state.
#[derive(Default, Serialize, Deserialize)]
pub struct StoredState {
    state: String,
    /// The final state after `withdrawing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wave: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<usize>,
    /// The step of a revert, and its targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back: Option<(String, Vec<String>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back_level: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<StoredCause>,
    /// The step of a shift, counted from 0, its share in percent, and when it was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reading: Option<StoredReading>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
}

const WITHDRAWING: &str = "withdrawing";

impl StoredState {
    pub fn of(state: &RolloutState) -> Self {
        let mut stored = Self {
            state: state.name().into(),
            cause: state.cause().map(StoredCause::of_cause),
            ..Self::default()
        };
        match state {
            RolloutState::Rolling { wave, from, opened } => {
                (stored.wave, stored.from, stored.opened) = (Some(*wave), Some(*from), Some(*opened));
            }
            RolloutState::Gated { wave }
            | RolloutState::Verifying { wave }
            | RolloutState::Completing { wave }
            | RolloutState::ShiftingBack { wave }
            | RolloutState::Baking { wave } => stored.wave = Some(*wave),
            RolloutState::Shifting(Shift { wave, step, percent, since, reading }) => {
                (stored.wave, stored.step, stored.percent) = (Some(*wave), Some(*step), Some(*percent));
                stored.since = since.map(|at| at.to_string());
                stored.reading = reading.as_ref().map(StoredReading::of);
            }
            RolloutState::Reverting(Revert::Finding(list)) => {
                stored.back = Some(("finding".into(), target_texts(list)));
            }
            RolloutState::Reverting(Revert::Copying(list)) => {
                stored.back = Some(("copying".into(), target_texts(list)));
            }
            RolloutState::Reverting(Revert::Rolling { targets, level }) => {
                stored.back = Some(("rolling".into(), target_texts(targets)));
                stored.back_level = Some(*level);
            }
            RolloutState::DiscardingChangeSets(end) => {
                let end = Self::of(end);
                return Self { state: WITHDRAWING.into(), end: Some(end.state), ..end };
            }
            RolloutState::Superseded { by } => stored.superseded_by = by.map(|by| by.to_string()),
            RolloutState::Queued
            | RolloutState::PolicyCheck
            | RolloutState::Replicating
            | RolloutState::WaitingForOutputs
            | RolloutState::Planning
            | RolloutState::Succeeded
            | RolloutState::Failed(_)
            | RolloutState::Reverted(_)
            | RolloutState::Cancelled
            | RolloutState::Planned => {}
        }
        stored
    }

    /// Reads the state of a rollout with these waves.
    pub fn read(&self, waves: &[Wave]) -> Result<RolloutState, String> {
        let lacks = |what: &str| format!("the state {} lacks its {what}", self.state);
        if self.state == WITHDRAWING {
            let end = self.end.as_deref().filter(|end| *end != WITHDRAWING).ok_or_else(|| lacks("end"))?;
            return Ok(RolloutState::DiscardingChangeSets(Box::new(self.named(end, waves)?)));
        }
        self.named(&self.state, waves)
    }

    fn named(&self, name: &str, waves: &[Wave]) -> Result<RolloutState, String> {
        let lacks = |what: &str| format!("the state {name} lacks its {what}");
        let wave = || self.wave.filter(|wave| *wave < waves.len()).ok_or_else(|| lacks("wave"));
        let cause = || self.cause.as_ref().ok_or_else(|| lacks("cause"))?.to_cause();
        Ok(match name {
            "queued" => RolloutState::Queued,
            "vetting" => RolloutState::PolicyCheck,
            "replicating" => RolloutState::Replicating,
            "awaiting" => RolloutState::WaitingForOutputs,
            "planning" => RolloutState::Planning,
            "gated" => RolloutState::Gated { wave: wave()? },
            "rolling" => {
                let wave = wave()?;
                let count = waves[wave].targets.len();
                // Format 1 opened all targets of a wave at once.
                let opened = self.opened.unwrap_or(count).min(count);
                RolloutState::Rolling { wave, from: self.from.unwrap_or(0).min(opened), opened }
            }
            "checking" => RolloutState::Verifying { wave: wave()? },
            "shifting" => RolloutState::Shifting(Shift {
                wave: wave()?,
                step: self.step.ok_or_else(|| lacks("step"))?,
                percent: self.percent.ok_or_else(|| lacks("percent"))?,
                since: self.since.as_deref().map(time).transpose()?,
                reading: self.reading.as_ref().map(StoredReading::read).transpose()?,
            }),
            "completing" => RolloutState::Completing { wave: wave()? },
            "shifting_back" => RolloutState::ShiftingBack { wave: wave()? },
            "baking" => RolloutState::Baking { wave: wave()? },
            "reverting" => {
                let (step, list) = self.back.as_ref().ok_or_else(|| lacks("step"))?;
                let list = targets(list)?;
                RolloutState::Reverting(match step.as_str() {
                    "finding" => Revert::Finding(list),
                    "copying" => Revert::Copying(list),
                    "rolling" => Revert::Rolling { targets: list, level: self.back_level.unwrap_or(0) },
                    other => return Err(format!("the step {other} is not known")),
                })
            }
            "succeeded" => RolloutState::Succeeded,
            "failed" => RolloutState::Failed(cause()?),
            "reverted" => RolloutState::Reverted(cause()?),
            "cancelled" => RolloutState::Cancelled,
            "planned" => RolloutState::Planned,
            "superseded" => {
                let by = self.superseded_by.as_ref();
                let by = by.map(|by| parsed("superseded_by", RolloutId::parse(by)));
                RolloutState::Superseded { by: by.transpose()? }
            }
            other => return Err(format!("the state {other} is not known")),
        })
    }
}
