//! The faults of the crash sweep: the kind of rollout, the call and the fault. Data only.

use std::collections::BTreeMap;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The calling process is killed, and the call never reaches AWS.
    KillBefore,
    /// The call takes effect, and the calling process is killed before it gets the reply.
    KillAfter,
    /// The call takes effect, its reply is lost, and the calling process continues.
    DropReply,
}

impl Fault {
    /// All faults.
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
    /// Service and operation, such as `cloudformation:ExecuteChangeSet`. For S3 and Lambda, the HTTP method.
    pub operation: String,
    /// The region of the endpoint.
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
    /// Which one of equal calls, counted from 1.
    pub nth: usize,
    /// What is done to it.
    pub fault: Fault,
}

/// What a rollout does with its stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Creates them, as the first rollout of a preview does.
    Create,
    /// Updates them.
    Update,
    /// Updates them, shifts the traffic to the new versions by an alias, and updates them once more.
    Canary,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Create, Self::Update, Self::Canary];
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Canary => "canary",
        })
    }
}

/// The fault of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// What the rollout does.
    pub kind: Kind,
    /// The call and its fault.
    pub spoil: Spoil,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spoil { call, nth, fault } = &self.spoil;
        write!(f, "{} {fault:11} {call} #{nth}", self.kind)
    }
}

/// The calls of a rollout without faults, by kind.
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

/// `n` points, spread evenly over the calls, alternating between kinds and faults.
pub fn sample_points(calls: &Calls, n: usize) -> Vec<Point> {
    let mut points = Vec::new();
    for i in 0..n {
        // Each kind meets each fault in turn.
        let fault = Fault::ALL[(i + i / Kind::ALL.len()) % Fault::ALL.len()];
        let kind = Kind::ALL[i % Kind::ALL.len()];
        if let Some(calls) = calls.get(&kind).filter(|calls| !calls.is_empty()) {
            points.push(point(kind, calls, i * calls.len() / n, fault));
        }
    }
    points
}

/// Identifies a call by its kind and its number among equal calls. Regions run concurrently, so the position among all
/// calls differs from run to run.
fn point(kind: Kind, calls: &[Call], index: usize, fault: Fault) -> Point {
    let call = calls[index].clone();
    let nth = calls[..=index].iter().filter(|other| **other == call).count();
    Point { kind, spoil: Spoil { call, nth, fault } }
}
