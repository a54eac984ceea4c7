//! Deletions of stacks: of one that never was stable, and for good.

use super::Deployment;
use super::event::{Outcome, StackSeen};
use super::stack_status::{Standing, standing};
use super::state::{AfterCause, Effort, State};
use jiff::Timestamp;

/// How a deletion stands.
pub(super) enum Deletion {
    Running,
    Done,
    /// It ended in this status; trying harder may help.
    Failed(String),
    /// The stack is what it was, in this status.
    Refused(String),
}

impl Deployment {
    /// What follows from a look at a leftover that is being deleted; `None` to look again.
    pub(super) fn failed_stack_deleted(&self, effort: &Effort, deletion: Deletion) -> Option<State> {
        match deletion {
            Deletion::Running => None,
            Deletion::Done => Some(State::Inspecting),
            Deletion::Failed(_) if *effort == Effort::First => {
                Some(State::DeletingFailedStack(Effort::Again))
            }
            Deletion::Failed(_) if *effort == Effort::Again && self.spec.policy.force_delete => {
                Some(State::DeletingFailedStack(Effort::Force))
            }
            Deletion::Failed(status) | Deletion::Refused(status) => Some(cannot_delete(status)),
        }
    }

    /// What follows from a look at a stack that is being deleted for good; `None` to look again.
    pub(super) fn deleted(&self, effort: &Effort, deletion: Deletion) -> Option<State> {
        match deletion {
            Deletion::Running => None,
            Deletion::Done => Some(State::Removed),
            Deletion::Refused(status) => Some(cannot_delete(status)),
            Deletion::Failed(status) => Some(match effort {
                Effort::First => State::Deleting(Effort::Again),
                Effort::Again => State::FindingUndeletable,
                Effort::Retain(_) if self.spec.policy.force_delete => State::Deleting(Effort::Force),
                Effort::Retain(_) | Effort::Force => cannot_delete(status),
            }),
        }
    }

    /// How a deletion stands.
    pub(super) fn deletion(&self, stack: Option<StackSeen>, outcome: Outcome, now: Timestamp) -> Deletion {
        let Some(stack) = stack else { return Deletion::Done };
        match (standing(&stack.status), outcome) {
            (Standing::Gone, _) => Deletion::Done,
            (Standing::Busy | Standing::Unknown, _) | (_, Outcome::Pending) => Deletion::Running,
            (_, Outcome::Unseen) if self.may_begin_yet(now) => Deletion::Running,
            (Standing::DeleteFailed, _) => Deletion::Failed(stack.status),
            // CloudFormation gave it up before it began: an export in use brings the old status back.
            _ => Deletion::Refused(stack.status),
        }
    }

    /// What follows when it is known what resists its deletion.
    pub(super) fn without_undeletable(&mut self, names: Vec<String>) -> State {
        if names.is_empty() {
            return cannot_delete("DELETE_FAILED".into());
        }
        self.note(format!("left behind, delete by hand: {}", names.join(", ")));
        State::Deleting(Effort::Retain(names))
    }
}

fn cannot_delete(status: String) -> State {
    State::FindingCause { status, then: AfterCause::Fail, before: None }
}
