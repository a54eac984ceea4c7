//! Draining: a region gets no traffic while its stack is updated, and gets it back step by step.
//!
//! Where the update was rolled back, the region gets its traffic back at once: it runs what it ran before. Where it failed otherwise, or what
//! was deployed is not wanted, the region stays without traffic: the others have it.

use super::records::Drain;
use super::state::State;
use super::{Deployment, causes};
use crate::cause::Cause;
use jiff::{SignedDuration, Timestamp};

impl Deployment {
    /// The state in which the change set is executed, or the one before it, in which the region is drained.
    pub(super) fn executing(&self) -> State {
        let is_over = self.drain.as_ref().is_some_and(|drain| drain.is_over);
        if self.spec.drains && !is_over { State::Draining } else { State::Executing }
    }

    /// Whether the region gets no traffic.
    pub(super) fn is_drained(&self) -> bool {
        self.drain.is_some()
    }

    /// Records that the region was drained by a rollout that failed before.
    pub(super) fn was_drained(&mut self, was_drained: bool) {
        if was_drained {
            self.drain.get_or_insert(Drain { is_over: true, ..Drain::default() });
        }
    }

    /// Records that the record has the weight 0.
    pub(super) fn weight_set(&mut self, change: Option<String>, ttl_s: u32) {
        self.drain = Some(Drain { change, ttl_s, ..Drain::default() });
        self.acted = true;
    }

    /// The state after all name servers have the change: resolvers may keep the record as long as its TTL says. `None` to wait.
    pub(super) fn record_in_sync(&mut self, now: Timestamp) -> Option<State> {
        let drain = self.drain.get_or_insert_default();
        let synced_at = *drain.synced_at.get_or_insert(now);
        drain.is_over = now.duration_since(synced_at) >= SignedDuration::from_secs(drain.ttl_s.into());
        drain.is_over.then_some(State::Executing)
    }

    /// When the TTL is over, in a drain whose change all name servers have.
    pub(super) fn drained_at(&self) -> Option<Timestamp> {
        let drain = self.drain.as_ref()?;
        Some(
            drain
                .synced_at?
                .saturating_add(SignedDuration::from_secs(drain.ttl_s.into()))
                .unwrap_or(Timestamp::MAX),
        )
    }

    /// The state before one in which the deployment ends: a region whose stack is as before gets its traffic back.
    pub(super) fn undrained(&mut self, next: State) -> State {
        let is_as_before = matches!(next, State::RolledBack(_) | State::Cancelled)
            || matches!(&self.state, State::Draining)
            || matches!(&next, State::DiscardingChangeSet(then) if then.is_terminal());
        match next {
            State::Undraining(_) => next,
            next if self.is_drained()
                && is_as_before
                && !matches!(self.state, State::Undraining(_))
                && next != State::Executing =>
            {
                State::Undraining(Box::new(next))
            }
            State::Failed(cause) if self.is_drained() && !matches!(self.state, State::Undraining(_)) => {
                if let Some(record) = &self.spec.record {
                    self.note(format!("the region gets no traffic until a rollout has succeeded there: {record} has the weight 0"));
                }
                State::Failed(cause)
            }
            next => next,
        }
    }

    /// The state after the weight could not be set back.
    pub(super) fn weight_left(&self, then: State, cause: &Cause) -> State {
        match (&self.spec.record, then.cause()) {
            (Some(record), Some(before)) => State::Failed(causes::weight_left(cause, before, record)),
            _ => then,
        }
    }
}
