//! Saves a rollout, its timeline and its stage's head in one transaction.

use crate::EngineError;
use crate::ports::{Subject, Work, Write};
use crate::records::keep;
use crate::rollout::finish::{record_end, record_targets};
use crate::rollout::{RolloutController, RolloutStep};
use crate::step::{due_at, wake};
use flotilla_domain::analysis::{Counts, Reading};
use flotilla_domain::deployment::Deployment;
use flotilla_domain::deployment::pace::DELAY_S_MAX;
use flotilla_domain::rollout::{Rollout, RolloutState, Shift};
use flotilla_domain::{SignedDuration, Timestamp};

impl RolloutController {
    /// Saves the changes of the rollout and of its stage's head in one transaction.
    pub(super) async fn save(&self, step: &mut RolloutStep) -> Result<(), EngineError> {
        let now = self.clock.now();
        let ended = step.now.state.is_terminal();
        if ended && step.saved.value.state.is_terminal() {
            return Ok(());
        }
        // The time until which it waits, if nothing else wakes it before.
        let sleeps_until = step.now.observes_at(now).filter(|_| !ended);
        let sleeps_s = sleeps_until.map(|at| {
            let left_s = at.duration_since(now).as_secs().saturating_add(1).clamp(1, DELAY_S_MAX.into());
            u32::try_from(left_s).unwrap_or(DELAY_S_MAX)
        });
        // A waiting rollout gets a tick a minute before it is due, and must not take the pending due time for a
        // tick that is still to come.
        let soon_s = if sleeps_s.is_some() { 61 } else { 20 };
        let overdue_soon = step.saved.due_at.is_none_or(|due| due <= later(now, soon_s));
        let dirty = step.now != step.saved.value || overdue_soon;
        let due = (!ended).then(|| due_at(now, sleeps_s.unwrap_or(step.now.patience_s())));
        let (mut writes, mut next, mut promotion) = (Vec::new(), None, None);
        let done: Vec<&Deployment> =
            step.notes.deployments.iter().filter(|d| d.state.is_terminal()).collect();
        if (ended || !done.is_empty()) && !step.now.plan_only {
            let before = self.head(&step.now).await?;
            let mut head = before.value.clone();
            record_targets(&mut head, &step.now, done);
            if ended {
                record_end(&mut head, &step.now, now);
                next = head.leave(step.now.id);
                promotion = self.promotion(step, &head).await?;
            }
            if head != before.value {
                writes.push(before.write(&head, head.expires_at));
            }
        }
        let with_rollout = |step: &RolloutStep, mut writes: Vec<Write>| {
            if dirty {
                writes.push(step.saved.write(&step.now, due));
                writes.extend(step.timeline.iter().map(keep));
            }
            writes
        };
        let is_saved = match promotion {
            Some(promotion) => {
                let success = with_rollout(step, writes.clone());
                self.admit_promotion(step, &promotion, &success).await?
            }
            None => false,
        };
        if !is_saved {
            let writes = with_rollout(step, writes);
            if writes.is_empty() {
                return Ok(());
            }
            self.store.write(writes).await?;
        }
        if dirty {
            step.was_saved("rollout", due, &self.meter);
            if let Some(delay_s) = sleeps_s {
                let tick = Work::Tick(Subject::Rollout(step.now.id));
                self.queue.send(vec![(tick, delay_s)]).await?;
            }
        }
        if ended && step.now.state == RolloutState::Succeeded {
            self.wake_consumers(&step.now).await?;
        }
        if let Some(set) = step.now.set.filter(|_| ended) {
            self.queue.send(vec![(Work::Tick(Subject::Set(set)), 0)]).await?;
        }
        wake(self.queue.as_ref(), next).await
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

/// Takes the rollout into its next state. Open gates, steps within a wave and steps of a rollback make no
/// timeline entry.
pub(super) fn enter(step: &mut RolloutStep, after: Rollout, now: Timestamp) {
    let share = |rollout: &Rollout| match &rollout.state {
        RolloutState::Shifting(shift) => shift.percent,
        _ => 0,
    };
    let moment_of = |rollout: &Rollout| (rollout.state.name(), rollout.state.wave(), share(rollout));
    let moves = moment_of(&after) != moment_of(&step.now);
    let reading = step.notes.reading.take();
    if let Some(measured) = measured(&step.now, reading).filter(|_| moves) {
        step.record(after.id, None, now, "measured", Some(measured));
    }
    let passes = after.state.properties().is_gate && after.blocked_by.is_empty();
    if !passes && (moves || held_by(&after) != held_by(&step.now)) {
        step.record(after.id, None, now, after.state.name(), detail(&after));
    }
    step.now = after;
}

/// The metrics of a shift of traffic as they were last read, in words; `None` if they were not.
fn measured(rollout: &Rollout, now: Option<Reading>) -> Option<String> {
    let RolloutState::Shifting(Shift { wave, percent, reading, .. }) = &rollout.state else { return None };
    let reading = now.or(*reading)?;
    let has_latency = rollout.traffic.as_ref().and_then(|traffic| traffic.analysis?.latency_p99).is_some();
    let of = |counts: Counts| {
        let slow = if has_latency { format!(", {} were slow", counts.slow) } else { String::new() };
        format!("{} of {} failed{slow}", counts.errors, counts.invocations)
    };
    let (new, stable) = (of(reading.new), of(reading.stable));
    Some(format!("{percent} % of wave {}: of the new versions {new}; of those before {stable}", wave + 1))
}

/// The timeline detail of a state.
fn detail(rollout: &Rollout) -> Option<String> {
    match &rollout.state {
        RolloutState::Rolling { wave, .. }
        | RolloutState::Verifying { wave }
        | RolloutState::Completing { wave }
        | RolloutState::Baking { wave } => Some(format!("wave {} of {}", wave + 1, rollout.waves.len())),
        RolloutState::Shifting(shift) => {
            let held = Some(held_by(rollout)).filter(|held| !held.is_empty());
            let held = held.map(|held| format!("; blocked: {held}")).unwrap_or_default();
            Some(format!("{} % of wave {} of {}{held}", shift.percent, shift.wave + 1, rollout.waves.len()))
        }
        RolloutState::ShiftingBack { .. } => rollout.failure.as_ref().map(|cause| cause.message.clone()),
        RolloutState::PolicyCheck | RolloutState::WaitingForOutputs | RolloutState::Gated { .. } => {
            Some(held_by(rollout))
        }
        RolloutState::Reverting(_) => rollout.failure.as_ref().map(|cause| cause.message.clone()),
        RolloutState::Superseded { by } => by.map(|by| format!("by {by}")),
        state => state.cause().map(|cause| format!("{}: {}", cause.code, cause.message)),
    }
}

/// The reasons of the blocked gates of its next wave.
fn held_by(rollout: &Rollout) -> String {
    rollout.blocked_by.iter().map(|closed| closed.why.as_str()).collect::<Vec<_>>().join("; ")
}
