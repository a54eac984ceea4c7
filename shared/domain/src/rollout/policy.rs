//! What a profile's rules say of a release's templates, and what follows from it.

use super::Rollout;
use super::state::RolloutState;
use crate::cause::Cause;
use crate::code::{Code, cut, cut_to};
use crate::gate::{Closed, Gate};

/// What a profile's rules say of a release's templates. It depends on nothing but both of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// All of them hold, or there are none any more.
    Holds,
    /// Some are broken.
    Broken {
        /// The first of them.
        first: Vec<Broken>,
        /// How many there are.
        count: usize,
    },
    /// What they say could not be found out.
    Unknown {
        /// Why.
        why: String,
        /// Whether the same question may be answered later.
        may_pass: bool,
    },
}

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule's name.
    pub rule: String,
    /// Which of several templates breaks it, in words.
    pub template: Option<String>,
    /// The logical id of the resource that breaks it, if it is one.
    pub resource: Option<String>,
    /// Where in the template.
    pub path: String,
    /// What the rule says about it.
    pub message: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rule, template, path, message, .. } = self;
        write!(f, "{rule}")?;
        for place in template.iter().chain(Some(path).filter(|path| !path.is_empty())) {
            write!(f, ", {place}")?;
        }
        write!(f, ": {message}")
    }
}

impl Rollout {
    /// Most broken rules that a cause tells in full.
    const BROKEN_TOLD: usize = 5;
    /// How much of each of them, in bytes.
    const BROKEN_BYTES_MAX: usize = 350;
    /// How often the rules are asked again that could not be applied, in seconds.
    pub(crate) const VETTING_S: i64 = 20;
    /// How long that is tried, in minutes.
    pub const VETTING_MIN_MAX: i64 = 10;

    /// Whether the profile's rules, as they are when its turn comes, have to hold before it begins. What goes back
    /// ran before.
    pub(crate) fn is_vetted(&self) -> bool {
        !self.gates.hurry && self.break_glass.is_none()
    }

    /// What follows from what the rules say; `None` to ask again.
    pub(crate) fn ruled(&mut self, ruling: Ruling) -> Option<RolloutState> {
        match ruling {
            _ if !self.is_vetted() => Some(RolloutState::Replicating),
            Ruling::Holds => Some(RolloutState::Replicating),
            Ruling::Broken { first, count } => Some(RolloutState::Failed(self.broken(&first, count))),
            Ruling::Unknown { why, may_pass } => {
                self.closed = vec![Closed { gate: Gate::Rules, why: cut(why), until: None }];
                (!may_pass).then(|| RolloutState::Failed(self.unruled()))
            }
        }
    }

    fn broken(&self, first: &[Broken], count: usize) -> Cause {
        let one = |broken: &Broken| cut_to(broken.to_string(), Self::BROKEN_BYTES_MAX);
        let mut told: Vec<String> = first.iter().take(Self::BROKEN_TOLD).map(one).collect();
        let more = count.saturating_sub(told.len());
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        let text = format!("rules of the profile {} are broken: {}", self.profile, told.join("; "));
        let fix = "mend the template and upload again, or change the rules (safeguards.guard) and retry the rollout";
        let resource = first.iter().find_map(|broken| broken.resource.clone());
        Cause { resource, ..Cause::new(Code::RuleBroken, text, fix) }
    }

    /// The cause of its end if what the rules say could not be found out.
    pub(crate) fn unruled(&self) -> Cause {
        let why: Vec<&str> = self.closed.iter().map(|closed| closed.why.as_str()).collect();
        let why = if why.is_empty() { "nobody answered in time".to_owned() } else { why.join("; ") };
        let text = format!("the rules of the profile {} could not be applied: {why}", self.profile);
        let fix = "mend the rules if they are the reason, else look at the guard function's log; then retry the rollout";
        Cause::new(Code::RulesUnapplied, text, fix)
    }
}
