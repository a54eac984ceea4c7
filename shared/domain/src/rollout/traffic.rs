//! Traffic shifting: the steps by which the new versions of a wave's functions get the invocations.

use super::Rollout;
use super::state::{RolloutState, Shift, TargetOutcome};
use super::traffic_policy::{TrafficOrder, TrafficPolicy, TrafficStep};
use super::transition::{at_target, gates_late};
use crate::analysis::{Reading, totals};
use crate::cause::Cause;
use crate::code::Code;
use crate::deployment::{State, TrafficAnswer};
use crate::gate::{AlarmObservation, Blocked, Check, Facts, Gate, Probe};
use crate::ids::Direction;
use crate::target::Target;
use jiff::{SignedDuration, Timestamp};

impl Rollout {
    /// Whether its deployments publish new versions that get no traffic at first.
    pub(super) fn shifts(&self, direction: Direction) -> bool {
        let is_quick = self.gates.expedite || self.break_glass.is_some() || self.plan_only;
        self.has_aliases() && direction == Direction::Forward && !is_quick
    }

    /// Whether its deployments give their release all traffic before the stacks are updated, by the versions that it had.
    pub fn restores(&self, direction: Direction) -> bool {
        self.has_aliases() && (direction == Direction::Rollback || self.gates.expedite)
    }

    /// Whether its traffic is shifted by aliases.
    fn has_aliases(&self) -> bool {
        self.traffic.as_ref().is_some_and(|traffic| !traffic.has_slots() && traffic.record.is_none())
    }

    /// Whether its deployments drain their regions. What is quick only gives a region back what it lost before.
    pub(super) fn drains(&self, direction: Direction) -> bool {
        let is_quick = self.gates.expedite || self.break_glass.is_some();
        let has_record = self.traffic.as_ref().is_some_and(|traffic| traffic.record.is_some());
        has_record && direction == Direction::Forward && !is_quick
    }

    /// What must succeed at a target in this state: the profile's checks, and the function that the traffic policy names for the moment
    /// before its new versions get traffic, or after they got all of it.
    pub fn verifications(&self, state: &State) -> Vec<Check> {
        let hooks = self.traffic.as_ref().filter(|_| !self.gates.expedite).map(|traffic| &traffic.hooks);
        let is_before = *state == State::Shifting { percent: 0 };
        let name = hooks.and_then(|hooks| if is_before { hooks.before.clone() } else { hooks.after.clone() });
        let hook = |name| Check { probe: Probe::Function { name }, within_s: TrafficPolicy::HOOK_S };
        self.gates.checks.iter().cloned().chain(name.map(hook)).collect()
    }

    /// Whether anything must succeed at a target of a wave.
    pub(super) fn verifies(&self, wave: usize, outcomes: &[TargetOutcome]) -> bool {
        self.of_wave(wave, outcomes).any(|outcome| !self.verifications(&outcome.state).is_empty())
    }

    /// The answer to a deployment whose new versions are published.
    pub fn traffic_answer(&self, target: &Target, direction: Direction) -> TrafficAnswer {
        let is_in = |wave: usize| self.waves.get(wave).is_some_and(|wave| wave.targets.contains(target));
        match &self.state {
            // What is quick gives each region its traffic back, whatever becomes of the others.
            RolloutState::Rolling { .. } | RolloutState::Verifying { .. }
                if self.gates.expedite
                    && self.traffic.as_ref().is_some_and(|traffic| traffic.record.is_some()) =>
            {
                TrafficAnswer::Complete
            }
            // A revert takes no steps.
            RolloutState::Reverting(_) if direction == Direction::Rollback => TrafficAnswer::Complete,
            RolloutState::Shifting(shift) if is_in(shift.wave) => TrafficAnswer::Shift(shift.percent),
            RolloutState::Completing { wave } if is_in(*wave) => TrafficAnswer::Complete,
            // Its wave has not come so far. A plan that is empty leaves nothing but traffic to change.
            RolloutState::Planning
            | RolloutState::Gated { .. }
            | RolloutState::Rolling { .. }
            | RolloutState::Verifying { .. }
            | RolloutState::Shifting(_)
            | RolloutState::Completing { .. }
            | RolloutState::Baking { .. } => TrafficAnswer::Wait,
            _ => TrafficAnswer::Abort,
        }
    }

    /// The state that begins to shift a wave's traffic, or ends it if the new versions have all of it; `None` if none of its deployments has any
    /// to shift.
    pub(super) fn shifting(&self, wave: usize, outcomes: &[TargetOutcome]) -> Option<RolloutState> {
        let shares = || self.of_wave(wave, outcomes).filter(|outcome| outcome.shifts());
        let have_all = shares().all(|outcome| outcome.state == State::Shifting { percent: 100 });
        shares().next()?;
        Some(match have_all {
            true => RolloutState::Completing { wave },
            // The gates of the first step are observed before it: they may have closed while the stacks were updated. A rollback that only
            // gives regions their traffic back has none.
            false if self.break_glass.is_none() && (self.has_slots() || !self.gates.expedite) => {
                Self::share(wave, 0, 0)
            }
            false => self.step(wave, 0),
        })
    }

    /// A step of a wave, or the end of its steps. Break-glass skips the steps.
    fn step(&self, wave: usize, step: usize) -> RolloutState {
        let steps = self.traffic.as_ref().map_or(&[][..], |traffic| &traffic.steps);
        match steps.get(step).filter(|_| self.break_glass.is_none() && !self.gates.expedite) {
            Some(next) => Self::share(wave, step, next.percent),
            None => self.all_traffic(wave),
        }
    }

    fn share(wave: usize, step: usize, percent: u8) -> RolloutState {
        RolloutState::Shifting(Shift { wave, step, percent, since: None, reading: None })
    }

    /// The state that gives the new versions of a wave everything. If they have to prove themselves then, it is one more step, because
    /// before the second update they lose it in no time. With slots it always is: all regions of the wave are switched, or none.
    fn all_traffic(&self, wave: usize) -> RolloutState {
        let have_to_prove = !self.verifications(&State::Shifting { percent: 100 }).is_empty();
        match (have_to_prove || self.has_slots()) && self.break_glass.is_none() {
            true => Self::share(wave, self.traffic.as_ref().map_or(0, |traffic| traffic.steps.len()), 100),
            false => RolloutState::Completing { wave },
        }
    }

    /// The state that shifts a wave's traffic back, if any of its deployments has shifted any; else the failure's own.
    pub(super) fn fail_wave(
        &mut self,
        wave: usize,
        cause: Option<Cause>,
        outcomes: &[TargetOutcome],
    ) -> RolloutState {
        if self.of_wave(wave, outcomes).any(|o| o.shifts() || matches!(o.state, State::ShiftingBack(_))) {
            self.failure = cause;
            return RolloutState::ShiftingBack { wave };
        }
        match cause {
            Some(cause) => self.failed(cause, outcomes),
            None => RolloutState::Cancelled,
        }
    }

    /// The state after an observation of a wave whose traffic is being shifted; `None` to observe again.
    pub(super) fn shifted(
        &mut self,
        shift: Shift,
        facts: &Facts,
        outcomes: &[TargetOutcome],
        now: Timestamp,
    ) -> Option<RolloutState> {
        let wave = shift.wave;
        if let Some(cause) = self.refused(wave, outcomes).or_else(|| self.too_many_failed(wave, outcomes)) {
            return Some(self.fail_wave(wave, Some(cause), outcomes));
        }
        if self.cancelled.is_some() {
            return Some(self.fail_wave(wave, None, outcomes));
        }
        if let Some(cause) = facts.held.clone() {
            return Some(self.fail_wave(wave, Some(cause), outcomes));
        }
        if let Some(back) = self.alarmed(wave, shift.percent, &facts.alarms, outcomes) {
            return Some(back);
        }
        let shift = match self.analysed(shift, facts, now) {
            Ok(shift) => shift,
            Err(cause) => return Some(self.fail_wave(wave, Some(cause), outcomes)),
        };
        self.blocked_by = self.blocked(wave, facts);
        if self.break_glass.is_some() {
            return Some(RolloutState::Completing { wave });
        }
        let has_share = |o: &TargetOutcome| {
            let has_it =
                o.state == State::Shifting { percent: shift.percent } && (o.acted || shift.percent == 0);
            o.state.is_terminal() || has_it
        };
        if !self.of_wave(wave, outcomes).all(has_share) {
            return None;
        }
        let since = shift.since.unwrap_or(now);
        if shift.since.is_none() {
            self.state = RolloutState::Shifting(Shift { since: Some(since), ..shift });
        }
        if now < self.step_ends_at()? || self.paused_by.is_some() {
            return None;
        }
        self.blocked_by.extend(self.lacks_requests(shift, facts));
        // What has everything is verified, also if a gate has closed meanwhile.
        if self.blocked_by.is_empty() || shift.percent == 100 {
            let next = || self.step(wave, self.next_step(shift));
            return Some(if shift.percent == 100 { RolloutState::Verifying { wave } } else { next() });
        }
        let late = now.duration_since(since) >= SignedDuration::from_hours(Self::GATED_H_MAX);
        late.then(|| self.fail_wave(wave, Some(gates_late(self)), outcomes))
    }

    /// The state after an alarm was raised while new versions have this share of the traffic; `None` if none was.
    pub(super) fn alarmed(
        &mut self,
        wave: usize,
        percent: u8,
        alarms: &[AlarmObservation],
        outcomes: &[TargetOutcome],
    ) -> Option<RolloutState> {
        let alarm = alarms.iter().find(|alarm| alarm.is_raised()).filter(|_| self.break_glass.is_none())?;
        let what = format!("while {percent} % of wave {} ran the new versions: {alarm}", wave + 1);
        let fix = "find out why the alarm was raised; fix it and upload again, or retry the rollout";
        Some(self.fail_wave(wave, Some(Cause::new(Code::AlarmRaised, what, fix)), outcomes))
    }

    /// The shift with what was read of its metrics now, or the limit that they breach.
    fn analysed(&mut self, shift: Shift, facts: &Facts, now: Timestamp) -> Result<Shift, Cause> {
        let Some(Ok(measured)) = &facts.measured else { return Ok(shift) };
        let (new, stable) = totals(measured);
        let shift = Shift { reading: Some(Reading { at: now, new, stable }), ..shift };
        self.state = RolloutState::Shifting(shift);
        let analysis = self.traffic.as_ref().and_then(|traffic| traffic.analysis);
        let breach =
            analysis.filter(|_| self.break_glass.is_none()).and_then(|analysis| analysis.breach(measured));
        breach.map_or(Ok(shift), |breach| {
            let what = format!("while {} % of wave {} ran the new versions: {breach}", shift.percent, shift.wave + 1);
            let fix = "find out why they fail or are slow; fix it and upload again, or retry the rollout with a larger limit in the profile's analysis";
            Err(Cause::new(Code::AnalysisFailed, what, fix))
        })
    }

    /// Why a step that has lasted long enough is not over: the new versions were not invoked often enough, or that is not known.
    fn lacks_requests(&self, shift: Shift, facts: &Facts) -> Option<Blocked> {
        let step = self.present_step(&shift).filter(|_| self.measures(&shift))?;
        if let Some(Err(why)) = &facts.measured {
            return Some(Blocked::by(
                Gate::Requests,
                format!("the metrics of the functions cannot be read: {why}"),
            ));
        }
        // One invocation at least: without any, nothing was analysed.
        let needed = u64::from(step.requests.max(1));
        let seen = shift.reading.map_or(0, |reading| reading.new.invocations);
        let why = || format!("{seen} of {needed} invocations of the new versions");
        (seen < needed).then(|| Blocked::by(Gate::Requests, why()))
    }

    /// The step that a shift is at; `None` before the first one, while it waits for its gates, and after the last one.
    fn present_step(&self, shift: &Shift) -> Option<&TrafficStep> {
        self.traffic.as_ref()?.steps.get(shift.step).filter(|_| shift.percent > 0)
    }

    /// Whether a shift needs the metrics of the functions.
    fn measures(&self, shift: &Shift) -> bool {
        let analysed = self.traffic.as_ref().is_some_and(|traffic| traffic.analysis.is_some());
        self.present_step(shift).is_some_and(|step| analysed || step.requests > 0)
    }

    /// When the metrics of a step are read again; `None` if it needs none.
    pub fn measures_at(&self) -> Option<Timestamp> {
        let RolloutState::Shifting(shift) = &self.state else { return None };
        let since = shift.since.filter(|_| self.measures(shift))?;
        // CloudWatch has a value for each minute.
        let minute = SignedDuration::from_mins(1);
        Some(
            shift
                .reading
                .map_or(since, |reading| reading.at.saturating_add(minute).unwrap_or(Timestamp::MAX)),
        )
    }

    /// The next step with a larger share than the present one.
    fn next_step(&self, shift: Shift) -> usize {
        let steps = self.traffic.as_ref().map_or(&[][..], |traffic| &traffic.steps);
        steps.iter().position(|step| step.percent > shift.percent).unwrap_or(steps.len())
    }

    /// When the present step ends; `None` before every alias has its share.
    pub fn step_ends_at(&self) -> Option<Timestamp> {
        let RolloutState::Shifting(shift) = &self.state else { return None };
        // What precedes the first step lasts until its gates are open, and what follows the last one until everything is verified.
        let for_s = self.present_step(shift).map_or(0, |step| step.for_s);
        Some(shift.since?.saturating_add(SignedDuration::from_secs(for_s.into())).unwrap_or(Timestamp::MAX))
    }

    /// The state after an operator's order.
    pub(super) fn ordered(&mut self, shift: Shift, order: TrafficOrder, by: &str) -> RolloutState {
        match order {
            TrafficOrder::Set(percent) => {
                let percent = percent.clamp(1, 99);
                let last = self.traffic.as_ref().map_or(0, |traffic| traffic.steps.len().saturating_sub(1));
                Self::share(shift.wave, shift.step.min(last), percent)
            }
            TrafficOrder::Promote => self.all_traffic(shift.wave),
            TrafficOrder::Abort => self.aborted(shift.wave, by),
        }
    }

    /// The state after an operator has ordered to shift all traffic of a wave back.
    pub(super) fn aborted(&mut self, wave: usize, by: &str) -> RolloutState {
        let what = format!("{by} aborted the shift of traffic");
        let fix = "fix what was wrong and upload again, or retry the rollout";
        self.failure = Some(Cause::new(Code::TrafficAborted, what, fix));
        RolloutState::ShiftingBack { wave }
    }

    /// The state after an observation of deployments that give the traffic back; `None` to keep waiting.
    pub(super) fn shifted_back(&mut self, wave: usize, outcomes: &[TargetOutcome]) -> Option<RolloutState> {
        if !self.of_wave(wave, outcomes).all(|o| o.state.is_terminal()) {
            return None;
        }
        Some(match self.failure.take() {
            Some(cause) if self.cancelled.is_none() => self.failed(cause, outcomes),
            _ => RolloutState::Cancelled,
        })
    }

    /// The state after an observation of deployments that complete a wave; `None` to keep waiting.
    pub(super) fn completed(&mut self, wave: usize, outcomes: &[TargetOutcome]) -> Option<RolloutState> {
        if !self.of_wave(wave, outcomes).all(|o| o.state.is_terminal()) {
            return None;
        }
        if let Some(cause) = self.too_many_failed(wave, outcomes) {
            return Some(self.failed(cause, outcomes));
        }
        // A cancellation that came too late for this wave.
        let is_cancelled = self.cancelled.is_some();
        if is_cancelled && wave + 1 < self.waves.len() {
            return Some(RolloutState::Cancelled);
        }
        self.failure = self.tolerated(outcomes);
        // Otherwise they were verified when they got everything.
        let is_unproven = self.break_glass.is_some() && self.verifies(wave, outcomes);
        Some(match is_unproven && !is_cancelled {
            true => RolloutState::Verifying { wave },
            false => self.after_traffic(wave),
        })
    }

    /// Why the first target of a wave gives its traffic back by itself, if one does: Lambda has refused its share.
    fn refused(&self, wave: usize, outcomes: &[TargetOutcome]) -> Option<Cause> {
        self.of_wave(wave, outcomes).find_map(|o| match &o.state {
            State::ShiftingBack(cause) => Some(at_target(&o.target, cause.clone())),
            _ => None,
        })
    }

    /// The cause of the first failure of a wave, if more targets have failed than it tolerates.
    fn too_many_failed(&self, wave: usize, outcomes: &[TargetOutcome]) -> Option<Cause> {
        let causes = self.of_wave(wave, outcomes).filter_map(|o| Some((&o.target, o.state.cause()?)));
        let causes: Vec<(&Target, &Cause)> = causes.collect();
        let too_many = causes.len() > self.waves[wave].tolerate_failures;
        let (target, cause) = causes.first().filter(|_| too_many)?;
        Some(at_target(*target, (*cause).clone()))
    }

    /// The forward deployments of a wave.
    fn of_wave<'o>(
        &self,
        wave: usize,
        outcomes: &'o [TargetOutcome],
    ) -> impl Iterator<Item = &'o TargetOutcome> {
        let targets = self.waves.get(wave).map_or(&[][..], |wave| &wave.targets);
        outcomes.iter().filter(move |o| o.direction == Direction::Forward && targets.contains(&o.target))
    }
}

impl TargetOutcome {
    /// Whether the deployment's new versions wait for traffic or have some.
    pub fn shifts(&self) -> bool {
        matches!(self.state, State::Shifting { .. })
    }
}
