//! Blue/green: the API mapping of a custom domain, which points at the API of one of two stacks.
//!
//! The update goes to the stack that gets no traffic, so it can be verified at its own endpoint. Then one call makes the mapping point
//! at its API, and one call makes it point at the other one again: no stack is updated for either.

use super::Deployment;
use super::apis::{ApiStage, MappedApis};
use super::causes;
use super::state::{ChangeSetKind, State};
use crate::cause::Cause;
use crate::code::Code;
use crate::ids::Direction;
use jiff::{SignedDuration, Timestamp};

impl Deployment {
    /// The state after one that plans a change set, once it is known what the mapping points at.
    pub(super) fn reading_mapping(&self, next: State) -> State {
        match next {
            State::Planning(kind) if self.spec.mapping.is_some() => State::ReadingMapping(kind),
            next => next,
        }
    }

    /// The state after it was observed what the mapping points at, and which API the stack has before the update. The stack that gets
    /// the traffic is not updated, except by a rollback: it runs the stable release already.
    pub(super) fn mapping_read(
        &mut self,
        kind: ChangeSetKind,
        points_at: Option<ApiStage>,
        own: &[String],
    ) -> State {
        let is_live = points_at.as_ref().is_some_and(|points_at| own.contains(&points_at.api));
        self.mapped = Some(MappedApis {
            new: points_at.clone().filter(|_| is_live),
            stable: points_at,
            switched: false,
        });
        match &self.spec.mapping {
            Some(mapping) if is_live && self.id.direction == Direction::Forward => {
                State::Failed(causes::slot_is_live(mapping, &self.spec.stack))
            }
            _ => State::Planning(kind),
        }
    }

    /// Whether it is long ago that it was read what the mapping points at: the stack may get the traffic by now.
    pub(super) fn is_mapping_old(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.entered_at);
        self.spec.mapping.is_some() && self.attempt < Self::ATTEMPTS_MAX && age > SignedDuration::from_mins(2)
    }

    /// Records the API of the updated stack.
    pub(super) fn has_api(&mut self, api: Option<ApiStage>) {
        if let Some(mapped) = &mut self.mapped {
            mapped.new = api;
        }
    }

    /// Whether the mapping has to be changed before the updated stack gets traffic.
    pub(super) fn switches(&self) -> bool {
        self.mapped.as_ref().is_some_and(|mapped| mapped.new.is_some() && mapped.new != mapped.stable)
    }

    /// Records that the mapping is about to point at the new API.
    pub(super) fn is_switched(&mut self) {
        if let Some(mapped) = &mut self.mapped {
            mapped.switched = true;
        }
    }

    /// Whether what the mapping points at is read once more before the deployment has failed: another invocation of the function may have
    /// begun to switch it, and API Gateway takes calls in the order in which they arrive.
    pub(super) fn confirms_mapping(&self) -> bool {
        self.mapped.as_ref().is_some_and(|mapped| mapped.switched)
    }

    /// When what the mapping points at is read once more.
    pub(super) fn confirmed_at(&self) -> Timestamp {
        let wait = SignedDuration::from_secs(Self::CONFIRM_S);
        self.entered_at.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// The state after it was read what the mapping points at, when it was shifted back; `None` to observe again.
    pub(super) fn mapping_confirmed(
        &mut self,
        cause: Cause,
        points_at: Option<&ApiStage>,
        now: Timestamp,
    ) -> Option<State> {
        if self.spec.record.is_some() {
            if now >= self.confirmed_at() {
                self.acted = false;
                self.drain.get_or_insert_default().is_confirmed = true;
            }
            return None;
        }
        let is_new = |mapped: &MappedApis| mapped.new.as_ref() == points_at && mapped.new != mapped.stable;
        if self.mapped.as_ref().is_some_and(is_new) {
            self.acted = false;
            return None;
        }
        (now >= self.confirmed_at()).then_some(State::Failed(cause))
    }

    /// How long a call may be under way, in seconds: a function that was loaded before acts within ten seconds, and a call to API Gateway
    /// ends within five.
    pub const CONFIRM_S: i64 = 30;

    /// Whether its stack gets the traffic of the mapping, now that the deployment has ended: it had it before, got it, or got it and could
    /// not be parted from it.
    pub fn is_live(&self) -> bool {
        let is_left = self.state.cause().is_some_and(|cause| cause.code == Code::TrafficNotRestored);
        let has = |mapped: &MappedApis| {
            let got = self.state.is_success() || (is_left && mapped.switched);
            mapped.new.is_some() && (got || mapped.new == mapped.stable)
        };
        self.mapped.as_ref().is_some_and(has)
    }

    /// Whether it has begun an operation on its stack, or switched its traffic.
    pub fn has_changed_anything(&self) -> bool {
        self.operations > 0 || self.mapped.as_ref().is_some_and(|mapped| mapped.switched)
    }
}
