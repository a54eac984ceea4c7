//! Gates: what must be true before a wave begins, while it bakes, and before it counts as done.
//!
//! One file per gate: its fact (what is observed), and its rule (when it blocks). [`BEFORE_WAVE`] lists the gates that
//! are asked before a wave; the engine gathers their [`Facts`], `Rollout::blocked` asks them.

pub mod alarm;
mod approval;
mod break_glass;
mod freeze;
pub mod output;
mod policy;
mod verification;
mod window;

pub use alarm::{AlarmObservation, AlarmState};
pub use approval::Approval;
pub use break_glass::BreakGlass;
pub use freeze::{Freeze, FreezeScope, Freezes};
pub use jiff::civil::{DateTime, Time};
pub use jiff::tz::TimeZone;
pub use policy::{PolicyResult, Violation};
pub use verification::{Check, Probe};
pub use window::{ScheduledFreeze, Window, Windows};

use crate::cause::Cause;
use crate::code::cut;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The gates of a profile, as they were when a rollout was planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    /// Whether every change set is made before the first one is executed.
    pub plan_first: bool,
    /// Whether nobody approves what they have started themselves.
    pub four_eyes: bool,
    /// Whether it is a way back: approvals, windows and alarms do not hold it up, only a stopped line does.
    pub expedite: bool,
    /// CloudWatch alarms, by name, that have to be OK before a wave begins and while it bakes, in each of the
    /// regions it has come to.
    pub alarms: BTreeSet<String>,
    /// Whether the alarms also roll back the stack that is being updated when they are raised.
    pub triggers: bool,
    /// What is looked at when the targets of a wave are done.
    pub checks: Vec<Check>,
}

impl Gates {
    /// Most alarms of a profile. CloudFormation takes the first five of them as rollback triggers.
    pub const ALARMS_MAX: usize = 20;
    /// How many rollback triggers CloudFormation takes.
    pub const TRIGGERS_MAX: usize = 5;
    /// Most verifications of a profile.
    pub const CHECKS_MAX: usize = 10;
    /// Longest rules of a profile, in bytes.
    pub const RULES_BYTES_MAX: usize = 64 * 1024;
    /// The longest time a verification is given, in seconds: an hour.
    pub const CHECK_S_MAX: u32 = 3_600;
}

/// What is known of the world when a wave's gates are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The time.
    pub now: Timestamp,
    /// The lines that are stopped and are about the rollout.
    pub stops: Freezes,
    /// When its profile lets waves begin, as it says now.
    pub windows: Windows,
    /// The alarms of its profile, in the regions it has come to and those of the wave.
    pub alarms: Vec<AlarmObservation>,
    /// Why nothing may bring the package there, if somebody holds it by now.
    pub held: Option<Cause>,
}

impl Facts {
    /// Facts at a time at which nothing blocks.
    pub fn at(now: Timestamp) -> Self {
        Self { now, stops: Freezes::default(), windows: Windows::default(), alarms: Vec::new(), held: None }
    }
}

/// Which gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// The line is stopped.
    Line,
    /// A freeze, or outside of the allowed windows.
    Window,
    /// An alarm is not OK.
    Alarm,
    /// Approvals are missing.
    Approval,
    /// Another service has no such output yet.
    Output,
    /// What the profile's rules say of the templates is not known yet.
    Rules,
}

impl Gate {
    /// Every gate.
    pub const ALL: [Self; 6] =
        [Self::Line, Self::Window, Self::Alarm, Self::Approval, Self::Output, Self::Rules];

    /// Its name in table and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Window => "window",
            Self::Alarm => "alarm",
            Self::Approval => "approval",
            Self::Output => "output",
            Self::Rules => "rules",
        }
    }
}

/// Why a gate blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Which gate.
    pub gate: Gate,
    /// Why, and what opens it.
    pub why: String,
    /// When it opens by itself, if that is known.
    pub until: Option<Timestamp>,
}

impl Blocked {
    /// Most reasons of one gate that are shown.
    pub const PER_GATE_MAX: usize = 10;

    /// Blocked by a gate until something changes; the reason is cut to [`crate::code::TEXT_BYTES_MAX`].
    pub fn by(gate: Gate, why: impl Into<String>) -> Self {
        Self { gate, why: cut(why.into()), until: None }
    }
}

/// A wave at its gates.
#[derive(Debug, Clone, Copy)]
pub struct Wave<'a> {
    /// Its number, counted from 0.
    pub number: usize,
    /// How many people have approved it, and how many must.
    pub approvals: (usize, usize),
    /// What was observed.
    pub facts: &'a Facts,
}

/// The rule of a gate, and whether it also applies to a rollout that is expedited.
struct Rule {
    blocked: fn(&Wave<'_>) -> Vec<Blocked>,
    applies_if_expedited: bool,
}

/// The gates before a wave, in the order in which they are shown. A new gate is one line here.
const BEFORE_WAVE: &[Rule] = &[
    Rule { blocked: freeze::blocked, applies_if_expedited: true },
    Rule { blocked: window::blocked, applies_if_expedited: false },
    Rule { blocked: alarm::blocked, applies_if_expedited: false },
    Rule { blocked: approval::blocked, applies_if_expedited: false },
];

/// Why a wave may not begin; nothing if it may.
pub fn blocked(wave: &Wave<'_>, expedited: bool) -> Vec<Blocked> {
    let rules = BEFORE_WAVE.iter().filter(|rule| rule.applies_if_expedited || !expedited);
    rules.flat_map(|rule| (rule.blocked)(wave)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_have_names() {
        let names = Gate::ALL.map(Gate::name);
        assert_eq!(names, ["line", "window", "alarm", "approval", "output", "rules"]);
    }
}
