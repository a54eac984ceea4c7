//! What an event makes of a set.

use super::{Leg, LegEnd, ServiceSet, SetKind, SetState};
use crate::cause::Cause;
use crate::code::Code;
use crate::ids::{RolloutId, Turn};
use crate::rollout::Cancellation;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What a set learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetEvent {
    /// The rollouts that its state asks for are begun, but for those of these members.
    Begun {
        /// Why they are not, by their place.
        not: BTreeMap<usize, LegEnd>,
    },
    /// These members' rollouts have ended, by their place.
    Ended(BTreeMap<usize, LegEnd>),
}

/// An event that the state does not provide for. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a set that is {state} cannot take {event:?}")]
pub struct IllegalSetTransition {
    /// The state's name.
    pub state: &'static str,
    /// The event.
    pub event: Box<SetEvent>,
}

impl ServiceSet {
    /// The set on its way: its first members are to be begun.
    #[must_use]
    pub fn set_out(self, now: Timestamp) -> Self {
        self.roll(0, now)
    }

    /// What the event makes of the set. Ends that are known already change nothing.
    ///
    /// # Errors
    /// [`IllegalSetTransition`] when the state does not provide for the event, always in a terminal state.
    pub fn apply(mut self, event: SetEvent, now: Timestamp) -> Result<Self, IllegalSetTransition> {
        let Some((turn, level)) = self.way() else {
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
            if let Some(leg) = self.members[*at].leg_mut(turn) {
                leg.end = ends.get(at).cloned();
            }
        }
        if !self.awaited().is_empty() {
            return Ok(self);
        }
        Ok(match turn {
            Turn::Forward => self.arrived(level, now),
            Turn::Back => self.back(now),
        })
    }

    /// Every member of a level has ended.
    fn arrived(self, level: usize, now: Timestamp) -> Self {
        if let Some(cause) = self.failure(Turn::Forward).or_else(|| self.called_off()) {
            return match self.kind {
                SetKind::Promotion { .. } => self.go_back(cause, now),
                // Back from trouble into trouble, or to what runs already: nobody is helped by that.
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

    /// Every member of a level is back.
    fn back(self, now: Timestamp) -> Self {
        match self.state.cause().cloned() {
            Some(cause) => self.go_back(cause, now),
            None => self,
        }
    }

    /// Brings the first level back that was changed and is not back yet. What gives outputs goes before what takes
    /// them, on this way too: what it had given is there again only when it is back.
    fn go_back(mut self, cause: Cause, now: Timestamp) -> Self {
        let first = self.members.iter().filter(|member| member.is_changed()).map(|member| member.level).min();
        // What went back by itself did so with what it was given by others that go back only now.
        let given_other = |member: &super::Member| {
            let reverted =
                member.forward.as_ref().is_some_and(|leg| matches!(leg.end, Some(LegEnd::Reverted(_))));
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
                self.members[at].back = Some(self.leg(at, Turn::Back, now));
            }
        }
        self.enter(SetState::Reverting { level, cause }, now)
    }

    /// Nothing is left to bring back.
    fn went_back(self, cause: Cause, now: Timestamp) -> Self {
        let stays = |member: &&super::Member| member.is_changed() && member.before.is_none();
        if let Some(member) = self.members.iter().find(stays) {
            let what = format!(
                "{}/{} had no release that ran everywhere before and keeps {}; the set failed because: {}",
                member.service, member.stage, member.release, cause.message
            );
            let fix = format!("{}; what is new stays until another release comes", cause.fix);
            return self.enter(SetState::Failed(Cause::new(Code::NothingToRevertTo, what, fix)), now);
        }
        match self.failure(Turn::Back) {
            Some(failure) => self.enter(SetState::Failed(failure), now),
            None => self.enter(SetState::Reverted(cause), now),
        }
    }

    /// Why it goes no further, if somebody called it off.
    pub fn called_off(&self) -> Option<Cause> {
        let by = &self.cancelled.as_ref()?.by;
        let what = format!("{by} has called {} off", self.id);
        Some(Cause::new(Code::Stopped, what, "begin again when it may go on"))
    }

    /// The set, called off: its rollouts under way are to be called off, and none begins any more.
    #[must_use]
    pub fn call_off(mut self, by: &str, stop_running: bool) -> Self {
        let new = || Cancellation { by: by.to_owned(), stop_running };
        self.cancelled.get_or_insert_with(new).stop_running |= stop_running;
        self
    }

    /// The first failure of all ways in one direction. On the way back, a stage that somebody else has is none.
    fn failure(&self, turn: Turn) -> Option<Cause> {
        self.members.iter().find_map(|member| {
            let end = member.leg(turn)?.end.as_ref()?;
            let counts = turn == Turn::Forward || !matches!(end, LegEnd::Overtaken(_));
            let cause = end.cause().filter(|_| counts)?;
            let way = if turn == Turn::Back { " on the way back" } else { "" };
            let message = format!("{}/{}{way}: {}", member.service, member.stage, cause.message);
            Some(Cause { message: crate::code::cut(message), ..cause.clone() })
        })
    }

    fn roll(mut self, level: usize, now: Timestamp) -> Self {
        for at in 0..self.members.len() {
            if self.members[at].level == level {
                self.members[at].forward = Some(self.leg(at, Turn::Forward, now));
            }
        }
        self.enter(SetState::Rolling { level }, now)
    }

    /// A new way of a member, under an id that no other has.
    fn leg(&self, at: usize, turn: Turn, now: Timestamp) -> Leg {
        let member = &self.members[at];
        let way = match turn {
            Turn::Forward => "forward",
            Turn::Back => "back",
        };
        let parts = [&self.id.to_string(), member.service.as_str(), member.stage.as_str(), way];
        Leg { rollout: RolloutId::derive(now, &parts), end: None }
    }

    fn enter(self, state: SetState, now: Timestamp) -> Self {
        Self { state, acted: false, entered_at: now, ..self }
    }
}
