//! Gates: what must be true before a wave begins, while it bakes, and before it counts as done.
//!
//! One file per gate: its fact (what is observed), and its rule (when it blocks). `BEFORE_WAVE` lists the gates
//! before a wave: the engine observes their [`Facts`], and `Rollout::blocked` evaluates them.

pub mod alarm;
mod approval;
mod break_glass;
mod freeze;
pub mod output;
mod policy;
mod verification;
mod window;

pub use alarm::{AlarmObservation, AlarmState};
pub use approval::{Approval, FourEyes};
pub use break_glass::BreakGlass;
pub use freeze::{Freeze, FreezeScope, Freezes};
pub use jiff::civil::{DateTime, Time};
pub use jiff::tz::TimeZone;
pub use policy::{PolicyResult, Violation};
pub use verification::{Check, Probe};
pub use window::{ScheduledFreeze, Window, Windows};

use crate::analysis::Measured;
use crate::cause::Cause;
use crate::code::storable;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The gates of a profile, as they were when a rollout was planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    /// Whether every change set is created before the first one is executed.
    pub plan_first: bool,
    /// Who may not approve a rollout.
    pub four_eyes: FourEyes,
    /// Whether the rollout is expedited, as rollbacks are: only a freeze blocks it, no approval, window or alarm.
    pub expedite: bool,
    /// Names of CloudWatch alarms that must be `OK` before a wave begins and while it bakes, in each account-region
    /// that the rollout has reached.
    pub alarms: BTreeSet<String>,
    /// Whether the alarms are also rollback triggers of the stack updates.
    pub triggers: bool,
    /// Verifications of a wave, after all its targets were deployed.
    pub checks: Vec<Check>,
}

impl Gates {
    /// Most alarms of a profile. CloudFormation gets the first five of them as rollback triggers.
    pub const ALARMS_MAX: usize = 20;
    /// Most rollback triggers that CloudFormation accepts.
    pub const TRIGGERS_MAX: usize = 5;
    /// Most verifications of a profile.
    pub const CHECKS_MAX: usize = 10;
    /// Largest policy rules of a profile, in bytes.
    pub const RULES_BYTES_MAX: usize = 64 * 1024;
    /// Longest time for a verification, in seconds: an hour.
    pub const CHECK_S_MAX: u32 = 3_600;
}

/// What was observed for the gates of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Time of the observation.
    pub now: Timestamp,
    /// The freezes that affect the rollout.
    pub stops: Freezes,
    /// The windows and scheduled freezes of its profile, as the profile is now.
    pub windows: Windows,
    /// The alarms of its profile, in the account-regions of this wave and the waves before.
    pub alarms: Vec<AlarmObservation>,
    /// The cause to end with, if the package is on hold at the stage by now.
    pub held: Option<Cause>,
    /// The metrics of the wave whose traffic is shifted, since the step began, or why they cannot be read; `None` if they were not read now.
    pub measured: Option<Result<Vec<Measured>, String>>,
}

impl Facts {
    /// Facts at a time at which nothing blocks.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            stops: Freezes::default(),
            windows: Windows::default(),
            alarms: Vec::new(),
            held: None,
            measured: None,
        }
    }
}

/// The kinds of gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// A freeze is in effect.
    Freeze,
    /// A scheduled freeze is in effect, or no window is open.
    Window,
    /// An alarm is not OK.
    Alarm,
    /// Approvals are missing.
    Approval,
    /// An output of another service does not exist yet.
    Output,
    /// The policy check has no result yet.
    PolicyCheck,
    /// Invocations of the new versions: a step of the traffic needs more of them.
    Requests,
}

impl Gate {
    /// Every gate.
    pub const ALL: [Self; 7] = [
        Self::Freeze,
        Self::Window,
        Self::Alarm,
        Self::Approval,
        Self::Output,
        Self::PolicyCheck,
        Self::Requests,
    ];

    /// Its name in the table and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Freeze => "line",
            Self::Window => "window",
            Self::Alarm => "alarm",
            Self::Approval => "approval",
            Self::Output => "output",
            Self::PolicyCheck => "rules",
            Self::Requests => "requests",
        }
    }
}

/// Why a gate blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The gate.
    pub gate: Gate,
    /// Why, and what opens it.
    pub why: String,
    /// When it opens by itself, if known.
    pub until: Option<Timestamp>,
}

impl Blocked {
    /// Most reasons of one gate that are shown.
    pub const PER_GATE_MAX: usize = 10;

    /// Blocked by a gate until something changes; the reason is cut to [`crate::code::TEXT_BYTES_MAX`].
    pub fn by(gate: Gate, why: impl Into<String>) -> Self {
        Self { gate, why: storable(why.into()), until: None }
    }
}

/// A wave whose gates are evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Wave<'a> {
    /// Its number, counted from 0.
    pub number: usize,
    /// Number of people who have approved it, and number required.
    pub approvals: (usize, usize),
    /// What was observed.
    pub facts: &'a Facts,
}

/// The rule of a gate, and whether it also applies to an expedited rollout.
struct Rule {
    blocked: fn(&Wave<'_>) -> Vec<Blocked>,
    applies_if_expedited: bool,
}

/// The gates before a wave, in the order in which they are shown.
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
        assert_eq!(names, ["line", "window", "alarm", "approval", "output", "rules", "requests"]);
    }
}
