//! The table: which event makes which state of which.

use super::state::{RolloutState, TargetOutcome};
use super::{Rollout, RolloutKind};
use crate::cause::Cause;
use crate::code::Code;
use crate::ids::RolloutId;
use crate::stage::Place;
use crate::target::Target;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Something a rollout has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutEvent {
    /// Its place at the stage's head.
    PlaceSeen(Place),
    /// The replicas of its release: proven ones, and those that failed for good.
    ReplicasSeen {
        /// Where the package is proven.
        proven: BTreeSet<Target>,
        /// Where it cannot be.
        failed: BTreeMap<Target, Cause>,
    },
    /// Its deployments as far as they are open.
    DeploymentsSeen(Vec<TargetOutcome>),
    /// Its commands were carried out.
    Acted,
    /// An operator called it off.
    CancelRequested {
        /// Who.
        by: String,
    },
    /// The state's deadline has passed.
    DeadlinePassed,
}

/// An event that the state does not provide for. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rollout that is {state} cannot take {event:?}")]
pub struct IllegalRolloutTransition {
    /// The state's name.
    pub state: &'static str,
    /// The event.
    pub event: RolloutEvent,
}

impl Rollout {
    /// What the event makes of the rollout. The same event again changes nothing.
    ///
    /// # Errors
    /// [`IllegalRolloutTransition`] when the state does not provide for the event, always in a terminal
    /// state.
    pub fn apply(mut self, event: RolloutEvent, now: Timestamp) -> Result<Self, IllegalRolloutTransition> {
        use RolloutEvent as E;
        use RolloutState as S;
        let next = match (&self.state, event) {
            (state, event) if state.is_terminal() => {
                return Err(IllegalRolloutTransition { state: state.name(), event });
            }

            (S::Queued | S::Replicating, E::CancelRequested { by }) => {
                self.cancelled_by = Some(by);
                S::Cancelled
            }
            (S::Rolling { .. }, E::CancelRequested { by }) => {
                // What has begun is finished; the deployments that have not begun see this and stop.
                self.cancelled_by.get_or_insert(by);
                return Ok(self);
            }

            (S::Queued, E::PlaceSeen(Place::Active)) => self.begin(),
            (S::Queued, E::PlaceSeen(Place::Queued)) => return Ok(self),
            (S::Queued | S::Replicating, E::PlaceSeen(Place::ActiveWithSuccessor(by))) => {
                superseded(Some(by))
            }
            (S::Queued | S::Replicating, E::PlaceSeen(Place::Replaced(by))) => superseded(by),
            (S::Replicating, E::PlaceSeen(Place::Active)) => return Ok(self),

            (S::Replicating, E::ReplicasSeen { proven, failed }) => match failed.into_iter().next() {
                Some((target, cause)) => S::Failed(at_target(&target, cause)),
                None if self.targets().all(|target| proven.contains(target)) => S::Rolling { wave: 0 },
                None => {
                    let asked_s = self.acted_at.map_or(0, |at| now.duration_since(at).as_secs());
                    self.acted &= asked_s < Self::COPY_PATIENCE_S;
                    return Ok(self);
                }
            },
            (S::Replicating, E::DeadlinePassed) => S::Failed(Cause::new(
                Code::DeadlinePassed,
                "the package could not be copied to every region in time",
                "look at the replicate function's log and its dead-letter queue, then start the rollout again",
            )),

            (S::Rolling { wave }, E::DeploymentsSeen(outcomes)) => match self.rolled(*wave, &outcomes) {
                Some(next) => next,
                None => return Ok(self),
            },

            (S::Replicating | S::Rolling { .. }, E::Acted) => {
                self.acted = true;
                self.acted_at = Some(now);
                return Ok(self);
            }
            (state, event) => return Err(IllegalRolloutTransition { state: state.name(), event }),
        };
        if next != self.state {
            self.state = next;
            self.entered_at = now;
            self.acted = false;
        }
        Ok(self)
    }

    /// The first state of a rollout that may act.
    fn begin(&self) -> RolloutState {
        match self.kind {
            RolloutKind::Deploy { .. } => RolloutState::Replicating,
            RolloutKind::Remove => RolloutState::Rolling { wave: 0 },
        }
    }

    /// What follows from the deployments of a wave; `None` while some are under way.
    fn rolled(&self, wave: usize, outcomes: &[TargetOutcome]) -> Option<RolloutState> {
        let of_wave = |target: &Target| outcomes.iter().find(|outcome| &outcome.target == target);
        let seen: Vec<Option<&TargetOutcome>> = self.waves[wave].iter().map(of_wave).collect();
        let called_off = self.cancelled_by.is_some();
        let settled = |outcome: &Option<&TargetOutcome>| match outcome {
            Some(outcome) => outcome.state.is_terminal(),
            // A target that was called off before it was opened stays as it is.
            None => called_off,
        };
        if !seen.iter().all(settled) {
            return None;
        }
        let failed =
            seen.iter().flatten().find_map(|outcome| Some((&outcome.target, outcome.state.cause()?)));
        if let Some((target, cause)) = failed {
            return Some(RolloutState::Failed(at_target(target, cause.clone())));
        }
        let all_succeeded = seen.iter().all(|outcome| outcome.is_some_and(|o| o.state.is_success()));
        let last = wave + 1 == self.waves.len();
        Some(match (all_succeeded, last) {
            (true, true) => RolloutState::Succeeded,
            (true, false) if !called_off => RolloutState::Rolling { wave: wave + 1 },
            _ => RolloutState::Cancelled,
        })
    }
}

fn superseded(by: Option<RolloutId>) -> RolloutState {
    RolloutState::Superseded { by }
}

/// The cause of a rollout's failure: the first target's, with its region.
fn at_target(target: &Target, cause: Cause) -> Cause {
    Cause { message: crate::code::cut(format!("{target}: {}", cause.message)), ..cause }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
