//! The transitions of a set.

use super::{MemberOutcome, MemberRollout, ServiceSet, SetKind, SetState};
use crate::cause::Cause;
use crate::code::Code;
use crate::ids::{Direction, RolloutId};
use crate::rollout::Cancellation;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// An event of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetEvent {
    /// The rollouts that its state asks for were started, except those of these members.
    Begun {
        /// The outcomes of the members whose rollouts were not started, by index.
        not: BTreeMap<usize, MemberOutcome>,
    },
    /// The rollouts of these members have ended, by index.
    Ended(BTreeMap<usize, MemberOutcome>),
}

/// An event that the state does not accept. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a set in state {state} does not accept {event:?}")]
pub struct IllegalSetTransition {
    /// The state's name.
    pub state: &'static str,
    /// The event.
    pub event: Box<SetEvent>,
}

impl ServiceSet {
    /// Starts the set: its next command starts the members of level 0.
    #[must_use]
    pub fn set_out(self, now: Timestamp) -> Self {
        self.roll(0, now)
    }

    /// Returns the set after the event. Outcomes that are known already change nothing.
    ///
    /// # Errors
    /// [`IllegalSetTransition`] when the state does not accept the event, always in a terminal state.
    pub fn apply(mut self, event: SetEvent, now: Timestamp) -> Result<Self, IllegalSetTransition> {
        let Some((direction, level)) = self.way() else {
            return Err(IllegalSetTransition { state: self.state.name(), event: Box::new(event) });
        };
        let ends = match event {
            SetEvent::Begun { not } if !self.acted => not,
            SetEvent::Ended(ends) if self.acted => ends,
            event => return Err(IllegalSetTransition { state: self.state.name(), event: Box::new(event) }),
        };
        self.acted = true;
        let awaited = self.awaited();
        for (at, _) in awaited.iter().filter(|(at, _)| ends.contains_key(at)) {
            if let Some(member_rollout) = self.members[*at].member_rollout_mut(direction) {
                member_rollout.end = ends.get(at).cloned();
            }
        }
        if !self.awaited().is_empty() {
            return Ok(self);
        }
        Ok(match direction {
            Direction::Forward => self.arrived(level, now),
            Direction::Rollback => self.back(now),
        })
    }

    /// The state after every member of a level has ended.
    fn arrived(self, level: usize, now: Timestamp) -> Self {
        if let Some(cause) = self.failure(Direction::Forward).or_else(|| self.cancellation_cause()) {
            return match self.kind {
                SetKind::Promotion { .. } => self.go_back(cause, now),
                // Reverting a rollback would restore the fault, and a redeploy changed no release.
                SetKind::Rollback { .. } | SetKind::Redeploy { .. } => {
                    self.enter(SetState::Failed(cause), now)
                }
            };
        }
        if self.members.iter().any(|member| member.level > level) {
            return self.roll(level + 1, now);
        }
        self.enter(SetState::Succeeded, now)
    }

    /// The state after every member of a level was rolled back.
    fn back(self, now: Timestamp) -> Self {
        match self.state.cause().cloned() {
            Some(cause) => self.go_back(cause, now),
            None => self,
        }
    }

    /// Rolls back the lowest level that was changed and is not rolled back yet. Providers of outputs are rolled back
    /// before their consumers: the old outputs exist again only after that.
    fn go_back(mut self, cause: Cause, now: Timestamp) -> Self {
        let first = self.members.iter().filter(|member| member.is_changed()).map(|member| member.level).min();
        // A member that reverted by itself used the new outputs of members that are rolled back only now.
        let given_other = |member: &super::Member| {
            let reverted = member
                .forward
                .as_ref()
                .is_some_and(|member_rollout| matches!(member_rollout.end, Some(MemberOutcome::Reverted(_))));
            reverted && first.is_some_and(|first| first < member.level)
        };
        let goes = |member: &&super::Member| {
            let changed = member.is_changed() || given_other(member);
            changed && member.before.is_some() && member.back.is_none()
        };
        let Some(level) = self.members.iter().filter(goes).map(|member| member.level).min() else {
            return self.went_back(cause, now);
        };
        for at in 0..self.members.len() {
            let member = &self.members[at];
            if member.level == level && goes(&member) {
                self.members[at].back = Some(self.member_rollout(at, Direction::Rollback, now));
            }
        }
        self.enter(SetState::Reverting { level, cause }, now)
    }

    /// The end, when nothing is left to roll back.
    fn went_back(self, cause: Cause, now: Timestamp) -> Self {
        let stays = |member: &&super::Member| member.is_changed() && member.before.is_none();
        if let Some(member) = self.members.iter().find(stays) {
            let what = format!(
                "{}/{} had no stable release before and keeps {}; the set failed because: {}",
                member.service, member.stage, member.release, cause.message
            );
            let fix = format!("{}; the new release stays until another one is deployed", cause.fix);
            return self.enter(SetState::Failed(Cause::new(Code::NothingToRevertTo, what, fix)), now);
        }
        match self.failure(Direction::Rollback) {
            Some(failure) => self.enter(SetState::Failed(failure), now),
            None => self.enter(SetState::Reverted(cause), now),
        }
    }

    /// The cause of its end if it was cancelled.
    pub fn cancellation_cause(&self) -> Option<Cause> {
        let by = &self.cancelled.as_ref()?.by;
        let what = format!("{by} cancelled {}", self.id);
        Some(Cause::new(Code::Stopped, what, "request it again when it may continue"))
    }

    /// Marks the set as cancelled: its running rollouts will be cancelled, and none begins.
    #[must_use]
    pub fn cancel(mut self, by: &str, stop_running: bool) -> Self {
        let new = || Cancellation { by: by.to_owned(), stop_running };
        self.cancelled.get_or_insert_with(new).stop_running |= stop_running;
        self
    }

    /// The first failure in one direction. In the rollback, an overtaken member is not a failure.
    fn failure(&self, direction: Direction) -> Option<Cause> {
        self.members.iter().find_map(|member| {
            let end = member.member_rollout(direction)?.end.as_ref()?;
            let counts = direction == Direction::Forward || !matches!(end, MemberOutcome::Overtaken(_));
            let cause = end.cause().filter(|_| counts)?;
            let way = if direction == Direction::Rollback { " during the rollback" } else { "" };
            let message = format!("{}/{}{way}: {}", member.service, member.stage, cause.message);
            Some(Cause { message: crate::code::storable(message), ..cause.clone() })
        })
    }

    fn roll(mut self, level: usize, now: Timestamp) -> Self {
        for at in 0..self.members.len() {
            if self.members[at].level == level {
                self.members[at].forward = Some(self.member_rollout(at, Direction::Forward, now));
            }
        }
        self.enter(SetState::Rolling { level }, now)
    }

    /// A new rollout of a member, with a derived id.
    fn member_rollout(&self, at: usize, direction: Direction, now: Timestamp) -> MemberRollout {
        let member = &self.members[at];
        let way = match direction {
            Direction::Forward => "forward",
            Direction::Rollback => "back",
        };
        let parts = [&self.id.to_string(), member.service.as_str(), member.stage.as_str(), way];
        MemberRollout { rollout: RolloutId::derive(now, &parts), end: None }
    }

    fn enter(self, state: SetState, now: Timestamp) -> Self {
        Self { state, acted: false, entered_at: now, ..self }
    }
}
