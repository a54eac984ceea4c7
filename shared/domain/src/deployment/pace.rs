//! When to observe again, and when to fail.

use super::{Deployment, State};
use jiff::{SignedDuration, Timestamp};

/// SQS's longest delay of a message, in seconds.
pub const DELAY_S_MAX: u32 = 900;
/// Longest time between two observations, in seconds.
const POLL_S_MAX: u32 = 60;
/// Longest time between two observations of a deployment that waits for its rollout, in seconds.
const GATE_POLL_S_MAX: u32 = 300;

impl Deployment {
    /// The delay before the next observation, in seconds.
    ///
    /// An operation on a stack that has had one before is first observed shortly before its expected end, then often.
    /// Any other wait is observed at steps of a tenth of its age, so that long waits are polled rarely and short ones
    /// end soon. A stack-status event ends the wait earlier.
    pub fn delay_s(&self, now: Timestamp) -> u32 {
        let age_s = u32::try_from(now.duration_since(self.entered_at).as_secs().max(0)).unwrap_or(u32::MAX);
        if self.acted && matches!(self.state, State::ShiftingBack(_)) {
            let left_s = self.confirmed_at().duration_since(now).as_secs();
            return u32::try_from(left_s).unwrap_or(0).clamp(1, POLL_S_MAX);
        }
        if let (State::Draining, Some(at)) = (&self.state, self.drained_at()) {
            let left_s = at.duration_since(now).as_secs();
            return u32::try_from(left_s).unwrap_or(0).clamp(1, POLL_S_MAX);
        }
        match self.expected_s.filter(|_| self.state.is_operation()) {
            Some(expected_s) if age_s < expected_s - expected_s / 8 => {
                (expected_s - expected_s / 10).saturating_sub(age_s).clamp(1, DELAY_S_MAX)
            }
            Some(expected_s) if age_s < expected_s + expected_s / 2 => (expected_s / 20).clamp(1, POLL_S_MAX),
            // The rollout sends a tick when it may begin.
            _ if matches!(self.state, State::Planned | State::Shifting { .. }) => {
                (age_s / 10).clamp(1, GATE_POLL_S_MAX)
            }
            _ => (age_s / 10).clamp(1, POLL_S_MAX),
        }
    }

    /// When the present state fails if nothing happens; `None` when it is terminal.
    pub fn deadline(&self) -> Option<Timestamp> {
        let mut limit = self.state.limit()?;
        if self.state == State::Waiting && (self.spec.mapping.is_some() || self.spec.drains) {
            // A stack that is verified keeps its lease until those of all regions are: two rollouts whose stacks have the same names would wait
            // for each other.
            limit = limit.min(SignedDuration::from_hours(2));
        }
        Some(self.entered_at.saturating_add(limit).unwrap_or(Timestamp::MAX))
    }
}
