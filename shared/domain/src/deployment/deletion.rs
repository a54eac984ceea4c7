//! Deletions of stacks: of one whose creation failed, and of one that is removed.

use super::event::{Outcome, StackObserved};
use super::stack_status::{Standing, standing};
use super::state::{AfterCause, Effort, State};
use super::{Deployment, causes};
use crate::plan::TargetPlan;
use jiff::Timestamp;

/// The progress of a deletion.
pub(super) enum Deletion {
    Running,
    Done,
    /// It failed with this status; a stronger method may work.
    Failed(String),
    /// It did not begin; the stack has this status.
    Refused(String),
}

impl Deployment {
    /// The state after an observation of a failed stack that is being deleted; `None` to observe again.
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

    /// The state after an observation of a stack that is being removed; `None` to observe again.
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

    /// The progress of a deletion.
    pub(super) fn deletion(
        &self,
        stack: Option<StackObserved>,
        outcome: Outcome,
        now: Timestamp,
    ) -> Deletion {
        let Some(stack) = stack else { return Deletion::Done };
        match (standing(&stack.status), outcome) {
            (Standing::Gone, _) => Deletion::Done,
            (Standing::Busy | Standing::Unknown, _) | (_, Outcome::Pending) => Deletion::Running,
            (_, Outcome::Unseen) if self.may_begin_yet(now) => Deletion::Running,
            (Standing::DeleteFailed, _) => Deletion::Failed(stack.status),
            // CloudFormation refused to begin: an export in use restores the old status.
            _ => Deletion::Refused(stack.status),
        }
    }

    /// The state after it is known what the removal of a permanent stage's stack deletes: the safeguards decide.
    pub(super) fn removal_planned(&mut self, plan: &TargetPlan) -> State {
        self.changes = Some(plan.summary());
        self.plan_digest = Some(plan.digest);
        let breaches = self.spec.policy.safeguards.check(plan, &self.id.target.site.region);
        causes::breached(&breaches, true).map_or(State::Planned, State::Failed)
    }

    /// The state after what the removal of a permanent stage's stack deletes was read again, right before: it must be what was planned, and
    /// approved.
    pub(super) fn removal_confirmed(&mut self, plan: &TargetPlan) -> State {
        let planned = self.plan_digest;
        match self.removal_planned(plan) {
            State::Planned if planned == Some(plan.digest) && self.spec.mapping.is_some() => State::Unmapping,
            State::Planned if planned == Some(plan.digest) => State::Deleting(Effort::First),
            State::Planned => State::Failed(causes::not_approved()),
            failed => failed,
        }
    }

    /// The state after the resources that could not be deleted are known.
    pub(super) fn without_undeletable(&mut self, names: Vec<String>) -> State {
        if names.is_empty() {
            return cannot_delete("DELETE_FAILED".into());
        }
        self.note(format!("retained, delete by hand: {}", names.join(", ")));
        State::Deleting(Effort::Retain(names))
    }
}

fn cannot_delete(status: String) -> State {
    State::FindingCause { status, then: AfterCause::Fail, before: None }
}
