//! The table: which event makes which state of which.

use super::policy::Ruling;
use super::properties::OnCancel;
use super::state::{Revert, RolloutState, TargetOutcome};
use super::{Cancellation, Rollout};
use crate::cause::Cause;
use crate::code::Code;
use crate::gate::{AlarmSeen, Approval, BreakGlass, Facts};
use crate::ids::RolloutId;
use crate::release::ReleaseRef;
use crate::stage::Place;
use crate::target::{Site, Target};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Something a rollout has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutEvent {
    /// Its place at the stage's head.
    PlaceSeen(Place),
    /// What the profile's rules say of its templates.
    RulingSeen(Ruling),
    /// The replicas of the release it waits for: proven ones, and those that failed for good.
    ReplicasSeen {
        /// Where the package is proven.
        proven: BTreeSet<Site>,
        /// Where it cannot be.
        failed: BTreeMap<Site, Cause>,
    },
    /// Its deployments as far as they are open.
    DeploymentsSeen(Vec<TargetOutcome>),
    /// The stage's last stable release, if there is one.
    StableSeen(Option<ReleaseRef>),
    /// The outputs of other services that it needs.
    OutputsSeen {
        /// Values of parameters.
        values: BTreeMap<Site, BTreeMap<String, String>>,
        /// What is missing, in words.
        missing: Vec<String>,
    },
    /// The gates of the wave that waits for them.
    GatesSeen(Facts),
    /// The verification of a wave.
    ChecksSeen {
        /// The targets that do not pass it, each with the reason.
        failures: Vec<(Target, String)>,
        /// Its deployments.
        outcomes: Vec<TargetOutcome>,
    },
    /// The alarms while a wave bakes.
    AlarmsSeen {
        /// Those of the profile, at every site it has come to.
        alarms: Vec<AlarmSeen>,
        /// Its deployments.
        outcomes: Vec<TargetOutcome>,
    },
    /// Its command was carried out.
    Acted,
    /// An operator called it off.
    CancelRequested(Cancellation),
    /// An operator wants nothing more to be begun for now.
    PauseRequested {
        /// Who.
        by: String,
    },
    /// An operator wants it to go on.
    ResumeRequested,
    /// Somebody approves a wave.
    ApproveRequested(Approval),
    /// Somebody opens all its gates.
    BreakGlassRequested(BreakGlass),
    /// The state's deadline has passed.
    DeadlinePassed,
    /// The deadline of the gates of a later wave has passed; its deployments.
    GatesLate(Vec<TargetOutcome>),
}

/// An event that the state does not provide for. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rollout that is {state} cannot take {event:?}")]
pub struct IllegalRolloutTransition {
    /// The state's name.
    pub state: &'static str,
    /// The event.
    pub event: Box<RolloutEvent>,
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
        let next = match (self.state.clone(), event) {
            (state, event) if state.is_terminal() => {
                return Err(IllegalRolloutTransition { state: state.name(), event: Box::new(event) });
            }

            (state, E::CancelRequested(off)) if state.properties().on_cancel == OnCancel::Ends => {
                self.cancelled = Some(off);
                S::Cancelled
            }
            (state, E::CancelRequested(off)) if state.properties().on_cancel == OnCancel::Finishes => {
                // What has begun is finished, or stopped if an operator asks for that, be it later on.
                let stop_running =
                    off.stop_running || self.cancelled.as_ref().is_some_and(|c| c.stop_running);
                let by = self.cancelled.take().map_or(off.by, |before| before.by);
                self.cancelled = Some(Cancellation { by, stop_running });
                return Ok(self);
            }
            (state, E::PauseRequested { by }) if state.properties().is_pausable => {
                self.paused_by.get_or_insert(by);
                return Ok(self);
            }
            (_, E::ApproveRequested(approval)) => {
                let known = |a: &Approval| {
                    Approval { at: a.at, because: a.because.clone(), ..approval.clone() } == *a
                };
                if !self.approvals.iter().any(known) {
                    self.approvals.push(approval);
                }
                return Ok(self);
            }
            (_, E::BreakGlassRequested(word)) => {
                self.break_glass.get_or_insert(word);
                return Ok(self);
            }
            (_, E::ResumeRequested) => {
                // The time it was held does not count against its deadline.
                if self.paused_by.take().is_some() && self.state == S::Replicating {
                    self.entered_at = now;
                }
                return Ok(self);
            }

            (S::Queued, E::PlaceSeen(Place::Active)) => self.begin(),
            (S::Queued, E::PlaceSeen(Place::Queued)) => return Ok(self),
            (state, E::PlaceSeen(Place::ActiveWithSuccessor(by))) if state.properties().is_supersedable => {
                superseded(Some(by))
            }
            (state, E::PlaceSeen(Place::Replaced(by))) if state.properties().is_supersedable => {
                superseded(by)
            }
            (S::PolicyCheck, E::RulingSeen(ruling)) => match self.ruled(ruling) {
                Some(next) => next,
                None => return Ok(self),
            },
            (S::PolicyCheck, E::DeadlinePassed) => S::Failed(self.unruled()),
            (S::Replicating, E::PlaceSeen(Place::Active)) => return Ok(self),

            (S::Replicating, E::ReplicasSeen { proven, failed }) => match failed.into_iter().next() {
                Some((site, cause)) => S::Failed(at_target(&site, cause)),
                None if self.targets().all(|target| proven.contains(&target.site)) => {
                    if self.paused_by.is_some() {
                        return Ok(self);
                    }
                    self.after_copies()
                }
                None => return Ok(self.copies_asked_again(now)),
            },
            (S::Replicating, E::DeadlinePassed) => S::Failed(copies_late()),

            (S::WaitingForOutputs, E::OutputsSeen { values, missing }) => {
                match self.given_outputs(values, missing) {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }
            (S::Planning, E::DeploymentsSeen(outcomes)) => match self.planned(&outcomes) {
                Some(next) => next,
                None => return Ok(self),
            },
            // Held since it was let in.
            (S::Gated { wave: 0 }, E::GatesSeen(Facts { held: Some(cause), .. })) => S::Failed(cause),
            (S::Gated { wave }, E::GatesSeen(facts)) => {
                self.closed = self.closed(wave, &facts);
                if !self.closed.is_empty() || self.paused_by.is_some() {
                    return Ok(self);
                }
                self.wave(wave)
            }
            (S::Planning, E::DeadlinePassed) => S::Failed(plans_late()),
            (S::WaitingForOutputs | S::Gated { wave: 0 }, E::DeadlinePassed) => S::Failed(gates_late(&self)),
            (S::Gated { .. }, E::GatesLate(outcomes)) => self.failed(gates_late(&self), &outcomes),
            (S::DiscardingChangeSets(end), E::DeploymentsSeen(outcomes)) => {
                if outcomes.iter().any(|outcome| !outcome.state.is_terminal()) {
                    return Ok(self);
                }
                *end
            }

            (S::Rolling { wave, opened, .. }, E::DeploymentsSeen(outcomes)) => {
                match self.rolled(wave, opened, &outcomes) {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }
            (S::Verifying { wave }, E::ChecksSeen { failures, outcomes }) => {
                match self.checked(wave, &failures, &outcomes, now) {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }
            (S::Baking { wave }, E::AlarmsSeen { alarms, outcomes }) => {
                match self.watched(wave, &alarms, &outcomes, now) {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }

            (S::Reverting(Revert::Finding(mut targets)), E::StableSeen(Some(stable))) => {
                // A stack that the stable release does not know is left alone.
                targets.retain(|target| stable.stack(target.part.as_ref()).is_some());
                self.revert_to = Some(stable);
                S::Reverting(Revert::Copying(targets))
            }
            (S::Reverting(Revert::Finding(_)), E::StableSeen(None)) => S::Failed(self.nothing_to_revert_to()),
            (S::Reverting(Revert::Copying(targets)), E::ReplicasSeen { proven, failed }) => {
                match failed.into_iter().next() {
                    Some((site, cause)) => S::Failed(self.not_reverted(&at_target(&site, cause))),
                    None if targets.iter().all(|target| proven.contains(&target.site)) => {
                        let level = targets.iter().map(|target| self.level(target)).max().unwrap_or(0);
                        S::Reverting(Revert::Rolling { targets, level })
                    }
                    None => return Ok(self.copies_asked_again(now)),
                }
            }
            (S::Reverting(Revert::Copying(_)), E::DeadlinePassed) => {
                S::Failed(self.not_reverted(&copies_late()))
            }
            (S::Reverting(Revert::Rolling { targets, level }), E::DeploymentsSeen(outcomes)) => {
                match self.reverted(&targets, level, &outcomes) {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }

            (S::Rolling { .. }, E::Acted) if self.cancelled.is_some() => {
                self.stop_sent = true;
                return Ok(self);
            }
            (
                S::Replicating
                | S::Planning
                | S::Rolling { .. }
                | S::DiscardingChangeSets(_)
                | S::Reverting(Revert::Copying(_) | Revert::Rolling { .. }),
                E::Acted,
            ) => {
                self.acted = true;
                self.acted_at = Some(now);
                return Ok(self);
            }
            (state, event) => {
                return Err(IllegalRolloutTransition { state: state.name(), event: Box::new(event) });
            }
        };
        let next = if matches!(self.state, S::DiscardingChangeSets(_)) { next } else { self.withdrawn(next) };
        if next != self.state {
            self.closed.clear();
            self.state = next;
            self.entered_at = now;
            self.acted = false;
        }
        Ok(self)
    }

    /// Has copies asked for again whose message may be lost.
    fn copies_asked_again(mut self, now: Timestamp) -> Self {
        let asked_s = self.acted_at.map_or(0, |at| now.duration_since(at).as_secs());
        self.acted &= asked_s < Self::COPY_PATIENCE_S;
        self
    }
}

fn superseded(by: Option<RolloutId>) -> RolloutState {
    RolloutState::Superseded { by }
}

pub(super) fn copies_late() -> Cause {
    Cause::new(
        Code::DeadlinePassed,
        "the package could not be copied to every region in time",
        "look at the replicate function's log and its dead-letter queue, then retry the rollout",
    )
}

fn plans_late() -> Cause {
    Cause::new(
        Code::DeadlinePassed,
        "not every change set could be made in time: others may hold the stacks",
        "look at what its deployments wait for, then retry the rollout",
    )
}

pub(super) fn gates_late(rollout: &Rollout) -> Cause {
    let closed: Vec<&str> = rollout.closed.iter().map(|closed| closed.why.as_str()).collect();
    Cause::new(
        Code::DeadlinePassed,
        format!("it waited {} hours for its gates: {}", Rollout::GATED_H_MAX, closed.join("; ")),
        "open the gates, then retry the rollout",
    )
}

/// The cause of a rollout's failure: the first target's, with its region.
pub(super) fn at_target(target: &impl std::fmt::Display, cause: Cause) -> Cause {
    Cause { message: crate::code::cut(format!("{target}: {}", cause.message)), ..cause }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
pub(super) mod tests;
