//! The transition table of a deployment: state and event to next state.

use super::event::{Event, Outcome, StackObserved};
use super::stack_status::{Standing, standing};
use super::state::{AfterCause, ChangeSetKind, Effort, StackRollback, State};
use super::{Deployment, Stop, causes};
use crate::cause::Cause;
use crate::code::Code;
use crate::plan::TargetPlan;
use crate::secret::{HIDDEN, is_secret_output};
use jiff::Timestamp;

/// An event that the state does not accept. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a deployment in state {state} does not accept {event:?}")]
pub struct IllegalTransition {
    /// The state's name.
    pub state: &'static str,
    /// The event.
    pub event: Box<Event>,
}

impl Deployment {
    /// Returns the deployment after the event. The same event in the same state again changes nothing.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the state does not accept the event, always in a terminal state.
    pub fn apply(mut self, event: Event, now: Timestamp) -> Result<Self, IllegalTransition> {
        use Event as E;
        use State as S;
        let next = match (self.state.clone(), event) {
            (state, event) if state.is_terminal() => {
                return Err(IllegalTransition { state: state.name(), event: Box::new(event) });
            }

            (state, E::DeadlinePassed) => self.given_up(state),
            // The new versions may have got a share before the call that failed.
            (S::Shifting { .. }, E::Refused(cause)) => S::ShiftingBack(cause),
            (S::ShiftingBack(before), E::Refused(cause)) => {
                S::Failed(causes::traffic_left(&cause, &before, &self))
            }
            // A change set that cannot be deleted does not change the outcome.
            (S::DiscardingChangeSet(then), E::Refused(_)) => *then,
            (S::Undraining(then), E::Refused(cause)) => self.weight_left(&then, &cause),
            // Its change set is not executed.
            (S::RestoringTraffic, E::Refused(cause)) => self.not_restored(&cause),
            (S::ReadingAliases, E::Refused(cause)) if !self.spec.shifts => self.not_restored(&cause),
            (S::Draining, E::Refused(cause)) => S::DiscardingChangeSet(Box::new(S::Failed(cause))),
            // An earlier request, whose reply was lost, may have created the change set.
            (S::Planning(_), E::Refused(cause) | E::PlanRefused(cause)) => {
                S::DiscardingChangeSet(Box::new(S::Failed(cause)))
            }
            (_, E::Refused(cause)) => S::Failed(cause),
            (_, E::LeaseLost) => S::Failed(causes::lease_lost(&self.spec.stack)),
            (_, E::StopAsked { by }) => {
                if self.stop == Stop::No {
                    self.stop = Stop::Asked(by);
                }
                return Ok(self);
            }

            (S::DiscardingChangeSet(then), E::Acted) => *then,
            (S::Unmapping, E::Acted) => S::Deleting(Effort::First),
            (S::Shifting { .. } | S::ShiftingBack(_) | S::RestoringTraffic, E::AliasesMoved(revisions)) => {
                self.has_revisions(revisions);
                return Ok(self);
            }
            (S::Shifting { .. } | S::ShiftingBack(_) | S::RestoringTraffic, E::TrafficShifted(revisions)) => {
                self.has_revisions(revisions);
                match self.traffic_shifted() {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }
            (S::Executing, E::Acted) if self.acted => {
                if let Stop::Asked(by) = &self.stop {
                    self.stop = Stop::Sent(by.clone());
                }
                return Ok(self);
            }
            (S::Executing, E::NothingToStop) => {
                if let Stop::Asked(by) = &self.stop {
                    self.stop = Stop::TooLate(by.clone());
                }
                return Ok(self);
            }
            (
                S::Planning(_)
                | S::Executing
                | S::RollingBackStack { .. }
                | S::DeletingFailedStack(_)
                | S::Deleting(_),
                E::Acted,
            ) => {
                self.acted = true;
                return Ok(self);
            }

            (S::Waiting, E::LeaseTaken { fence, expected_s }) => {
                (self.fence, self.expected_s) = (fence, expected_s);
                S::Inspecting
            }
            (S::Waiting, E::LeaseHeld) => return Ok(self),
            (S::Planned, E::Declined) if !self.removes() => S::DiscardingChangeSet(Box::new(S::Cancelled)),
            (S::Waiting | S::Inspecting | S::Planned, E::Declined) => S::Cancelled,
            (S::Planned, E::NotApproved) if self.removes() => S::Failed(causes::not_approved()),
            (S::Planned, E::NotApproved) => {
                S::DiscardingChangeSet(Box::new(S::Failed(causes::not_approved())))
            }

            (S::Inspecting, E::StackObserved(seen)) => {
                let next = self.inspected(seen);
                self.reading_mapping(next)
            }

            (S::ReadingAliases, E::AliasesObserved(aliases)) => self.aliases_read(aliases),

            (S::ReadingMapping(kind), E::MappingObserved { points_at, own }) => {
                self.mapping_read(kind, points_at, &own)
            }

            (S::ShiftingBack(cause), E::MappingObserved { points_at, .. }) => {
                match self.mapping_confirmed(cause, points_at.as_ref(), now) {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }

            (S::PlanningRemoval, E::DeletionsPlanned(plan)) => self.removal_planned(&plan),
            (S::ConfirmingRemoval, E::DeletionsPlanned(plan)) => self.removal_confirmed(&plan),

            (S::Planning(_), E::PlanPending) => return Ok(self),
            (S::Planning(_), E::PlanReady(plan)) => self.planned(plan),
            (S::Planning(_), E::PlanEmpty { stack_id }) => {
                self.stack_id = Some(stack_id);
                self.plan_digest = Some(TargetPlan::empty().digest);
                S::DiscardingChangeSet(Box::new(S::Verifying { changed: false }))
            }
            // Another actor's execution deletes the stack's other change sets: start again with an observation.
            (S::Planning(_) | S::Executing, E::PlanGone) if self.attempt < Self::ATTEMPTS_MAX => {
                S::Inspecting
            }
            (S::Planning(_) | S::Executing, E::PlanGone) => S::Failed(causes::always_stale(self.attempt)),

            // After break-glass no alarm may roll the update back: recreate the change set without rollback triggers.
            (S::Planned, E::AllowedUnwatched) if self.is_watched() && self.attempt < Self::ATTEMPTS_MAX => {
                self.spec.alarms.clear();
                S::DiscardingChangeSet(Box::new(S::Inspecting))
            }
            (S::Planned, E::Allowed | E::AllowedUnwatched) if self.protects_data() => S::ConfirmingRemoval,
            (S::Planned, E::Allowed | E::AllowedUnwatched) if self.removes() => S::EmptyingBuckets,
            // What the mapping points at was read before the plan, which has waited.
            (S::Planned, E::Allowed | E::AllowedUnwatched) if self.is_mapping_old(now) => {
                S::DiscardingChangeSet(Box::new(S::Inspecting))
            }
            (S::Planned, event @ (E::Allowed | E::AllowedUnwatched)) => {
                self.executing(event == E::AllowedUnwatched)
            }
            (S::Planned, E::MustWait) => return Ok(self),

            (
                S::Draining,
                event @ (E::WeightSeen { .. } | E::WeightSet { .. } | E::RecordPending | E::RecordInSync),
            ) => match self.draining(event, now) {
                Some(next) => next,
                None => return Ok(self),
            },
            (S::Undraining(then), E::TrafficShifted(_)) => {
                self.drain = None;
                *then
            }

            (S::Verifying { changed }, E::CodeProven { versions, api }) => {
                self.has_api(api);
                self.begin_from_drained();
                self.code_proven(changed, &versions)
            }
            (S::Verifying { .. }, E::CodePending) => return Ok(self),
            (S::Verifying { .. }, E::CodeDiffers(functions)) => S::Failed(causes::code_differs(&functions)),

            (S::Shifting { percent }, E::TrafficAnswered(answer)) => match self.answered(percent, answer) {
                Some(next) => next,
                None => return Ok(self),
            },

            (S::FindingCause { then, before, .. }, E::CauseFound(cause)) => {
                self.cause_found(then, before, cause)
            }

            (S::EmptyingBuckets, E::Emptied) => S::Deleting(Effort::First),
            (S::EmptyingBuckets, E::EmptiedPartly) => return Ok(self),
            (S::FindingUndeletable, E::LeftoversObserved(names)) => self.without_undeletable(names),

            (state, E::OperationObserved { stack, outcome }) if state.is_operation() => {
                let next = match state {
                    S::Executing => self.executed(stack, outcome),
                    S::RollingBackStack { how, cause } => {
                        self.stack_rolled_back(how, cause, stack, outcome, now)
                    }
                    S::DeletingFailedStack(effort) => {
                        self.failed_stack_deleted(&effort, self.deletion(stack, outcome, now))
                    }
                    S::Deleting(effort) => self.deleted(&effort, self.deletion(stack, outcome, now)),
                    _ => None,
                };
                match next {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }

            (state, event) => {
                return Err(IllegalTransition { state: state.name(), event: Box::new(event) });
            }
        };
        Ok(self.enter(next, now))
    }

    /// Enters a state, whose command is not done yet.
    fn enter(mut self, mut next: State, now: Timestamp) -> Self {
        if next == self.state {
            return self;
        }
        next = self.undrained(next);
        // The template does not say yet what the aliases name.
        next = match next {
            State::Failed(cause) | State::RolledBack(cause)
                if self.completes
                    && cause.code != Code::LeaseLost
                    && !matches!(self.state, State::ShiftingBack(_) | State::Verifying { .. }) =>
            {
                State::ShiftingBack(cause)
            }
            next => next,
        };
        if next.is_operation() {
            if self.operations >= Self::OPERATIONS_MAX {
                next = State::Failed(causes::too_many_operations(self.operations));
            } else {
                self.operations += 1;
            }
        }
        if matches!(next, State::Inspecting) {
            (self.change_set_id, self.plan_digest) = (None, None);
        }
        if let State::Planning(kind) = next {
            self.attempt += 1;
            self.creates = kind == ChangeSetKind::Create;
        }
        if self.state == State::Executing && next != State::Inspecting {
            let took_s = now.duration_since(self.entered_at).as_secs().max(0);
            self.expected_s = u32::try_from(took_s).ok();
        }
        self.state = next;
        self.entered_at = now;
        self.acted = false;
        self
    }

    /// The state after a passed deadline. A change set that is not executed is deleted.
    fn given_up(&mut self, state: State) -> State {
        let failed = State::Failed(causes::deadline(self));
        match state {
            State::DiscardingChangeSet(then) => *then,
            // The rollout limits how long it waits. A plan this old is recreated.
            State::Planned if !self.removes() && self.attempt < Self::ATTEMPTS_MAX => {
                State::DiscardingChangeSet(Box::new(State::Inspecting))
            }
            State::RestoringTraffic => self.not_restored(&causes::deadline(self)),
            State::ReadingAliases if !self.spec.shifts => self.not_restored(&causes::deadline(self)),
            State::Draining => State::DiscardingChangeSet(Box::new(failed)),
            State::Undraining(then) => self.weight_left(&then, &causes::deadline(self)),
            State::Shifting { .. } => State::ShiftingBack(causes::deadline(self)),
            State::ShiftingBack(before) => {
                State::Failed(causes::traffic_left(&causes::deadline(self), &before, self))
            }
            // Its wave may wait for days: what it would delete is read again.
            State::Planned if self.protects_data() => State::Inspecting,
            State::Planning(_) | State::Planned if !self.removes() => {
                State::DiscardingChangeSet(Box::new(failed))
            }
            _ => failed,
        }
    }

    /// The state after an observation of our execution; `None` to observe again.
    fn executed(&mut self, stack: Option<StackObserved>, outcome: Outcome) -> Option<State> {
        let Some(stack) = self.still_ours(stack) else { return Some(State::Failed(causes::replaced())) };
        let explain = |then| State::FindingCause { status: stack.status.clone(), then, before: None };
        let failed = || match standing(&stack.status) {
            Standing::RollbackFailed | Standing::UpdateFailed => explain(AfterCause::StackRollback),
            Standing::NeverStable if stack.status != "ROLLBACK_COMPLETE" => explain(AfterCause::Fail),
            Standing::DeleteFailed | Standing::ImportFailed => explain(AfterCause::Fail),
            _ => explain(AfterCause::RolledBack),
        };
        let succeeded = matches!(stack.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE");
        match (standing(&stack.status), outcome) {
            (Standing::Busy | Standing::Unknown, _) | (_, Outcome::Pending) => None,
            (Standing::InReview, _) => None,
            // Another actor may have begun an operation since: the outcome is that of our own operation.
            (_, Outcome::Failed) => match &self.stop {
                Stop::Sent(by) if stack.status == "UPDATE_ROLLBACK_COMPLETE" => {
                    Some(State::RolledBack(causes::stopped(by)))
                }
                _ => Some(failed()),
            },
            (_, Outcome::Unseen) if !succeeded => Some(failed()),
            (_, Outcome::Completed | Outcome::Unseen) => {
                self.keep_outputs(&stack);
                if let Some(orphans) = stack.reason.as_deref().filter(|r| r.contains("could not be deleted"))
                {
                    self.note(format!("not deleted by CloudFormation: {orphans}"));
                }
                Some(State::Verifying { changed: true })
            }
        }
    }

    /// The state after an observation of a stack that is rolled back; `None` to observe again.
    fn stack_rolled_back(
        &self,
        how: StackRollback,
        cause: Option<Cause>,
        stack: Option<StackObserved>,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<State> {
        let done = match cause.clone() {
            Some(cause) => State::RolledBack(cause),
            None => State::Inspecting,
        };
        let Some(stack) = self.still_ours(stack) else {
            // RollbackStack deletes a stack that has no stable state.
            return Some(if how == StackRollback::RollBack {
                done
            } else {
                State::Failed(causes::replaced())
            });
        };
        match (standing(&stack.status), outcome) {
            (Standing::Busy | Standing::Unknown, _) | (_, Outcome::Pending) => None,
            (Standing::Stable | Standing::NeverStable, _) => Some(done),
            (_, Outcome::Unseen) if self.may_begin_yet(now) => None,
            _ => Some(State::FindingCause { status: stack.status, then: AfterCause::Fail, before: cause }),
        }
    }

    /// The stack of this deployment, unless it is deleted or another stack has its name.
    fn still_ours(&self, stack: Option<StackObserved>) -> Option<StackObserved> {
        stack
            .filter(|stack| self.stack_id.as_ref() == Some(&stack.stack_id))
            .filter(|stack| standing(&stack.status) != Standing::Gone)
    }

    /// The state after the cause of a failed operation is known.
    fn cause_found(&self, then: AfterCause, before: Option<Cause>, cause: Cause) -> State {
        match then {
            AfterCause::RolledBack => State::RolledBack(cause),
            AfterCause::StackRollback => {
                let how = match &self.state {
                    State::FindingCause { status, .. } if status == "UPDATE_FAILED" => {
                        StackRollback::RollBack
                    }
                    _ => StackRollback::ContinueRollback,
                };
                State::RollingBackStack { how, cause: Some(cause) }
            }
            AfterCause::Fail => State::Failed(match before {
                Some(before) => causes::began_with(cause, &before),
                None => cause,
            }),
        }
    }

    /// Whether an operation without events may still begin.
    pub(super) fn may_begin_yet(&self, now: Timestamp) -> bool {
        const BEGINS_WITHIN_S: i64 = 120;
        now.duration_since(self.entered_at).as_secs() < BEGINS_WITHIN_S
    }

    /// Keeps the stack's outputs, up to the limit. A secret is not stored: [`HIDDEN`] stands in its place.
    pub(super) fn keep_outputs(&mut self, seen: &StackObserved) {
        let mut left = Self::OUTPUTS_BYTES_MAX;
        let fits = |(name, value): &(&String, &String)| {
            left.checked_sub(name.len() + value.len()).map(|rest| left = rest).is_some()
        };
        let kept = |(name, value): (&String, &String)| {
            let value = if is_secret_output(name, value) { HIDDEN } else { value };
            (name.clone(), value.to_owned())
        };
        self.outputs = seen.outputs.iter().filter(fits).map(kept).collect();
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
