//! The transition table of a rollout: state and event to next state.

use super::properties::OnCancel;
use super::state::{Revert, RolloutState, TargetOutcome};
use super::traffic_policy::TrafficOrder;
use super::{Cancellation, Rollout, RolloutKind, Wave};
use crate::cause::Cause;
use crate::code::Code;
use crate::gate::{AlarmObservation, Approval, BreakGlass, Facts, PolicyResult};
use crate::ids::{ReleaseId, RolloutId};
use crate::names::{StackName, StackPart};
use crate::release::ReleaseRef;
use crate::stage::Place;
use crate::target::{Site, Slot, Target};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// An event of a rollout: an observation, a request or a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutEvent {
    /// Its place at the stage's head was observed.
    PlaceObserved(Place),
    /// It is the active rollout of its stage, whose traffic the profile shifts.
    RoutesFound {
        /// Those that get the traffic now.
        live: BTreeMap<Site, Slot>,
        /// Where they are proven to run its release.
        served: BTreeSet<Site>,
        /// The account-regions that a rollout before has left without traffic.
        drained: BTreeSet<Site>,
        /// The release that gets all traffic at every target.
        runs: Option<ReleaseId>,
    },
    /// It is the active rollout of its stage and removes everything that is known to be there.
    RemovalBegun {
        /// The targets, the highest level first.
        waves: Vec<Wave>,
        /// The names of the stacks.
        stacks: BTreeMap<Option<StackPart>, StackName>,
    },
    /// The result of the policy check of its templates.
    PolicyChecked(PolicyResult),
    /// The replicas of the release it waits for: those that are proven and those that failed permanently.
    ReplicasObserved {
        /// The account-regions where the package is proven.
        proven: BTreeSet<Site>,
        /// The account-regions where it failed, with the cause.
        failed: BTreeMap<Site, Cause>,
    },
    /// Its open deployments.
    DeploymentsObserved(Vec<TargetOutcome>),
    /// The stage's last stable release, if there is one.
    StableObserved(Option<ReleaseRef>),
    /// The outputs of other services that it needs.
    OutputsObserved {
        /// The values of parameters, by account-region.
        values: BTreeMap<Site, BTreeMap<String, String>>,
        /// The missing outputs, in words.
        missing: Vec<String>,
    },
    /// The facts for the gates of the next wave.
    GatesObserved(Facts),
    /// The verification of a wave.
    ChecksObserved {
        /// The targets that fail it, each with the reason.
        failures: Vec<(Target, String)>,
        /// The alarms, if new versions have traffic.
        alarms: Vec<AlarmObservation>,
        /// Its deployments.
        outcomes: Vec<TargetOutcome>,
    },
    /// The facts for the next step of a wave whose traffic is shifted.
    TrafficObserved {
        /// Those that also decide about waves.
        facts: Facts,
        /// Its deployments.
        outcomes: Vec<TargetOutcome>,
    },
    /// The alarms while a wave bakes.
    AlarmsObserved {
        /// Those of the profile, in every account-region it has reached.
        alarms: Vec<AlarmObservation>,
        /// Its deployments.
        outcomes: Vec<TargetOutcome>,
    },
    /// Its command is done.
    Acted,
    /// An operator cancelled it.
    CancelRequested(Cancellation),
    /// An operator paused it.
    PauseRequested {
        /// Who.
        by: String,
    },
    /// An operator resumed it.
    ResumeRequested,
    /// An operator ordered something about the traffic.
    TrafficOrdered {
        /// What.
        order: TrafficOrder,
        /// Who.
        by: String,
    },
    /// An approver approved a wave.
    ApproveRequested(Approval),
    /// An admin opened all its gates.
    BreakGlassRequested(BreakGlass),
    /// The state's deadline has passed.
    DeadlinePassed,
    /// The deadline of the gates of a later wave has passed; with its deployments.
    GatesLate(Vec<TargetOutcome>),
}

/// An event that the state does not accept. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rollout in state {state} does not accept {event:?}")]
pub struct IllegalRolloutTransition {
    /// The state's name.
    pub state: &'static str,
    /// The event.
    pub event: Box<RolloutEvent>,
}

impl Rollout {
    /// Returns the rollout after the event. The same event again changes nothing.
    ///
    /// # Errors
    /// [`IllegalRolloutTransition`] when the state does not accept the event, always in a terminal state.
    pub fn apply(mut self, event: RolloutEvent, now: Timestamp) -> Result<Self, IllegalRolloutTransition> {
        use RolloutEvent as E;
        use RolloutState as S;
        let next = match (self.state.clone(), event) {
            (state, event) if state.is_terminal() => {
                return Err(IllegalRolloutTransition { state: state.name(), event: Box::new(event) });
            }

            // Its deployments may have published versions that are to get traffic.
            (S::Verifying { wave }, E::CancelRequested(off)) if self.traffic.is_some() => {
                self.cancelled = Some(off);
                S::ShiftingBack { wave }
            }
            (state, E::CancelRequested(off)) if state.properties().on_cancel == OnCancel::Ends => {
                self.cancelled = Some(off);
                S::Cancelled
            }
            (state, E::CancelRequested(off)) if state.properties().on_cancel == OnCancel::Finishes => {
                // Running deployments are finished. A later cancellation may still ask to stop them.
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
                // The time it was paused does not count against its deadline.
                if self.paused_by.take().is_some() && self.state == S::Replicating {
                    self.entered_at = now;
                }
                return Ok(self);
            }

            (S::Queued, E::RemovalBegun { waves, stacks }) if self.kind == RolloutKind::Remove => {
                // The first wave, which may have no target yet, says how many approvals are needed.
                let approvals = self.waves.first().map_or(0, |wave| wave.approvals);
                (self.waves, self.stacks) = (waves, stacks);
                self.waves.iter_mut().take(1).for_each(|wave| wave.approvals = approvals);
                if self.waves.is_empty() { S::Succeeded } else { self.begin() }
            }
            (S::Queued, E::RoutesFound { live, served, drained, runs }) if self.traffic.is_some() => {
                (self.drained, self.replaces) = (drained, runs);
                if self.has_slots() {
                    self.choose_slots(&live, &served);
                }
                if self.waves.is_empty() { S::Succeeded } else { self.begin() }
            }
            (S::Queued, E::PlaceObserved(Place::Active)) => self.begin(),
            (S::Queued, E::PlaceObserved(Place::Queued)) => return Ok(self),
            (state, E::PlaceObserved(Place::ActiveWithSuccessor(by)))
                if state.properties().is_supersedable =>
            {
                superseded(Some(by))
            }
            (state, E::PlaceObserved(Place::Replaced(by))) if state.properties().is_supersedable => {
                superseded(by)
            }
            (S::PolicyCheck, E::PolicyChecked(policy_result)) => match self.after_policy_check(policy_result)
            {
                Some(next) => next,
                None => return Ok(self),
            },
            (S::PolicyCheck, E::DeadlinePassed) => S::Failed(self.policy_check_failed()),
            (S::Replicating, E::PlaceObserved(Place::Active)) => return Ok(self),

            (S::Replicating, E::ReplicasObserved { proven, failed }) => match failed.into_iter().next() {
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

            (S::WaitingForOutputs, E::OutputsObserved { values, missing }) => {
                self.given_outputs(values, missing).unwrap_or_else(|| self.state.clone())
            }
            (S::Planning, E::DeploymentsObserved(outcomes)) => {
                self.planned(&outcomes).unwrap_or_else(|| self.state.clone())
            }
            // The package was put on hold after the rollout was admitted.
            (S::Gated { wave: 0 }, E::GatesObserved(Facts { held: Some(cause), .. })) => S::Failed(cause),
            (S::Gated { wave }, E::GatesObserved(facts)) => {
                self.blocked_by = self.blocked(wave, &facts);
                if !self.blocked_by.is_empty() || self.paused_by.is_some() {
                    return Ok(self);
                }
                self.wave(wave)
            }
            (S::Planning, E::DeadlinePassed) => S::Failed(plans_late()),
            (S::WaitingForOutputs | S::Gated { wave: 0 }, E::DeadlinePassed) => S::Failed(gates_late(&self)),
            (S::Gated { .. }, E::GatesLate(outcomes)) => self.failed(gates_late(&self), &outcomes),
            (S::DiscardingChangeSets(end), E::DeploymentsObserved(outcomes)) => {
                if outcomes.iter().any(|outcome| !outcome.state.is_terminal()) {
                    return Ok(self);
                }
                *end
            }

            (S::Rolling { wave, opened, .. }, E::DeploymentsObserved(outcomes)) => {
                self.rolled(wave, opened, &outcomes).unwrap_or_else(|| self.state.clone())
            }
            (S::Verifying { wave }, E::ChecksObserved { failures, alarms, outcomes }) => {
                let raised = self.alarmed(wave, 100, &alarms, &outcomes);
                match raised.or_else(|| self.checked(wave, &failures, &outcomes, now)) {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }
            (S::Shifting(shift), E::TrafficOrdered { order, by }) => self.ordered(shift, order, &by),
            (S::Verifying { wave }, E::TrafficOrdered { order: TrafficOrder::Abort, by })
                if self.traffic.is_some() && !self.gates.expedite && self.break_glass.is_none() =>
            {
                self.aborted(wave, &by)
            }
            (S::Shifting(shift), E::TrafficObserved { facts, outcomes }) => {
                self.shifted(shift, &facts, &outcomes, now).unwrap_or_else(|| self.state.clone())
            }
            (S::Completing { wave }, E::DeploymentsObserved(outcomes)) => {
                self.completed(wave, &outcomes).unwrap_or_else(|| self.state.clone())
            }
            (S::ShiftingBack { wave }, E::DeploymentsObserved(outcomes)) => {
                self.shifted_back(wave, &outcomes).unwrap_or_else(|| self.state.clone())
            }
            (S::Baking { wave }, E::AlarmsObserved { alarms, outcomes }) => {
                self.watched(wave, &alarms, &outcomes, now).unwrap_or_else(|| self.state.clone())
            }

            (S::Reverting(Revert::Finding(mut targets)), E::StableObserved(Some(stable))) => {
                // A stack that the stable release does not have is left as it is.
                targets.retain(|target| stable.stack(target.part.as_ref()).is_some());
                self.revert_to = Some(stable);
                S::Reverting(Revert::Copying(targets))
            }
            (S::Reverting(Revert::Finding(_)), E::StableObserved(None)) => {
                S::Failed(self.nothing_to_revert_to())
            }
            (S::Reverting(Revert::Copying(targets)), E::ReplicasObserved { proven, failed }) => {
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
            (S::Reverting(Revert::Rolling { targets, level }), E::DeploymentsObserved(outcomes)) => {
                self.reverted(&targets, level, &outcomes).unwrap_or_else(|| self.state.clone())
            }

            (S::Rolling { .. }, E::Acted) if self.cancelled.is_some() => {
                self.stop_sent = true;
                return Ok(self);
            }
            (S::Queued, E::Acted) if self.clears_stage() => {
                self.acted = true;
                return Ok(self);
            }
            (
                S::Replicating
                | S::Planning
                | S::Rolling { .. }
                | S::Shifting(_)
                | S::Completing { .. }
                | S::ShiftingBack { .. }
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
        let next =
            if matches!(self.state, S::DiscardingChangeSets(_)) { next } else { self.after_discarding(next) };
        if next != self.state {
            self.blocked_by.clear();
            self.state = next;
            self.entered_at = now;
            self.acted = false;
        }
        Ok(self)
    }

    /// Requests copies again whose message may be lost.
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
        "read the replicate function's log and its dead-letter queue, then retry the rollout",
    )
}

fn plans_late() -> Cause {
    Cause::new(
        Code::DeadlinePassed,
        "not every target could be planned in time: other rollouts may hold the leases of the stacks",
        "check what its deployments wait for (flotilla status), then retry the rollout",
    )
}

pub(super) fn gates_late(rollout: &Rollout) -> Cause {
    let reasons: Vec<&str> = rollout.blocked_by.iter().map(|blocked| blocked.why.as_str()).collect();
    Cause::new(
        Code::DeadlinePassed,
        format!("the rollout waited {} hours for its gates: {}", Rollout::GATED_H_MAX, reasons.join("; ")),
        "open the gates, then retry the rollout",
    )
}

/// Prefixes a cause with the target at which it happened.
pub(super) fn at_target(target: &impl std::fmt::Display, cause: Cause) -> Cause {
    Cause { message: crate::code::storable(format!("{target}: {}", cause.message)), ..cause }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
pub(super) mod tests;
