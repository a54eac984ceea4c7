//! The alarm gate: CloudWatch alarms that must be `OK` before a wave begins and while it bakes.

use super::{Blocked, Gate, Wave};
use crate::target::Site;
use std::fmt;

/// The state of an alarm, metric or composite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// Its metric or rule is within the limits.
    Ok,
    /// Its metric or rule is outside of the limits.
    Alarm,
    /// The alarm is new, or its metric has too few data points.
    InsufficientData,
}

/// The observed state of one alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmObservation {
    /// Its account-region.
    pub site: Site,
    /// Its name.
    pub name: String,
    /// Its state; `None` if it does not exist or could not be read.
    pub state: Option<AlarmState>,
    /// Why its state could not be read.
    pub unread: Option<String>,
}

impl AlarmObservation {
    /// Whether its state is `OK`.
    pub fn is_ok(&self) -> bool {
        self.state == Some(AlarmState::Ok)
    }

    /// Whether it fails a wave that has begun: it is in `ALARM`, or nobody would know if it were.
    pub fn is_raised(&self) -> bool {
        matches!(self.state, Some(AlarmState::Alarm) | None)
    }
}

impl fmt::Display for AlarmObservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.unread {
            return write!(f, "the alarm {} in {} cannot be read: {why}", self.name, self.site);
        }
        let state = match self.state {
            Some(AlarmState::Ok) => "is OK",
            Some(AlarmState::Alarm) => "is in ALARM",
            Some(AlarmState::InsufficientData) => "has insufficient data",
            None => "does not exist",
        };
        write!(f, "the alarm {} in {} {state}", self.name, self.site)
    }
}

/// The alarms that keep a wave from beginning.
pub(super) fn blocked(wave: &Wave<'_>) -> Vec<Blocked> {
    let bad = wave.facts.alarms.iter().filter(|alarm| !alarm.is_ok());
    bad.take(Blocked::PER_GATE_MAX).map(|alarm| Blocked::by(Gate::Alarm, alarm.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_says_where_it_is_and_in_which_state() {
        let site = Site::parse("111122223333/eu-west-1").unwrap();
        let alarm =
            AlarmObservation { site, name: "errors".into(), state: Some(AlarmState::Alarm), unread: None };
        assert_eq!(alarm.to_string(), "the alarm errors in 111122223333/eu-west-1 is in ALARM");
    }
}
