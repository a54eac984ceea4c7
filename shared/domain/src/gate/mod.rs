//! What must hold before a wave begins, and who has said what about it.
//!
//! The engine gathers [`Facts`]; [`crate::rollout::Rollout::closed`] says which gates they keep closed.

pub mod alarm;
mod approval;
pub mod output;
mod window;

pub use alarm::AlarmState;
pub use approval::Approval;
pub use jiff::civil::{DateTime, Time};
pub use jiff::tz::TimeZone;
pub use window::{Freeze, Shut, Window, Windows};

use crate::cause::Cause;
use crate::names::ProfileName;
use crate::target::Site;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The gates of a profile, as they were when a rollout was planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    /// Whether every change set is made before the first one is executed.
    pub plan_first: bool,
    /// Whether nobody approves what they have started themselves.
    pub four_eyes: bool,
    /// Whether it is a way back: approvals, windows and alarms do not hold it up, only a stopped line does.
    pub hurry: bool,
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

/// A verification of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// How long it may take until it succeeds, in seconds: it is tried again until then.
    pub within_s: u32,
}

/// What a verification asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A `GET` of the URL that is an output of the stack, with this path behind it, is answered by this status.
    Http {
        /// The stack's output.
        output: String,
        /// What is added to it, such as `/health`; may be empty.
        path: String,
        /// The status it must answer.
        status: u16,
    },
    /// A Lambda function of the target succeeds.
    Function {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { output, path, status } => write!(f, "GET {{{output}}}{path} = {status}"),
            Self::Function { name } => write!(f, "function {name}"),
        }
    }
}

/// An alarm that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmSeen {
    /// Where.
    pub site: Site,
    /// Its name.
    pub name: String,
    /// Its state; `None` if there is no such alarm.
    pub state: Option<AlarmState>,
    /// Why its state is not known, if it could not be read.
    pub unread: Option<String>,
}

impl AlarmSeen {
    /// Whether it is OK.
    pub fn is_ok(&self) -> bool {
        self.state == Some(AlarmState::Ok)
    }
}

impl fmt::Display for AlarmSeen {
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

/// What a stop of the line is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Every rollout.
    Everything,
    /// The rollouts of a profile.
    Profile(ProfileName),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Profile(profile) => write!(f, "the profile {profile}"),
        }
    }
}

/// Why a line is stopped: nothing is begun that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStop {
    /// Who stopped it.
    pub by: String,
    /// Why.
    pub because: String,
    /// Since when.
    pub at: Timestamp,
}

/// The lines that are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stops(pub BTreeMap<Line, LineStop>);

impl Stops {
    /// Most lines stopped at a time.
    pub const MAX: usize = 100;

    /// Those that are about the rollouts of a profile.
    pub fn about(&self, profile: &ProfileName) -> Self {
        let about = |line: &Line| matches!(line, Line::Everything) || *line == Line::Profile(profile.clone());
        Self(self.0.iter().filter(|(line, _)| about(line)).map(|(l, s)| (l.clone(), s.clone())).collect())
    }
}

/// A word of somebody who may give it that opens every gate of one rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    /// Who.
    pub by: String,
    /// Why.
    pub because: String,
    /// When.
    pub at: Timestamp,
}

/// What is known of the world when a wave's gates are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The time.
    pub now: Timestamp,
    /// The lines that are stopped and are about the rollout.
    pub stops: Stops,
    /// When its profile lets waves begin, as it says now.
    pub windows: Windows,
    /// The alarms of its profile, in the regions it has come to and those of the wave.
    pub alarms: Vec<AlarmSeen>,
    /// Why nothing may bring the package there, if somebody holds it by now.
    pub held: Option<Cause>,
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

/// A gate that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub gate: Gate,
    /// Why, and what opens it.
    pub why: String,
    /// When it opens by itself, if that is known.
    pub until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_profile_is_about_its_own_rollouts_and_everything_about_all() {
        let stop = LineStop { by: "ann".into(), because: "smoke".into(), at: Timestamp::UNIX_EPOCH };
        let profile = |name: &str| ProfileName::parse(name).unwrap();
        let lines = [Line::Everything, Line::Profile(profile("p")), Line::Profile(profile("q"))];
        let stops = Stops(lines.clone().map(|line| (line, stop.clone())).into());
        let about: Vec<Line> = stops.about(&profile("p")).0.into_keys().collect();
        assert_eq!(about, lines[..2]);
    }

    #[test]
    fn gates_alarms_and_checks_say_what_they_are() {
        let names = Gate::ALL.map(Gate::name);
        assert_eq!(names, ["line", "window", "alarm", "approval", "output", "rules"]);
        let site = Site::parse("111122223333/eu-west-1").unwrap();
        let alarm = AlarmSeen { site, name: "errors".into(), state: Some(AlarmState::Alarm), unread: None };
        assert_eq!(alarm.to_string(), "the alarm errors in 111122223333/eu-west-1 is in ALARM");
        let probe = Probe::Http { output: "Url".into(), path: "/health".into(), status: 200 };
        assert_eq!(probe.to_string(), "GET {Url}/health = 200");
    }
}
