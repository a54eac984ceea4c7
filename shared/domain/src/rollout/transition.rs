//! The table: which event makes which state of which.

use super::state::{Revert, RolloutState, TargetOutcome};
use super::{Cancellation, OnFailure, Rollout, RolloutKind};
use crate::cause::Cause;
use crate::code::Code;
use crate::ids::{RolloutId, Turn};
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
    /// Its wave has baked long enough.
    Baked,
    /// What it waits for has not come yet.
    Waited,
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

            (S::Baking { wave }, E::CancelRequested(off)) if wave + 1 == self.waves.len() => {
                // There is nothing left to call off but the waiting.
                self.cancelled = Some(off);
                self.after_wave(wave)
            }
            (S::Queued | S::Replicating | S::Baking { .. }, E::CancelRequested(off)) => {
                self.cancelled = Some(off);
                S::Cancelled
            }
            (S::Rolling { .. }, E::CancelRequested(off)) => {
                // What has begun is finished, or stopped if an operator asks for that, be it later on.
                let stop_running =
                    off.stop_running || self.cancelled.as_ref().is_some_and(|c| c.stop_running);
                let by = self.cancelled.take().map_or(off.by, |before| before.by);
                self.cancelled = Some(Cancellation { by, stop_running });
                return Ok(self);
            }
            (S::Queued | S::Replicating | S::Rolling { .. } | S::Baking { .. }, E::PauseRequested { by }) => {
                self.paused_by.get_or_insert(by);
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
            (S::Queued | S::Replicating, E::PlaceSeen(Place::ActiveWithSuccessor(by))) => {
                superseded(Some(by))
            }
            (S::Queued | S::Replicating, E::PlaceSeen(Place::Replaced(by))) => superseded(by),
            (S::Replicating, E::PlaceSeen(Place::Active)) => return Ok(self),

            (S::Replicating, E::ReplicasSeen { proven, failed }) => match failed.into_iter().next() {
                Some((site, cause)) => S::Failed(at_target(&site, cause)),
                None if self.targets().all(|target| proven.contains(&target.site)) => {
                    if self.paused_by.is_some() {
                        return Ok(self);
                    }
                    self.wave(0)
                }
                None => return Ok(self.copies_asked_again(now)),
            },
            (S::Replicating, E::DeadlinePassed) => S::Failed(copies_late()),

            (S::Rolling { wave, opened, .. }, E::DeploymentsSeen(outcomes)) => {
                match self.rolled(wave, opened, &outcomes) {
                    Some(next) => next,
                    None => return Ok(self),
                }
            }
            (S::Baking { .. }, E::Waited) => return Ok(self),
            (S::Baking { .. }, E::Baked) if self.paused_by.is_some() => return Ok(self),
            (S::Baking { wave }, E::Baked) => self.after_wave(wave),

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
                | S::Rolling { .. }
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
            RolloutKind::Deploy(_) => RolloutState::Replicating,
            RolloutKind::Remove => self.wave(0),
        }
    }

    /// A wave's beginning.
    fn wave(&self, wave: usize) -> RolloutState {
        let opened = self.waves.get(wave).map_or(0, |w| w.max_concurrent.min(w.targets.len()));
        RolloutState::Rolling { wave, from: 0, opened }
    }

    /// Has copies asked for again whose message may be lost.
    fn copies_asked_again(mut self, now: Timestamp) -> Self {
        let asked_s = self.acted_at.map_or(0, |at| now.duration_since(at).as_secs());
        self.acted &= asked_s < Self::COPY_PATIENCE_S;
        self
    }

    /// What follows from the deployments of a wave; `None` while there is nothing to do but wait.
    fn rolled(&mut self, wave: usize, opened: usize, outcomes: &[TargetOutcome]) -> Option<RolloutState> {
        let plan = self.waves[wave].clone();
        let outcome =
            |target: &Target| outcomes.iter().find(|o| o.turn == Turn::Forward && &o.target == target);
        let seen: Vec<Option<&TargetOutcome>> = plan.targets[..opened].iter().map(outcome).collect();
        let called_off = self.cancelled.is_some();
        let running = seen
            .iter()
            .filter(|outcome| match outcome {
                Some(outcome) => !outcome.state.is_terminal(),
                // A target that was called off before it was opened stays as it is.
                None => !called_off,
            })
            .count();
        // An update that was stopped because it was called off is no failure of the rollout's.
        let cause = |outcome: &'_ TargetOutcome| {
            outcome.state.cause().filter(|cause| cause.code != Code::Stopped).cloned()
        };
        let failures: Vec<(&Target, Cause)> =
            seen.iter().flatten().filter_map(|outcome| Some((&outcome.target, cause(outcome)?))).collect();
        let stops = called_off || failures.len() > plan.tolerate_failures;
        if !stops && self.paused_by.is_none() && opened < plan.targets.len() {
            let free = plan.max_concurrent.saturating_sub(running);
            let next = (opened + free).min(plan.targets.len());
            return (next > opened).then_some(RolloutState::Rolling { wave, from: opened, opened: next });
        }
        if running > 0 || (!stops && opened < plan.targets.len()) {
            return None;
        }
        if let Some((target, cause)) = failures.first().filter(|_| failures.len() > plan.tolerate_failures) {
            return Some(self.failed(at_target(target, cause.clone()), outcomes));
        }
        if called_off {
            let all = outcomes.iter().filter(|o| o.turn == Turn::Forward && o.state.is_success()).count();
            let complete = all == self.targets().count();
            return Some(if complete { RolloutState::Succeeded } else { RolloutState::Cancelled });
        }
        // Called off before it could begin: the gates were told, the rollout was not yet.
        if seen.iter().flatten().any(|outcome| outcome.state == crate::deployment::State::Cancelled) {
            return Some(RolloutState::Cancelled);
        }
        if self.paused_by.is_some() && plan.bake_s == 0 && wave + 1 < self.waves.len() {
            return None;
        }
        self.failure = self.tolerated(outcomes);
        Some(if plan.bake_s > 0 { RolloutState::Baking { wave } } else { self.after_wave(wave) })
    }

    /// What follows a wave that is done.
    fn after_wave(&self, wave: usize) -> RolloutState {
        match &self.failure {
            _ if wave + 1 < self.waves.len() => self.wave(wave + 1),
            Some(tolerated) => RolloutState::Failed(tolerated.clone()),
            None => RolloutState::Succeeded,
        }
    }

    /// The end of a rollout that has some failures, all tolerated: it did not bring what it should
    /// everywhere, and says so.
    fn tolerated(&self, outcomes: &[TargetOutcome]) -> Option<Cause> {
        let failed: Vec<&TargetOutcome> =
            outcomes.iter().filter(|o| o.turn == Turn::Forward && o.state.cause().is_some()).collect();
        let (first, cause) = failed.first().and_then(|first| Some((first, first.state.cause()?)))?;
        let text = format!(
            "{} of {} targets failed, which the profile tolerates; the first: {}: {}",
            failed.len(),
            self.targets().count(),
            first.target,
            cause.message
        );
        let fix = "mend it, then retry the rollout: only what failed is done again";
        Some(Cause { resource: cause.resource.clone(), ..Cause::new(cause.code, text, fix) })
    }

    /// What follows from a failure, when everything that was under way has ended.
    fn failed(&mut self, cause: Cause, outcomes: &[TargetOutcome]) -> RolloutState {
        let changed: Vec<Target> = outcomes
            .iter()
            .filter(|o| o.turn == Turn::Forward && o.changed())
            .map(|o| o.target.clone())
            .collect();
        let reverts = self.on_failure == OnFailure::Revert && matches!(self.kind, RolloutKind::Deploy(_));
        if !reverts || changed.is_empty() || self.cancelled.is_some() {
            return RolloutState::Failed(cause);
        }
        self.failure = Some(cause);
        RolloutState::Reverting(Revert::Finding(changed))
    }

    /// What follows from the deployments that go back; `None` while some are under way.
    fn reverted(&self, targets: &[Target], level: usize, outcomes: &[TargetOutcome]) -> Option<RolloutState> {
        let back = |target: &Target| outcomes.iter().find(|o| o.turn == Turn::Back && &o.target == target);
        let (now, later): (Vec<&Target>, Vec<&Target>) = targets
            .iter()
            .filter(|target| self.level(target) <= level)
            .partition(|target| self.level(target) == level);
        let seen: Vec<&TargetOutcome> = now.into_iter().map(back).collect::<Option<_>>()?;
        if !seen.iter().all(|outcome| outcome.state.is_terminal()) {
            return None;
        }
        let stuck = seen.iter().find(|outcome| !outcome.state.is_success());
        Some(match (stuck, self.failure.clone()) {
            (Some(stuck), _) => {
                let cause = stuck.state.cause().cloned().unwrap_or_else(copies_late);
                RolloutState::Failed(self.not_reverted(&at_target(&stuck.target, cause)))
            }
            (None, _) if !later.is_empty() => {
                let level = later.iter().map(|target| self.level(target)).max().unwrap_or(0);
                RolloutState::Reverting(Revert::Rolling { targets: targets.to_vec(), level })
            }
            (None, Some(failure)) => match self.left_behind(outcomes) {
                Some(why) => RolloutState::Failed(self.not_reverted(&why)),
                None => RolloutState::Reverted(failure),
            },
            (None, None) => RolloutState::Cancelled,
        })
    }

    /// A target that was changed and that the stable release does not know.
    fn left_behind(&self, outcomes: &[TargetOutcome]) -> Option<Cause> {
        let stable = self.revert_to.as_ref()?;
        let unknown = |o: &&TargetOutcome| {
            o.turn == Turn::Forward && o.changed() && stable.stack(o.target.part.as_ref()).is_none()
        };
        let left = outcomes.iter().find(unknown)?;
        let text = format!("{} stays as it is: the stable release has no such stack", left.target);
        let fix = "delete the stack yourself, or mend what failed and upload again";
        Some(Cause::new(Code::NothingToRevertTo, text, fix))
    }

    fn nothing_to_revert_to(&self) -> Cause {
        let failure = self.failure.as_ref().map_or("", |failure| failure.message.as_str());
        Cause::new(
            Code::NothingToRevertTo,
            format!("{failure}; the stage has no stable release to go back to"),
            "mend what failed and upload again; what runs where is in flotilla status",
        )
    }

    fn not_reverted(&self, why: &Cause) -> Cause {
        let failure = self.failure.as_ref().map_or("", |failure| failure.message.as_str());
        let text = format!("{failure}; going back failed too: {}", why.message);
        Cause { resource: why.resource.clone(), ..Cause::new(why.code, text, why.fix.clone()) }
    }
}

fn superseded(by: Option<RolloutId>) -> RolloutState {
    RolloutState::Superseded { by }
}

fn copies_late() -> Cause {
    Cause::new(
        Code::DeadlinePassed,
        "the package could not be copied to every region in time",
        "look at the replicate function's log and its dead-letter queue, then retry the rollout",
    )
}

/// The cause of a rollout's failure: the first target's, with its region.
fn at_target(target: &impl std::fmt::Display, cause: Cause) -> Cause {
    Cause { message: crate::code::cut(format!("{target}: {}", cause.message)), ..cause }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
