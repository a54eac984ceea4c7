//! A deployment's state, as part of its item: its name, and the fields that only some states have.

use super::common::StoredCause;
use flotilla_domain::Cause;
use flotilla_domain::deployment::{AfterCause, ChangeSetKind, Effort, StackRollback, State};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Default)]
pub struct StoredState {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    create: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    /// How format 1 stored what follows after the cause is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restored: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack_status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<StoredCause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    how: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retain: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    then: Option<Box<StoredState>>,
}

fn effort_name(effort: &Effort) -> (&'static str, Option<Vec<String>>) {
    match effort {
        Effort::First => ("first", None),
        Effort::Again => ("again", None),
        Effort::Retain(names) => ("retain", Some(names.clone())),
        Effort::Force => ("force", None),
    }
}

impl StoredState {
    pub fn of(state: &State) -> Self {
        let mut stored = Self { name: state.name().into(), ..Self::default() };
        let cause = |cause: &Option<Cause>| cause.as_ref().map(StoredCause::of_cause);
        match state {
            State::Planning(kind) | State::ReadingMapping(kind) => {
                stored.create = Some(*kind == ChangeSetKind::Create)
            }
            State::Verifying { changed } | State::Succeeded { changed } => stored.changed = Some(*changed),
            State::FindingCause { status, then, before } => {
                stored.stack_status = Some(status.clone());
                stored.cause = cause(before);
                let how = match then {
                    AfterCause::RolledBack => "rolled_back",
                    AfterCause::StackRollback => "unwind",
                    AfterCause::Fail => "fail",
                };
                stored.how = Some(how.into());
            }
            State::RollingBackStack { how, cause: known } => {
                let how = match how {
                    StackRollback::ContinueRollback => "continue",
                    StackRollback::RollBack => "roll_back",
                };
                stored.how = Some(how.into());
                stored.cause = cause(known);
            }
            State::DeletingFailedStack(effort) | State::Deleting(effort) => {
                let (how, retain) = effort_name(effort);
                (stored.how, stored.retain) = (Some(how.into()), retain);
            }
            State::DiscardingChangeSet(then) | State::Undraining(then) => {
                stored.then = Some(Box::new(Self::of(then)))
            }
            State::Shifting { percent } => stored.percent = Some(*percent),
            State::RolledBack(cause) | State::Failed(cause) | State::ShiftingBack(cause) => {
                stored.cause = Some(StoredCause::of_cause(cause));
            }
            State::Waiting
            | State::Inspecting
            | State::ReadingAliases
            | State::RestoringTraffic
            | State::PlanningRemoval
            | State::ConfirmingRemoval
            | State::Planned
            | State::Executing
            | State::EmptyingBuckets
            | State::Unmapping
            | State::Draining
            | State::FindingUndeletable
            | State::Removed
            | State::Cancelled => {}
        }
        stored
    }

    pub fn read(self) -> Result<State, String> {
        let lacks = |what: &str| format!("the state {} lacks {what}", self.name);
        let cause = || self.cause.as_ref().map(StoredCause::to_cause).transpose();
        let must = |cause: Option<Cause>| cause.ok_or_else(|| lacks("its cause"));
        let kind = || match self.create.ok_or_else(|| lacks("create"))? {
            true => Ok::<_, String>(ChangeSetKind::Create),
            false => Ok(ChangeSetKind::Update),
        };
        let changed = || self.changed.ok_or_else(|| lacks("changed"));
        Ok(match self.name.as_str() {
            "waiting" => State::Waiting,
            "inspecting" => State::Inspecting,
            "planning" => State::Planning(kind()?),
            "reading_mapping" => State::ReadingMapping(kind()?),
            "unmapping" => State::Unmapping,
            "draining" => State::Draining,
            "reading_aliases" => State::ReadingAliases,
            "restoring" => State::RestoringTraffic,
            "planning_removal" => State::PlanningRemoval,
            "confirming_removal" => State::ConfirmingRemoval,
            "shifting" => State::Shifting { percent: self.percent.ok_or_else(|| lacks("percent"))? },
            "shifting_back" => State::ShiftingBack(must(cause()?)?),
            "planned" => State::Planned,
            "executing" => State::Executing,
            "verifying" => State::Verifying { changed: changed()? },
            "explaining" => State::FindingCause {
                status: self.stack_status.clone().ok_or_else(|| lacks("stack_status"))?,
                then: match (self.how.as_deref(), self.restored) {
                    (Some("rolled_back"), _) | (None, Some(true)) => AfterCause::RolledBack,
                    (Some("unwind"), _) => AfterCause::StackRollback,
                    (Some("fail"), _) | (None, Some(false)) => AfterCause::Fail,
                    _ => return Err(lacks("what follows")),
                },
                before: cause()?,
            },
            "unwinding" => State::RollingBackStack {
                how: match self.how.as_deref() {
                    Some("continue") => StackRollback::ContinueRollback,
                    Some("roll_back") => StackRollback::RollBack,
                    _ => return Err(lacks("how")),
                },
                cause: cause()?,
            },
            "clearing" => State::DeletingFailedStack(self.effort()?),
            "emptying" => State::EmptyingBuckets,
            "deleting" => State::Deleting(self.effort()?),
            "salvaging" => State::FindingUndeletable,
            "discarding" | "undraining" => {
                let is_undraining = self.name == "undraining";
                let Some(then) = self.then else { return Err(lacks("what follows")) };
                let then = Box::new(then.read()?);
                if is_undraining { State::Undraining(then) } else { State::DiscardingChangeSet(then) }
            }
            "succeeded" => State::Succeeded { changed: changed()? },
            "removed" => State::Removed,
            "rolled_back" => State::RolledBack(must(cause()?)?),
            "failed" => State::Failed(must(cause()?)?),
            "cancelled" => State::Cancelled,
            other => return Err(format!("the state {other} is not known")),
        })
    }

    fn effort(&self) -> Result<Effort, String> {
        Ok(match (self.how.as_deref(), &self.retain) {
            // Format 1 knew only one effort.
            (Some("first") | None, _) => Effort::First,
            (Some("again"), _) => Effort::Again,
            (Some("retain"), Some(names)) => Effort::Retain(names.clone()),
            (Some("force"), _) => Effort::Force,
            _ => return Err(format!("the state {} lacks how", self.name)),
        })
    }
}
