//! The gates of a rollout, and its answers to deployments that are ready to execute.

use super::properties::Position;
use super::state::{RolloutState, TargetOutcome};
use super::{Rollout, RolloutKind};
use crate::cause::Cause;
use crate::code::Code;
use crate::deployment::State;
use crate::digest::Digest;
use crate::gate::{self, AlarmObservation, Blocked, Facts, Gate};
use crate::ids::Direction;
use crate::plan::fleet_digest;
use crate::target::{Site, Target};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The rollout's answer to a deployment that is ready to execute its change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may execute.
    Begin,
    /// It may execute, without rollback triggers: break-glass has opened the gates.
    BeginUnwatched,
    /// It must wait.
    Wait,
    /// It must not execute: the rollout no longer wants it.
    Never,
    /// Its plan is not the one that was approved.
    OtherPlan,
}

impl Rollout {
    /// Why a wave may not begin; empty if it may.
    pub fn blocked(&self, wave: usize, facts: &Facts) -> Vec<Blocked> {
        if self.break_glass.is_some() {
            return Vec::new();
        }
        let approvals = (self.approved_by(wave).len(), self.approvals_of(wave));
        gate::blocked(&gate::Wave { number: wave, approvals, facts }, self.gates.expedite)
    }

    /// The state after an observation of the outputs that it needs; `None` to observe again.
    pub(super) fn given_outputs(
        &mut self,
        values: BTreeMap<Site, BTreeMap<String, String>>,
        missing: Vec<String>,
    ) -> Option<RolloutState> {
        let blocked = |why| Blocked::by(Gate::Output, why);
        self.blocked_by = missing.into_iter().take(Blocked::PER_GATE_MAX).map(blocked).collect();
        if !self.blocked_by.is_empty() || self.paused_by.is_some() {
            return None;
        }
        self.taken = values;
        Some(self.ready())
    }

    /// How many different people must approve a wave.
    pub fn approvals_of(&self, wave: usize) -> usize {
        self.waves.get(wave).filter(|_| !self.gates.expedite).map_or(0, |wave| wave.approvals)
    }

    /// What an approval is for: the package, or the targets of a removal.
    pub fn subject(&self) -> Digest {
        let targets = || self.targets().map(ToString::to_string).collect::<Vec<_>>();
        self.package().unwrap_or_else(|| Digest::of(targets().join("\n").as_bytes()))
    }

    /// The persons who have approved a wave with this package and this plan. An approval of another package or plan is void.
    pub fn approved_by(&self, wave: usize) -> BTreeSet<&str> {
        let (subject, plan) = (self.subject(), self.plan());
        let valid =
            self.approvals.iter().filter(|a| a.wave == wave && a.package == subject && a.plan == plan);
        valid.map(|approval| approval.person.as_str()).collect()
    }

    /// The wave that waits for its gates, or the next one that will.
    pub fn next_wave(&self) -> Option<usize> {
        match self.state.properties().position {
            Position::Start => Some(0),
            Position::Before(wave) => Some(wave),
            Position::In(wave) => Some(wave + 1).filter(|next| *next < self.waves.len()),
            Position::Past => None,
        }
    }

    /// The digest of all plans that were made before the first wave; `None` if there are none. Approvals are
    /// bound to it.
    pub fn plan(&self) -> Option<Digest> {
        (!self.plans.is_empty()).then(|| fleet_digest(&self.plans))
    }

    /// The targets that are planned before the first wave begins. Of a deploy, only stacks of level 0: the parameters of the others are
    /// known only when the stacks they need exist. Of a removal, all or none: nothing is deleted if something may not be.
    pub fn targets_planned_first(&self) -> Vec<Target> {
        let waves = self.waves.iter().filter(|wave| self.plans_ahead(wave));
        waves.flat_map(|wave| &wave.targets).cloned().collect()
    }

    /// Whether a wave's targets are planned before the first wave begins.
    pub(super) fn is_ahead(&self, wave: usize) -> bool {
        self.waves.get(wave).is_some_and(|wave| self.plans_ahead(wave))
    }

    fn plans_ahead(&self, wave: &super::Wave) -> bool {
        self.gates.plan_first && (wave.level == 0 || self.kind == RolloutKind::Remove)
    }

    /// The answer to a deployment that is ready to execute this plan.
    pub fn answer(
        &self,
        target: &Target,
        direction: Direction,
        plan: Option<Digest>,
        is_frozen: bool,
    ) -> Answer {
        let began = match (&self.state, direction) {
            // A revert does not wait for gates.
            (RolloutState::Reverting(_), Direction::Rollback) => return Answer::Begin,
            // The wave's new versions have all traffic. This update only lets the template say so.
            (RolloutState::Completing { wave }, Direction::Forward)
                if self.waves.get(*wave).is_some_and(|wave| wave.targets.contains(target)) =>
            {
                return if self.break_glass.is_some() { Answer::BeginUnwatched } else { Answer::Begin };
            }
            // The plan is recorded. Releasing the stack avoids a deadlock with another rollout that waits for it.
            (RolloutState::Planning, _) if self.plan_only => return Answer::Never,
            (
                RolloutState::WaitingForOutputs
                | RolloutState::Planning
                | RolloutState::Gated { .. }
                | RolloutState::Verifying { .. }
                | RolloutState::Shifting(_)
                | RolloutState::Completing { .. }
                | RolloutState::ShiftingBack { .. },
                _,
            )
            | (RolloutState::Baking { .. }, _) => false,
            (RolloutState::Rolling { wave, opened, .. }, Direction::Forward) => {
                self.has_begun(target, *wave, *opened)
            }
            _ => return Answer::Never,
        };
        if self.cancelled.is_some() {
            return Answer::Never;
        }
        let stopped = is_frozen && self.break_glass.is_none();
        if !began || self.paused_by.is_some() || stopped {
            return Answer::Wait;
        }
        let approved = self.waves.iter().any(|wave| wave.approvals > 0) && self.break_glass.is_none();
        match self.plans.get(target) {
            Some(seen) if approved && Some(*seen) != plan => Answer::OtherPlan,
            _ if self.break_glass.is_some() => Answer::BeginUnwatched,
            _ => Answer::Begin,
        }
    }

    /// Whether a target's deployment has been opened.
    fn has_begun(&self, target: &Target, wave: usize, opened: usize) -> bool {
        let before = self.waves[..wave].iter().flat_map(|wave| &wave.targets);
        let present = self.waves.get(wave).map_or(&[][..], |w| &w.targets[..opened.min(w.targets.len())]);
        before.chain(present).any(|begun| begun == target)
    }

    /// The account-regions whose alarms count for a wave: its own, and those of the waves before it.
    pub fn sites_until(&self, wave: usize) -> BTreeSet<Site> {
        let waves = self.waves.iter().take(wave + 1);
        waves.flat_map(|wave| &wave.targets).map(|target| target.site.clone()).collect()
    }

    /// The state after the plans of all targets; `None` while some are in progress.
    pub(super) fn planned(&mut self, outcomes: &[TargetOutcome]) -> Option<RolloutState> {
        let ahead = self.targets_planned_first();
        let of = |target: &Target| {
            outcomes.iter().find(|o| o.direction == Direction::Forward && &o.target == target)
        };
        let seen: Vec<&TargetOutcome> = ahead.iter().map(of).collect::<Option<_>>()?;
        let settled = |o: &&TargetOutcome| o.state == State::Planned || o.state.is_terminal() || o.shifts();
        if !seen.iter().all(settled) {
            return None;
        }
        let plan = |o: &&TargetOutcome| Some((o.target.clone(), o.plan?));
        self.plans = seen.iter().filter_map(plan).collect::<BTreeMap<_, _>>();
        let failed = seen.iter().find_map(|o| Some((&o.target, o.state.cause()?)));
        Some(match failed {
            Some((target, cause)) => {
                RolloutState::Failed(super::transition::at_target(target, cause.clone()))
            }
            None if self.plan_only => RolloutState::Planned,
            None => RolloutState::Gated { wave: 0 },
        })
    }

    /// The state after an observation of the alarms while a wave bakes; `None` to observe again.
    pub(super) fn watched(
        &mut self,
        wave: usize,
        alarms: &[AlarmObservation],
        outcomes: &[TargetOutcome],
        now: Timestamp,
    ) -> Option<RolloutState> {
        let counts = |alarm: &&AlarmObservation| self.break_glass.is_none() && !alarm.is_ok();
        if let Some(alarm) = alarms.iter().filter(counts).find(|alarm| alarm.is_raised()) {
            let fix =
                "find out why the alarm was raised; fix it and upload again, or start the rollout again";
            let cause = Cause::new(Code::AlarmRaised, format!("while wave {} baked: {alarm}", wave + 1), fix);
            return Some(self.failed(cause, outcomes));
        }
        // An alarm with insufficient data does not fail the rollout, but it extends the bake.
        let blocked = |alarm: &AlarmObservation| Blocked::by(Gate::Alarm, alarm.to_string());
        self.blocked_by = alarms.iter().filter(counts).take(Blocked::PER_GATE_MAX).map(blocked).collect();
        let baked = self.baked_at().filter(|at| *at <= now)?;
        if self.blocked_by.is_empty() {
            return self.paused_by.is_none().then(|| self.after_wave(wave));
        }
        let late = now.duration_since(baked) >= SignedDuration::from_hours(Self::GATED_H_MAX);
        late.then(|| self.failed(super::transition::gates_late(self), outcomes))
    }

    /// The state after the verification of a wave; `None` to verify again.
    pub(super) fn checked(
        &mut self,
        wave: usize,
        failures: &[(Target, String)],
        outcomes: &[TargetOutcome],
        now: Timestamp,
    ) -> Option<RolloutState> {
        let Some((target, why)) = failures.first() else { return Some(self.after_checks(wave, outcomes)) };
        let checks = outcomes.iter().flat_map(|outcome| self.verifications(&outcome.state));
        let within_s = checks.map(|check| check.within_s).max().unwrap_or(0);
        if now.duration_since(self.entered_at).as_secs() < i64::from(within_s) {
            return None;
        }
        let text = format!("{} of wave {} failed its verification: {why}", target, wave + 1);
        let fix = "read the check in the profile; fix what fails it and upload again, or retry the rollout";
        Some(self.fail_wave(wave, Some(Cause::new(Code::CheckFailed, text, fix)), outcomes))
    }

    /// The end of a rollout, after the discarding of change sets that may still exist.
    pub(super) fn after_discarding(&self, end: RolloutState) -> RolloutState {
        let open = self.state.properties().has_change_sets && !self.targets_planned_first().is_empty();
        if open && end.is_terminal() && end != RolloutState::Succeeded {
            RolloutState::DiscardingChangeSets(Box::new(end))
        } else {
            end
        }
    }

    /// The interval at which the alarms are observed while a wave bakes, in seconds.
    const WATCH_S: i64 = 30;
    /// The interval at which a failed verification is repeated, in seconds.
    const CHECK_S: i64 = 10;
    /// The interval at which gates are observed that send no tick when they open, in seconds.
    const GATE_S: i64 = 60;
    /// How long a rollout waits for its gates before it fails, in hours.
    pub const GATED_H_MAX: i64 = 6 * 24;

    /// The time until the next step if no tick comes earlier, in seconds: the fallback for lost ticks.
    pub fn patience_s(&self) -> u32 {
        const APPROVAL_S: u32 = 900;
        if matches!(self.state, RolloutState::Gated { .. }) { APPROVAL_S } else { Self::PATIENCE_S }
    }

    /// The time of the next scheduled step; `None` if a tick comes when something changes.
    pub fn observes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let in_s = |s| now.saturating_add(SignedDuration::from_secs(s)).ok();
        match &self.state {
            RolloutState::Baking { .. } => {
                let watch = if self.gates.alarms.is_empty() { None } else { in_s(Self::WATCH_S) };
                let baked = self.baked_at().filter(|at| *at > now).or_else(|| in_s(Self::GATE_S));
                watch.into_iter().chain(baked).min()
            }
            RolloutState::Shifting(_) => {
                let watch = if self.gates.alarms.is_empty() { None } else { in_s(Self::WATCH_S) };
                let next = |at: Timestamp| if at > now { Some(at) } else { in_s(Self::GATE_S) };
                let ends = self.step_ends_at().and_then(next);
                watch.into_iter().chain(ends).chain(self.measures_at().and_then(next)).min()
            }
            RolloutState::PolicyCheck => in_s(Self::POLICY_CHECK_S),
            RolloutState::Verifying { .. } => in_s(Self::CHECK_S),
            RolloutState::WaitingForOutputs => in_s(Self::GATE_S),
            RolloutState::Gated { .. } => {
                let unsaid = |closed: &Blocked| matches!(closed.gate, Gate::Freeze | Gate::Alarm);
                let soon = if self.blocked_by.iter().any(unsaid) { in_s(Self::GATE_S) } else { None };
                let opens =
                    self.blocked_by.iter().filter_map(|closed| closed.until).filter(|at| *at > now).min();
                soon.into_iter().chain(opens).min()
            }
            _ => None,
        }
    }
}
