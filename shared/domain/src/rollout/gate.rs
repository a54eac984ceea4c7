//! The gates of a rollout: what keeps its next wave from beginning, and what each deployment is told.

use super::properties::Position;
use super::state::{RolloutState, TargetOutcome};
use super::{Rollout, RolloutKind};
use crate::cause::Cause;
use crate::code::Code;
use crate::deployment::State;
use crate::digest::Digest;
use crate::gate::{AlarmSeen, AlarmState, Closed, Facts, Gate};
use crate::ids::Turn;
use crate::plan::fleet_digest;
use crate::target::{Site, Target};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a deployment that is ready to begin is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may begin.
    Begin,
    /// It may begin, and no alarm is to roll it back: somebody has broken the gates open.
    BeginUnwatched,
    /// Not yet.
    Wait,
    /// Not any more.
    Never,
    /// Its plan is not the one that was approved.
    OtherPlan,
}

impl Rollout {
    /// The gates that keep a wave closed, each with its reason; none if it may begin.
    pub fn closed(&self, wave: usize, facts: &Facts) -> Vec<Closed> {
        if self.break_glass.is_some() {
            return Vec::new();
        }
        let close = |gate, why: String, until| Closed { gate, why: crate::code::cut(why), until };
        let mut closed = Vec::new();
        for (line, stop) in &facts.stops.0 {
            let why = format!("{} has stopped {line} at {}: {}", stop.by, stop.at, stop.because);
            closed.push(close(Gate::Line, why, None));
        }
        if self.gates.hurry {
            return closed;
        }
        if let Some(shut) = facts.windows.shut(facts.now) {
            closed.push(close(Gate::Window, shut.why, shut.until));
        }
        for alarm in facts.alarms.iter().filter(|alarm| !alarm.is_ok()).take(Self::CLOSED_MAX) {
            closed.push(close(Gate::Alarm, alarm.to_string(), None));
        }
        let (given, needed) = (self.approved_by(wave).len(), self.approvals_of(wave));
        if given < needed {
            let why = format!("{given} of {needed} approvals of wave {}", wave + 1);
            closed.push(close(Gate::Approval, why, None));
        }
        closed
    }

    /// What follows from a look at the outputs that it needs; `None` to look again.
    pub(super) fn given_outputs(
        &mut self,
        values: BTreeMap<Site, BTreeMap<String, String>>,
        missing: Vec<String>,
    ) -> Option<RolloutState> {
        let closed = |why: String| Closed { gate: Gate::Output, why: crate::code::cut(why), until: None };
        self.closed = missing.into_iter().take(Self::CLOSED_MAX).map(closed).collect();
        if !self.closed.is_empty() || self.paused_by.is_some() {
            return None;
        }
        self.taken = values;
        Some(self.ready())
    }

    /// How many different people have to approve a wave.
    pub fn approvals_of(&self, wave: usize) -> usize {
        self.waves.get(wave).filter(|_| !self.gates.hurry).map_or(0, |wave| wave.approvals)
    }

    /// Who has approved a wave of this package by this plan. An approval of another package or plan is void.
    pub fn approved_by(&self, wave: usize) -> BTreeSet<&str> {
        let (package, plan) = (self.package(), self.plan());
        let valid =
            self.approvals.iter().filter(|a| a.wave == wave && Some(a.package) == package && a.plan == plan);
        valid.map(|approval| approval.by.as_str()).collect()
    }

    /// The wave that waits for its gates, or will be the first to do so.
    pub fn next_wave(&self) -> Option<usize> {
        match self.state.properties().position {
            Position::Start => Some(0),
            Position::Before(wave) => Some(wave),
            Position::In(wave) => Some(wave + 1).filter(|next| *next < self.waves.len()),
            Position::Past => None,
        }
    }

    /// The digest of all plans that were made before the first wave; `None` if there are none. What an
    /// approval is bound to.
    pub fn plan(&self) -> Option<Digest> {
        (!self.plans.is_empty()).then(|| fleet_digest(&self.plans))
    }

    /// The targets whose change sets are made before the first wave begins. Those of stacks that need other
    /// stacks are not: what they are given is known only when the others are there.
    pub fn planned_ahead(&self) -> Vec<Target> {
        let ahead = self.gates.plan_first && matches!(self.kind, RolloutKind::Deploy(_));
        let waves = self.waves.iter().filter(|wave| ahead && wave.level == 0);
        waves.flat_map(|wave| &wave.targets).cloned().collect()
    }

    /// Whether a wave's change sets are made before the first wave begins.
    pub(super) fn is_ahead(&self, wave: usize) -> bool {
        self.gates.plan_first
            && matches!(self.kind, RolloutKind::Deploy(_))
            && self.waves.get(wave).is_some_and(|wave| wave.level == 0)
    }

    /// What a deployment is told that is ready to begin with this plan.
    pub fn answer(&self, target: &Target, turn: Turn, plan: Option<Digest>, line_stopped: bool) -> Answer {
        let began = match (&self.state, turn) {
            // What goes back is not held up.
            (RolloutState::Reverting(_), Turn::Back) => return Answer::Begin,
            // It is shown already. Others may wait for the stack, and have what this one waits for.
            (RolloutState::Planning, _) if self.plan_only => return Answer::Never,
            (
                RolloutState::WaitingForOutputs
                | RolloutState::Planning
                | RolloutState::Gated { .. }
                | RolloutState::Verifying { .. },
                _,
            )
            | (RolloutState::Baking { .. }, _) => false,
            (RolloutState::Rolling { wave, opened, .. }, Turn::Forward) => {
                self.has_begun(target, *wave, *opened)
            }
            _ => return Answer::Never,
        };
        if self.cancelled.is_some() {
            return Answer::Never;
        }
        let stopped = line_stopped && self.break_glass.is_none();
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

    /// Whether a target is one of those whose turn has come.
    fn has_begun(&self, target: &Target, wave: usize, opened: usize) -> bool {
        let before = self.waves[..wave].iter().flat_map(|wave| &wave.targets);
        let present = self.waves.get(wave).map_or(&[][..], |w| &w.targets[..opened.min(w.targets.len())]);
        before.chain(present).any(|begun| begun == target)
    }

    /// The sites whose alarms count for a wave: its own, and those of the waves before it.
    pub fn sites_until(&self, wave: usize) -> BTreeSet<Site> {
        let waves = self.waves.iter().take(wave + 1);
        waves.flat_map(|wave| &wave.targets).map(|target| target.site.clone()).collect()
    }

    /// What follows from the plans of all targets; `None` while some are being made.
    pub(super) fn planned(&mut self, outcomes: &[TargetOutcome]) -> Option<RolloutState> {
        let ahead = self.planned_ahead();
        let of = |target: &Target| outcomes.iter().find(|o| o.turn == Turn::Forward && &o.target == target);
        let seen: Vec<&TargetOutcome> = ahead.iter().map(of).collect::<Option<_>>()?;
        let settled = |o: &&TargetOutcome| o.state == State::Planned || o.state.is_terminal();
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

    /// What follows from a look at the alarms while a wave bakes; `None` to look again.
    pub(super) fn watched(
        &mut self,
        wave: usize,
        alarms: &[AlarmSeen],
        outcomes: &[TargetOutcome],
        now: Timestamp,
    ) -> Option<RolloutState> {
        let counts = |alarm: &&AlarmSeen| self.break_glass.is_none() && !alarm.is_ok();
        let fired = |alarm: &&AlarmSeen| matches!(alarm.state, Some(AlarmState::Alarm) | None);
        if let Some(alarm) = alarms.iter().filter(counts).find(fired) {
            let fix =
                "find out what the alarm is about; mend it and upload again, or start the rollout again";
            let cause = Cause::new(Code::AlarmRaised, format!("while wave {} baked, {alarm}", wave + 1), fix);
            return Some(self.failed(cause, outcomes));
        }
        // One that has no data yet does not end the bake.
        let close = |alarm: &AlarmSeen| Closed {
            gate: Gate::Alarm,
            why: crate::code::cut(alarm.to_string()),
            until: None,
        };
        self.closed = alarms.iter().filter(counts).take(Self::CLOSED_MAX).map(close).collect();
        let baked = self.baked_at().filter(|at| *at <= now)?;
        if self.closed.is_empty() {
            return self.paused_by.is_none().then(|| self.after_wave(wave));
        }
        let late = now.duration_since(baked) >= SignedDuration::from_hours(Self::GATED_H_MAX);
        late.then(|| self.failed(super::transition::gates_late(self), outcomes))
    }

    /// What follows from the verification of a wave; `None` to ask again.
    pub(super) fn checked(
        &mut self,
        wave: usize,
        failures: &[(Target, String)],
        outcomes: &[TargetOutcome],
        now: Timestamp,
    ) -> Option<RolloutState> {
        let Some((target, why)) = failures.first() else { return Some(self.after_checks(wave)) };
        let within_s = self.gates.checks.iter().map(|check| check.within_s).max().unwrap_or(0);
        if now.duration_since(self.entered_at).as_secs() < i64::from(within_s) {
            return None;
        }
        let text = format!("{} of wave {} failed its verification: {why}", target, wave + 1);
        let fix = "look at what the check asks for; mend it and upload again, or retry the rollout";
        Some(self.failed(Cause::new(Code::CheckFailed, text, fix), outcomes))
    }

    /// Where a rollout ends whose change sets may still be there: they are withdrawn first.
    pub(super) fn withdrawn(&self, end: RolloutState) -> RolloutState {
        let open = self.state.properties().has_change_sets && !self.planned_ahead().is_empty();
        if open && end.is_terminal() && end != RolloutState::Succeeded {
            RolloutState::DiscardingChangeSets(Box::new(end))
        } else {
            end
        }
    }

    /// Most gates of one kind that are told at a time.
    const CLOSED_MAX: usize = 10;
    /// How often the alarms are looked at while a wave bakes, in seconds.
    const WATCH_S: i64 = 30;
    /// How often a verification that failed is tried again, in seconds.
    const CHECK_S: i64 = 10;
    /// How often gates are looked at that nothing tells of when they open, in seconds.
    const GATE_S: i64 = 60;
    /// How long a rollout waits for its gates before it ends, in hours.
    pub const GATED_H_MAX: i64 = 6 * 24;

    /// How long until it looks again although nothing woke it, in seconds: what it waits for wakes it, this is
    /// only the net below.
    pub fn patience_s(&self) -> u32 {
        const APPROVAL_S: u32 = 900;
        if matches!(self.state, RolloutState::Gated { .. }) { APPROVAL_S } else { Self::PATIENCE_S }
    }

    /// When it looks again by itself although nothing wakes it; `None` if something will.
    pub fn looks_at(&self, now: Timestamp) -> Option<Timestamp> {
        let in_s = |s| now.saturating_add(SignedDuration::from_secs(s)).ok();
        match &self.state {
            RolloutState::Baking { .. } => {
                let watch = if self.gates.alarms.is_empty() { None } else { in_s(Self::WATCH_S) };
                let baked = self.baked_at().filter(|at| *at > now).or_else(|| in_s(Self::GATE_S));
                watch.into_iter().chain(baked).min()
            }
            RolloutState::PolicyCheck => in_s(Self::VETTING_S),
            RolloutState::Verifying { .. } => in_s(Self::CHECK_S),
            RolloutState::WaitingForOutputs => in_s(Self::GATE_S),
            RolloutState::Gated { .. } => {
                let unsaid = |closed: &Closed| matches!(closed.gate, Gate::Line | Gate::Alarm);
                let soon = if self.closed.iter().any(unsaid) { in_s(Self::GATE_S) } else { None };
                let opens = self.closed.iter().filter_map(|closed| closed.until).filter(|at| *at > now).min();
                soon.into_iter().chain(opens).min()
            }
            _ => None,
        }
    }
}
