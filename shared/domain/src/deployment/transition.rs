//! The table: which event makes which state of which.

use super::event::{Event, StackOwner, StackSeen};
use super::state::{ChangeSetKind, State};
use super::{CodeMismatch, Deployment};
use crate::cause::Cause;
use crate::code::Code;
use crate::stack_status::{End, Standing, end_of_update, standing};
use jiff::Timestamp;

/// An event that the state does not provide for. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a deployment that is {state} cannot take {event:?}")]
pub struct IllegalTransition {
    /// The state's name.
    pub state: &'static str,
    /// The event.
    pub event: Box<Event>,
}

impl Deployment {
    /// What the event makes of the deployment. The same event in the same state again changes nothing.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the state does not provide for the event, always in a terminal state.
    pub fn apply(mut self, event: Event, now: Timestamp) -> Result<Self, IllegalTransition> {
        let illegal =
            |state: &State, event| Err(IllegalTransition { state: state.name(), event: Box::new(event) });
        let next = match (&self.state, event) {
            (state, event) if state.is_terminal() => return illegal(state, event),

            (_, Event::DeadlinePassed) => State::Failed(self.deadline_cause()),
            (_, Event::Refused(cause)) => State::Failed(cause),
            (State::Planning(_) | State::Executing | State::Clearing | State::Deleting, Event::Acted) => {
                self.acted = true;
                return Ok(self);
            }

            (State::Waiting, Event::LeaseTaken) => State::Inspecting,
            (State::Waiting, Event::LeaseHeld) => State::Waiting,
            (State::Waiting | State::Inspecting | State::Planned, Event::Declined) => State::Cancelled,

            (State::Inspecting, Event::StackSeen(seen)) => self.inspected(seen),

            (State::Planning(_), Event::PlanPending) => return Ok(self),
            (State::Planning(_), Event::PlanReady { stack_id, change_set_id, changes }) => {
                self.stack_id = Some(stack_id);
                self.change_set_id = Some(change_set_id);
                self.changes = Some(changes);
                State::Planned
            }
            (State::Planning(_), Event::PlanEmpty { stack_id }) => {
                self.stack_id = Some(stack_id);
                State::Verifying { changed: false }
            }
            (State::Planning(_), Event::PlanRefused(cause)) => State::Failed(cause),
            // Another actor's execution deletes the stack's other change sets; look again from the start.
            (State::Planning(_) | State::Executing, Event::PlanGone) => self.replan(),

            (State::Planned, Event::Allowed) if self.removes() => State::Emptying,
            (State::Planned, Event::Allowed) => State::Executing,
            (State::Planned, Event::Held) => return Ok(self),

            (State::Executing, Event::ExecutionPending) => return Ok(self),
            (State::Executing, Event::StackSeen(seen)) => match self.executed(seen) {
                Some(next) => next,
                None => return Ok(self),
            },

            (State::Verifying { changed }, Event::CodeProven) => State::Succeeded { changed: *changed },
            (State::Verifying { .. }, Event::CodePending) => return Ok(self),
            (State::Verifying { .. }, Event::CodeDiffers(functions)) => State::Failed(code_cause(&functions)),

            (State::Explaining { restored: true, .. }, Event::CauseFound(cause)) => State::RolledBack(cause),
            (State::Explaining { restored: false, .. }, Event::CauseFound(cause)) => State::Failed(cause),

            (State::Clearing, Event::StackSeen(seen)) => match self.deleted(seen) {
                Ok(true) => State::Inspecting,
                Ok(false) => return Ok(self),
                Err(failed) => failed,
            },
            (State::Emptying, Event::Emptied) => State::Deleting,
            (State::Emptying, Event::EmptiedPartly) => return Ok(self),
            (State::Deleting, Event::StackSeen(seen)) => match self.deleted(seen) {
                Ok(true) => State::Removed,
                Ok(false) => return Ok(self),
                Err(failed) => failed,
            },

            (state, event) => return illegal(state, event),
        };
        Ok(self.enter(next, now))
    }

    /// Enters a state; its commands are not carried out yet.
    fn enter(mut self, next: State, now: Timestamp) -> Self {
        if next == self.state {
            return self;
        }
        if matches!(next, State::Inspecting) {
            self.change_set_id = None;
        }
        if matches!(next, State::Planning(_)) {
            self.attempt += 1;
        }
        self.state = next;
        self.entered_at = now;
        self.acted = false;
        self
    }

    /// What follows from a look at the stack before anything was planned.
    fn inspected(&mut self, seen: Option<StackSeen>) -> State {
        let Some(seen) = seen else {
            self.stack_id = None;
            return if self.removes() { State::Removed } else { State::Planning(ChangeSetKind::Create) };
        };
        let standing = standing(&seen.status);
        if standing == Standing::Gone {
            self.stack_id = None;
            return if self.removes() { State::Removed } else { State::Planning(ChangeSetKind::Create) };
        }
        if let Some(owner) = seen.owner.filter(|owner| !self.owns(owner)) {
            return State::Failed(foreign_cause(&owner));
        }
        let status = seen.status.clone();
        self.stack_id = Some(seen.stack_id);
        match standing {
            // Somebody else's operation: look again later.
            Standing::Busy | Standing::Unknown => State::Inspecting,
            _ if self.removes() => State::Planned,
            Standing::InReview => State::Planning(ChangeSetKind::Create),
            Standing::Stable => State::Planning(ChangeSetKind::Update),
            Standing::NeverStable => State::Clearing,
            Standing::RollbackFailed => State::Failed(stuck_cause(
                &status,
                "continue its rollback (aws cloudformation continue-update-rollback)",
            )),
            Standing::DeleteFailed => State::Failed(stuck_cause(
                &status,
                "finish its deletion (aws cloudformation delete-stack, retaining what cannot go)",
            )),
            Standing::Gone => State::Planning(ChangeSetKind::Create),
        }
    }

    /// Whether a stack that is tagged with this owner is ours to change.
    fn owns(&self, owner: &StackOwner) -> bool {
        owner.service == self.spec.service.as_str() && owner.stage == self.spec.stage.as_str()
    }

    /// What follows from a look at the stack while our change set is executed; `None` to look again.
    fn executed(&self, seen: Option<StackSeen>) -> Option<State> {
        let Some(seen) = seen else { return Some(State::Failed(replaced_cause())) };
        if self.stack_id.as_ref() != Some(&seen.stack_id) {
            return Some(State::Failed(replaced_cause()));
        }
        match end_of_update(&seen.status) {
            End::Running => None,
            End::Completed => Some(State::Verifying { changed: true }),
            End::RolledBack => Some(State::Explaining { restored: true, status: seen.status }),
            End::Stuck => Some(State::Explaining { restored: false, status: seen.status }),
            End::Deleted => Some(State::Failed(replaced_cause())),
        }
    }

    /// Whether the stack that is being deleted is gone, or the failure of it.
    fn deleted(&self, seen: Option<StackSeen>) -> Result<bool, State> {
        let Some(seen) = seen else { return Ok(true) };
        match standing(&seen.status) {
            Standing::Gone => Ok(true),
            Standing::DeleteFailed => Err(State::Explaining { restored: false, status: seen.status }),
            _ => Ok(false),
        }
    }

    /// The next attempt, or the end of attempts.
    fn replan(&self) -> State {
        if self.attempt < Self::ATTEMPTS_MAX {
            return State::Inspecting;
        }
        State::Failed(Cause::new(
            Code::ChangeSetRefused,
            format!(
                "{} change sets were made and each became obsolete before it could be executed",
                self.attempt
            ),
            "another actor keeps changing this stack; stop it, then start the rollout again",
        ))
    }

    fn deadline_cause(&self) -> Cause {
        Cause::new(
            Code::DeadlinePassed,
            format!("the deployment was {} since {}", self.state.name(), self.entered_at),
            format!(
                "look at stack {} in {}, then start the rollout again",
                self.spec.stack, self.id.target.region
            ),
        )
    }
}

fn stuck_cause(status: &str, how: &str) -> Cause {
    Cause::new(
        Code::StackStuck,
        format!("the stack is {status}"),
        format!("{how}, then start the rollout again"),
    )
}

fn foreign_cause(owner: &StackOwner) -> Cause {
    Cause::new(
        Code::StackForeign,
        format!("the stack of this name belongs to service {} and stage {}", owner.service, owner.stage),
        "rename the service or the stage: <service>-<stage> must be unique",
    )
}

fn replaced_cause() -> Cause {
    Cause::new(
        Code::StackReplaced,
        "the stack was deleted, or deleted and made anew, while it was being deployed",
        "find out who deleted it (CloudTrail: DeleteStack), then start the rollout again",
    )
}

fn code_cause(functions: &[CodeMismatch]) -> Cause {
    let list: Vec<String> = functions
        .iter()
        .map(|f| {
            let found = f.found.map_or_else(|| "nothing readable".to_owned(), |digest| digest.to_string());
            format!("{} runs {found} instead of {}", f.function, f.expected)
        })
        .collect();
    let cause = Cause::new(
        Code::CodeDiffers,
        list.join("; "),
        "somebody changed the function outside of CloudFormation; start the rollout again",
    );
    match functions.first() {
        Some(first) => cause.of(first.function.clone()),
        None => cause,
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
