//! Where the crash sweep strikes: in which kind of rollout, at which call, and how. Words only.

use std::collections::BTreeMap;

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process that makes the call is killed; the call never reaches AWS.
    KillBefore,
    /// The call takes effect; the process is killed before it hears so.
    KillAfter,
    /// The call takes effect; its reply is lost and the process goes on.
    DropReply,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::KillBefore, Self::KillAfter, Self::DropReply];
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::KillBefore => "kill-before",
            Self::KillAfter => "kill-after",
            Self::DropReply => "drop-reply",
        })
    }
}

/// One AWS call of a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The function, such as `deploy`.
    pub function: String,
    /// Service and operation, such as `cloudformation:ExecuteChangeSet`; for S3 and Lambda the method.
    pub operation: String,
    /// The region that was called.
    pub region: String,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.function, self.operation, self.region)
    }
}

/// Which call is spoiled, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoil {
    /// The call.
    pub call: Call,
    /// Which of the calls that are equal to it, from 1.
    pub nth: usize,
    /// What is done to it.
    pub fault: Fault,
}

/// What a rollout does to its stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Creates them: the first rollout of a preview.
    Create,
    /// Updates them.
    Update,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Create, Self::Update];
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Update => "update",
        })
    }
}

/// One run's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// What the rollout does.
    pub kind: Kind,
    /// What happens to which of its calls.
    pub spoil: Spoil,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spoil { call, nth, fault } = &self.spoil;
        write!(f, "{} {fault:11} {call} #{nth}", self.kind)
    }
}

/// What rollouts call that nothing happens to.
pub type Calls = BTreeMap<Kind, Vec<Call>>;

/// Every fault at every call.
pub fn all_points(calls: &Calls) -> Vec<Point> {
    let mut points = Vec::new();
    for (kind, calls) in calls {
        for index in 0..calls.len() {
            points.extend(Fault::ALL.map(|fault| point(*kind, calls, index, fault)));
        }
    }
    points
}

/// `n` points, evenly over the calls and in turn over kinds and faults.
pub fn sample_points(calls: &Calls, n: usize) -> Vec<Point> {
    let mut points = Vec::new();
    for i in 0..n {
        let (kind, fault) = (Kind::ALL[i % Kind::ALL.len()], Fault::ALL[i % Fault::ALL.len()]);
        if let Some(calls) = calls.get(&kind).filter(|calls| !calls.is_empty()) {
            points.push(point(kind, calls, i * calls.len() / n, fault));
        }
    }
    points
}

/// A call is known by what it is and how often it came before: regions go their way side by side, so its
/// place among all calls differs from run to run.
fn point(kind: Kind, calls: &[Call], index: usize, fault: Fault) -> Point {
    let call = calls[index].clone();
    let nth = calls[..=index].iter().filter(|other| **other == call).count();
    Point { kind, spoil: Spoil { call, nth, fault } }
}
