//! When to look again, and when to give up.

use super::{Deployment, State};
use jiff::{SignedDuration, Timestamp};

/// Longest delay SQS takes, in seconds.
pub const DELAY_S_MAX: u32 = 900;

impl Deployment {
    /// How long to wait before the next look, in seconds: short while the state is young, a fortieth of
    /// its age later, so that a long wait is not polled for nothing and a short one not prolonged.
    pub fn delay_s(&self, now: Timestamp) -> u32 {
        let age_s = now.duration_since(self.entered_at).as_secs().max(0);
        let delay_s = u32::try_from(age_s / 40).unwrap_or(DELAY_S_MAX);
        delay_s.clamp(1, 30)
    }

    /// When the present state ends in failure if nothing happens; `None` when it is terminal.
    ///
    /// Waiting and planned have the longest: others may hold the lease or a gate. An operation's is
    /// above what CloudFormation itself needs for its slowest resources (an hour for many, and 20 to 30
    /// minutes for the deletion of a function in a VPC).
    pub fn deadline(&self) -> Option<Timestamp> {
        let limit = match self.state {
            State::Waiting | State::Planned => SignedDuration::from_hours(24),
            State::Inspecting => SignedDuration::from_hours(3),
            State::Planning(_) => SignedDuration::from_mins(30),
            State::Executing | State::Clearing | State::Deleting => SignedDuration::from_hours(12),
            State::Verifying { .. } | State::Explaining { .. } => SignedDuration::from_mins(15),
            State::Emptying => SignedDuration::from_hours(6),
            _ => return None,
        };
        Some(self.entered_at.saturating_add(limit).unwrap_or(Timestamp::MAX))
    }
}
