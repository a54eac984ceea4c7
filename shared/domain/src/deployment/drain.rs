//! Draining: a region gets no traffic while its stack is updated, and gets it back step by step.
//!
//! Where the update was rolled back, the region gets its traffic back at once: it runs what it ran before. Where it failed otherwise, or what
//! was deployed is not wanted, the region stays without traffic: the others have it. So does a region that had none before.

use super::event::Event;
use super::records::Drain;
use super::state::State;
use super::{Deployment, causes};
use crate::cause::Cause;
use crate::code::Code;
use jiff::{SignedDuration, Timestamp};

impl Deployment {
    /// The state in which the change set is executed, or the one before it, in which the region is drained.
    pub(super) fn executing(&mut self, is_quick: bool) -> State {
        self.spec.drains &= !is_quick;
        let is_over = self.drain.as_ref().is_some_and(|drain| drain.is_over);
        if self.spec.drains && !is_over { State::Draining } else { State::Executing }
    }

    /// Whether the region gets no traffic: it was drained, by this deployment or by a rollout that failed before.
    pub fn is_drained(&self) -> bool {
        self.drain.is_some() || (self.spec.was_drained && self.spec.record.is_some())
    }

    /// Records what follows from a region that a rollout has left without traffic: its record was not read yet.
    pub(super) fn begin_from_drained(&mut self) {
        if self.spec.was_drained && self.spec.record.is_some() {
            self.drain.get_or_insert(Drain { is_over: true, ..Drain::default() });
        }
    }

    /// The state after an event of a drain; `None` to go on with it.
    pub(super) fn draining(&mut self, event: Event, now: Timestamp) -> Option<State> {
        match event {
            Event::WeightSeen { weight, ttl_s } => self.weight_seen(weight, ttl_s),
            Event::WeightSet { change } => {
                self.weight_set(change);
                None
            }
            Event::RecordInSync => self.record_in_sync(now),
            _ => None,
        }
    }

    /// Records the weight before the drain. One that is 0 already has been for long.
    fn weight_seen(&mut self, weight: u8, ttl_s: u32) -> Option<State> {
        let is_over = weight == 0;
        self.drain = Some(Drain { before: weight, ttl_s, is_over, ..Drain::default() });
        is_over.then_some(State::Planned)
    }

    /// Records that the record has the weight 0. Without a change, its answer was lost: name servers have it within a minute ("How long does
    /// it take for changes to propagate").
    fn weight_set(&mut self, change: Option<String>) {
        const PROPAGATION_S: u32 = 60;
        if let Some(drain) = &mut self.drain {
            drain.ttl_s += if change.is_none() { PROPAGATION_S } else { 0 };
            drain.change = change;
        }
        self.acted = true;
    }

    /// Records that the record is about to get the weight of this share.
    pub(super) fn wants_share(&mut self, percent: u8) {
        if let (Some(drain), Some(record)) = (&mut self.drain, &self.spec.record) {
            drain.wanted = record.at(percent);
        }
    }

    /// Records that the record has the weight that it was to be given.
    pub(super) fn has_share(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.weight = drain.wanted;
        }
    }

    /// The state after all name servers have the change: resolvers may keep the record as long as its TTL says. `None` to wait. Then the
    /// rollout is asked once more.
    fn record_in_sync(&mut self, now: Timestamp) -> Option<State> {
        let drain = self.drain.as_mut()?;
        let synced_at = *drain.synced_at.get_or_insert(now);
        drain.is_over = now.duration_since(synced_at) >= SignedDuration::from_secs(drain.ttl_s.into());
        drain.is_over.then_some(State::Planned)
    }

    /// When the TTL is over, in a drain whose change all name servers have.
    pub(super) fn drained_at(&self) -> Option<Timestamp> {
        let drain = self.drain.as_ref()?;
        let ttl = SignedDuration::from_secs(drain.ttl_s.into());
        Some(drain.synced_at?.saturating_add(ttl).unwrap_or(Timestamp::MAX))
    }

    /// Whether the weight is set back a second time before the deployment has failed: another invocation of the function may have begun to
    /// give the region traffic.
    pub(super) fn confirms_drain(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.wanted > 0 && !drain.is_confirmed)
    }

    /// The state before one in which the deployment ends: a region whose stack is as before gets back the traffic that this deployment took.
    pub(super) fn undrained(&mut self, next: State) -> State {
        let is_lost = next.cause().is_some_and(|cause| cause.code == Code::LeaseLost);
        let is_as_before = matches!(next, State::RolledBack(_) | State::Cancelled)
            || matches!(&next, State::DiscardingChangeSet(then) if then.is_terminal());
        let gives_back = self.drain.as_ref().is_some_and(|drain| drain.before > 0);
        let comes_back = matches!(self.state, State::Undraining(_) | State::DiscardingChangeSet(_));
        if gives_back && is_as_before && !is_lost && !comes_back {
            return State::Undraining(Box::new(next));
        }
        if next.is_terminal() && !next.is_success() && self.is_drained() {
            self.tell_drained();
        }
        next
    }

    fn tell_drained(&mut self) {
        if let Some(record) = &self.spec.record {
            let note = format!("the region gets no traffic until a rollout has succeeded there: {record}");
            self.notes.truncate(Self::NOTES_MAX - 1);
            self.note(note);
        }
    }

    /// The state after the weight could not be set back.
    pub(super) fn weight_left(&self, then: &State, cause: &Cause) -> State {
        let before = match then {
            State::DiscardingChangeSet(end) => end.cause(),
            then => then.cause(),
        };
        match &self.spec.record {
            Some(record) => {
                let left = State::Failed(causes::weight_left(cause, before, record));
                if matches!(then, State::DiscardingChangeSet(_)) {
                    State::DiscardingChangeSet(Box::new(left))
                } else {
                    left
                }
            }
            None => then.clone(),
        }
    }
}
