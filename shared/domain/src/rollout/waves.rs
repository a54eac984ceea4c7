//! What follows from the deployments of a wave.

use super::state::{Revert, RolloutState, TargetOutcome};
use super::transition::at_target;
use super::{OnFailure, Rollout, RolloutKind};
use crate::cause::Cause;
use crate::code::Code;
use crate::ids::Direction;
use crate::target::Target;

impl Rollout {
    /// The first state of a rollout that is active.
    pub fn begin(&self) -> RolloutState {
        match self.kind {
            RolloutKind::Deploy(_) if self.needs_policy_check() => RolloutState::PolicyCheck,
            RolloutKind::Deploy(_) => RolloutState::Replicating,
            RolloutKind::Remove => self.ready(),
        }
    }

    /// The state after the package was proven everywhere.
    pub(super) fn after_copies(&self) -> RolloutState {
        if self.needs.is_empty() { self.ready() } else { RolloutState::WaitingForOutputs }
    }

    /// The state after all values of parameters are known.
    pub(super) fn ready(&self) -> RolloutState {
        if !self.targets_planned_first().is_empty() {
            RolloutState::Planning
        } else {
            RolloutState::Gated { wave: 0 }
        }
    }

    /// The first state of a wave.
    pub(super) fn wave(&self, wave: usize) -> RolloutState {
        let opened = self.waves.get(wave).map_or(0, |w| w.max_concurrent.min(w.targets.len()));
        RolloutState::Rolling { wave, from: 0, opened }
    }

    /// The state after an observation of a wave's deployments; `None` to keep waiting.
    pub(super) fn rolled(
        &mut self,
        wave: usize,
        opened: usize,
        outcomes: &[TargetOutcome],
    ) -> Option<RolloutState> {
        let plan = self.waves[wave].clone();
        let outcome = |target: &Target| {
            outcomes.iter().find(|o| o.direction == Direction::Forward && &o.target == target)
        };
        let seen: Vec<Option<&TargetOutcome>> = plan.targets[..opened].iter().map(outcome).collect();
        let is_cancelled = self.cancelled.is_some();
        let running = seen
            .iter()
            .filter(|outcome| match outcome {
                Some(outcome) => !outcome.state.is_terminal() && !outcome.shifts(),
                // The rollout was cancelled before this deployment was opened.
                None => !is_cancelled,
            })
            .count();
        // An update that was stopped by a cancellation is not a failure of the rollout.
        let cause = |outcome: &'_ TargetOutcome| {
            outcome.state.cause().filter(|cause| cause.code != Code::Stopped).cloned()
        };
        let failures: Vec<(&Target, Cause)> =
            seen.iter().flatten().filter_map(|outcome| Some((&outcome.target, cause(outcome)?))).collect();
        let stops = is_cancelled || failures.len() > plan.tolerate_failures;
        if !stops && self.paused_by.is_none() && opened < plan.targets.len() {
            let free = plan.max_concurrent.saturating_sub(running);
            let next = (opened + free).min(plan.targets.len());
            return (next > opened).then_some(RolloutState::Rolling { wave, from: opened, opened: next });
        }
        if running > 0 || (!stops && opened < plan.targets.len()) {
            return None;
        }
        if let Some((target, cause)) = failures.first().filter(|_| failures.len() > plan.tolerate_failures) {
            let cause = at_target(*target, cause.clone());
            return Some(self.fail_wave(wave, Some(cause), outcomes));
        }
        if is_cancelled && seen.iter().flatten().any(|outcome| outcome.shifts()) {
            return Some(self.fail_wave(wave, None, outcomes));
        }
        if is_cancelled {
            let all =
                outcomes.iter().filter(|o| o.direction == Direction::Forward && o.state.is_success()).count();
            // Without its verification or its bake, a wave is not known to be good.
            let unproven = self.verifies(wave, outcomes) || plan.bake_s > 0;
            let complete = all == self.targets().count() && !unproven;
            return Some(if complete { RolloutState::Succeeded } else { RolloutState::Cancelled });
        }
        // A deployment observed the cancellation before this step did.
        if seen.iter().flatten().any(|outcome| outcome.state == crate::deployment::State::Cancelled) {
            return Some(RolloutState::Cancelled);
        }
        self.failure = self.tolerated(outcomes);
        Some(match self.verifies(wave, outcomes) {
            true => RolloutState::Verifying { wave },
            false => self.after_checks(wave, outcomes),
        })
    }

    /// The state after a wave was deployed and verified.
    pub(super) fn after_checks(&self, wave: usize, outcomes: &[TargetOutcome]) -> RolloutState {
        self.shifting(wave, outcomes).unwrap_or_else(|| self.after_traffic(wave))
    }

    /// The state after a wave's new versions got all traffic.
    pub(super) fn after_traffic(&self, wave: usize) -> RolloutState {
        if self.waves[wave].bake_s > 0 { RolloutState::Baking { wave } } else { self.after_wave(wave) }
    }

    /// The state after a wave has ended.
    pub(super) fn after_wave(&self, wave: usize) -> RolloutState {
        match &self.failure {
            _ if wave + 1 < self.waves.len() => RolloutState::Gated { wave: wave + 1 },
            Some(tolerated) => RolloutState::Failed(tolerated.clone()),
            None => RolloutState::Succeeded,
        }
    }

    /// The cause that summarises tolerated failures: a rollout that has any does not end as succeeded.
    pub(super) fn tolerated(&self, outcomes: &[TargetOutcome]) -> Option<Cause> {
        let failed: Vec<&TargetOutcome> = outcomes
            .iter()
            .filter(|o| o.direction == Direction::Forward && o.state.cause().is_some())
            .collect();
        let (first, cause) = failed.first().and_then(|first| Some((first, first.state.cause()?)))?;
        let text = format!(
            "{} of {} targets failed, which the profile tolerates; the first: {}: {}",
            failed.len(),
            self.targets().count(),
            first.target,
            cause.message
        );
        let fix = "fix the cause, then retry the rollout: it deploys only to the targets that failed";
        Some(Cause { resource: cause.resource.clone(), ..Cause::new(cause.code, text, fix) })
    }

    /// The state after a failure, once all running deployments have ended.
    pub(super) fn failed(&mut self, cause: Cause, outcomes: &[TargetOutcome]) -> RolloutState {
        let changed: Vec<Target> = outcomes
            .iter()
            .filter(|o| o.direction == Direction::Forward)
            .filter_map(|o| self.to_revert(o))
            .collect();
        let reverts = self.on_failure == OnFailure::Revert && matches!(self.kind, RolloutKind::Deploy(_));
        if !reverts || changed.is_empty() || self.cancelled.is_some() {
            return RolloutState::Failed(cause);
        }
        self.failure = Some(cause);
        RolloutState::Reverting(Revert::Finding(changed))
    }
}
