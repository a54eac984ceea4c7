//! The head of a stage: what runs there, which rollout is under way, which one waits.
//!
//! All rollouts of a stage meet here, one at a time; every change of a head is a pure function whose
//! result is saved on the condition that nobody else has changed it.

use crate::digest::Digest;
use crate::ids::{ReleaseId, RolloutId};
use crate::names::{ProfileName, ServiceName, StackName, StackPart, StageName};
use crate::target::Target;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What runs at one target, and how the last rollout that touched it ended there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The release that was last proven to run there, with its package; `None` if none ever was.
    pub proven: Option<(ReleaseId, Digest)>,
    /// The last rollout that touched the target.
    pub rollout: RolloutId,
    /// The state its deployment ended in, by name.
    pub status: String,
    /// When the deployment ended.
    pub at: Timestamp,
}

impl Running {
    /// Whether what was proven last is what runs.
    fn is_known(&self) -> bool {
        self.status == SUCCEEDED
    }
}

/// How a deployment ended that did what it should.
const SUCCEEDED: &str = "succeeded";

/// A stack of a stage, the same at every site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStack {
    /// Its name.
    pub name: StackName,
    /// How many others come before it, one behind the other.
    pub level: usize,
}

/// Why a package is kept from a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Who holds it.
    pub by: String,
    /// Why.
    pub because: String,
    /// Since when.
    pub at: Timestamp,
}

/// The head of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageHead {
    /// The service.
    pub service: ServiceName,
    /// The stage.
    pub stage: StageName,
    /// The profile its newest rollout went by.
    pub profile: ProfileName,
    /// The rollout that may act.
    pub active: Option<RolloutId>,
    /// The rollout that acts next; a newer one takes its place.
    pub queued: Option<RolloutId>,
    /// The newest rollout ever accepted here: an older one comes too late.
    pub newest: Option<RolloutId>,
    /// The release of the last rollout that succeeded everywhere.
    pub stable: Option<ReleaseId>,
    /// Those that were stable before it, the latest first, each once.
    pub past: Vec<ReleaseId>,
    /// Releases that a stack may run although it was never proven: rollouts of them failed where nobody could
    /// tell, the latest first. None as soon as all targets are proven again.
    pub unsettled: Vec<ReleaseId>,
    /// Packages that nothing brings here until their hold is lifted.
    pub holds: BTreeMap<Digest, Hold>,
    /// What runs where.
    pub targets: BTreeMap<Target, Running>,
    /// The stacks that a rollout has ever begun to bring here: to remove them, their names have to be known.
    pub stacks: BTreeMap<Option<StackPart>, KnownStack>,
    /// A preview's end, unless a newer upload comes; `None` for a stage that stays.
    pub expires_at: Option<Timestamp>,
}

/// What a head says to a new rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may act at once.
    Active,
    /// It acts after the active one, or instead of it if that has not begun.
    Queued,
    /// A newer one was accepted before it.
    OutOfDate {
        /// The newer one.
        by: RolloutId,
    },
}

/// What a head says to a rollout that asks where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is the active one and nothing waits behind it.
    Active,
    /// It is the active one and a newer one waits.
    ActiveWithSuccessor(RolloutId),
    /// It waits.
    Queued,
    /// It was replaced by a newer one, or was never let in.
    Replaced(Option<RolloutId>),
}

/// Whether a rollout belongs to an earlier second. S3 tells the time of an upload to the second; of two
/// rollouts of one second the one that arrives later counts as the newer.
fn is_older(rollout: RolloutId, than: RolloutId) -> bool {
    rollout.time().as_second() < than.time().as_second()
}

impl StageHead {
    /// The head of a stage that nothing was ever rolled out to.
    pub fn new(service: ServiceName, stage: StageName, profile: ProfileName) -> Self {
        Self {
            service,
            stage,
            profile,
            active: None,
            queued: None,
            newest: None,
            stable: None,
            past: Vec::new(),
            unsettled: Vec::new(),
            holds: BTreeMap::new(),
            targets: BTreeMap::new(),
            stacks: BTreeMap::new(),
            expires_at: None,
        }
    }

    /// Lets a rollout in. The same rollout again finds the place it has.
    pub fn admit(&mut self, rollout: RolloutId) -> Admission {
        match self.newest {
            Some(newest) if is_older(rollout, newest) => return Admission::OutOfDate { by: newest },
            Some(newest) if newest == rollout && self.active == Some(rollout) => return Admission::Active,
            Some(newest) if newest == rollout && self.queued == Some(rollout) => return Admission::Queued,
            _ => self.newest = Some(rollout),
        }
        if self.active.is_none() {
            self.active = Some(rollout);
            Admission::Active
        } else {
            self.queued = Some(rollout);
            Admission::Queued
        }
    }

    /// Counts a preview's life anew from `now`, or ends it for a stage that stays.
    pub fn renew(&mut self, now: Timestamp, ttl_h: Option<u32>) {
        self.expires_at =
            ttl_h.map(|h| now.saturating_add(SignedDuration::from_hours(h.into())).unwrap_or(Timestamp::MAX));
    }

    /// Where a rollout stands.
    pub fn place(&self, rollout: RolloutId) -> Place {
        if self.active == Some(rollout) {
            match self.queued {
                Some(next) => Place::ActiveWithSuccessor(next),
                None => Place::Active,
            }
        } else if self.queued == Some(rollout) {
            Place::Queued
        } else {
            Place::Replaced(
                self.queued.or(self.active).or(self.newest).filter(|other| !is_older(*other, rollout)),
            )
        }
    }

    /// Takes a rollout out and lets the next one act; returns that one.
    pub fn leave(&mut self, rollout: RolloutId) -> Option<RolloutId> {
        if self.queued == Some(rollout) {
            self.queued = None;
        }
        if self.active == Some(rollout) {
            self.active = self.queued.take();
            return self.active;
        }
        None
    }

    /// Most releases that are remembered as having been stable.
    pub const PAST_MAX: usize = 20;
    /// Most packages held at a time.
    pub const HOLDS_MAX: usize = 50;

    /// A release runs everywhere.
    pub fn settle(&mut self, release: ReleaseId) {
        if let Some(before) = self.stable.replace(release).filter(|before| *before != release) {
            self.past.insert(0, before);
        }
        self.past.retain(|past| *past != release);
        self.past.truncate(Self::PAST_MAX);
    }

    /// Most releases that are remembered as such that may run somewhere.
    pub const UNSETTLED_MAX: usize = 20;

    /// A deployment of a release ended so that its stack may run it or not.
    pub fn unsettle(&mut self, release: ReleaseId) {
        self.unsettled.retain(|other| *other != release);
        self.unsettled.insert(0, release);
        self.unsettled.truncate(Self::UNSETTLED_MAX);
    }

    /// Forgets what may run somewhere, if what runs is known of every target.
    pub fn settle_targets(&mut self) {
        if self.targets.values().all(Running::is_known) {
            self.unsettled.clear();
        }
    }

    /// Whether a release is known to have run at the stage: everywhere, or at a target that it was proven at last.
    pub fn has_run(&self, release: &ReleaseId) -> bool {
        let proven = |running: &Running| running.proven.is_some_and(|(proven, _)| proven == *release);
        self.stable == Some(*release) || self.past.contains(release) || self.targets.values().any(proven)
    }

    /// Whether something else than the stable release is at some of its targets, or may be.
    pub fn is_astray(&self) -> bool {
        let runs_stable = |running: &Running| {
            running.is_known() && running.proven.map(|(release, _)| release) == self.stable
        };
        self.stable.is_some() && !self.targets.values().all(runs_stable)
    }

    /// The releases that run at the stage, may run there or were stable and can be gone back to. What its rollouts
    /// bring, see [`StageHead::unended`], comes beside.
    pub fn needed(&self) -> impl Iterator<Item = ReleaseId> {
        let proven = self.targets.values().filter_map(|running| Some(running.proven?.0));
        let listed = self.stable.iter().chain(&self.past).chain(&self.unsettled).copied();
        listed.chain(proven)
    }

    /// The rollouts whose releases the stage needs: those that have not ended, and the last ones of targets at
    /// which they ended badly.
    pub fn unended(&self) -> BTreeSet<RolloutId> {
        let unknown = self.targets.values().filter(|running| !running.is_known());
        let open = self.active.into_iter().chain(self.queued);
        open.chain(unknown.map(|running| running.rollout)).collect()
    }

    /// The packages that run at any of its targets.
    pub fn running(&self) -> BTreeSet<Digest> {
        self.targets.values().filter_map(|running| running.proven.map(|(_, package)| package)).collect()
    }

    /// Whether the preview's life is over and something is left to remove.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now) && !self.targets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(second: i64) -> RolloutId {
        RolloutId::derive(Timestamp::from_second(second).unwrap(), &["r"])
    }

    fn head() -> StageHead {
        StageHead::new(
            ServiceName::parse("s").unwrap(),
            StageName::parse("t").unwrap(),
            ProfileName::parse("p").unwrap(),
        )
    }

    #[test]
    fn one_acts_one_waits_and_a_newer_one_takes_the_waiting_ones_place() {
        let mut head = head();
        assert_eq!(head.admit(id(1)), Admission::Active);
        assert_eq!(head.admit(id(2)), Admission::Queued);
        assert_eq!(head.admit(id(3)), Admission::Queued);
        assert_eq!(head.place(id(1)), Place::ActiveWithSuccessor(id(3)));
        assert_eq!(head.place(id(2)), Place::Replaced(Some(id(3))));
        assert_eq!(head.place(id(3)), Place::Queued);
        assert_eq!(head.leave(id(1)), Some(id(3)));
        assert_eq!(head.place(id(3)), Place::Active);
        assert_eq!(head.leave(id(3)), None);
        assert_eq!(head.active, None);
    }

    #[test]
    fn s02_an_older_upload_that_comes_late_is_out_of_date() {
        let mut head = head();
        head.admit(id(2));
        assert_eq!(head.admit(id(1)), Admission::OutOfDate { by: id(2) });
        head.leave(id(2));
        assert_eq!(head.admit(id(1)), Admission::OutOfDate { by: id(2) });
    }

    #[test]
    fn of_one_second_the_later_arrival_is_the_newer() {
        let at = |ms| RolloutId::derive(Timestamp::from_millisecond(ms).unwrap(), &["r"]);
        let mut head = head();
        head.admit(at(5_900));
        assert_eq!(head.admit(at(5_000)), Admission::Queued);
        assert_eq!(head.place(at(5_000)), Place::Queued);
        assert_eq!(head.admit(at(4_999)), Admission::OutOfDate { by: at(5_000) });
    }

    #[test]
    fn promise_6_the_same_rollout_again_changes_nothing() {
        let mut head = head();
        head.admit(id(1));
        head.admit(id(2));
        let before = head.clone();
        assert_eq!(head.admit(id(2)), Admission::Queued);
        assert_eq!(head.admit(id(1)), Admission::OutOfDate { by: id(2) });
        assert_eq!(head, before);
    }

    #[test]
    fn leaving_twice_does_not_put_out_the_next_one() {
        let mut head = head();
        head.admit(id(1));
        head.admit(id(2));
        head.leave(id(1));
        assert_eq!(head.leave(id(1)), None);
        assert_eq!(head.active, Some(id(2)));
    }

    #[test]
    fn what_was_stable_before_is_remembered_once_and_in_order() {
        let release = |n: &str| ReleaseId::derive(Timestamp::UNIX_EPOCH, &[n]);
        let mut head = head();
        for n in ["a", "b", "b", "c", "a"] {
            head.settle(release(n));
        }
        assert_eq!((head.stable, head.past.clone()), (Some(release("a")), vec![release("c"), release("b")]));
        for n in 0..30 {
            head.settle(release(&n.to_string()));
        }
        assert_eq!(head.past.len(), StageHead::PAST_MAX);
    }

    #[test]
    fn a_stage_needs_what_runs_may_run_was_stable_and_is_rolled_out() {
        let release = |n: &str| ReleaseId::derive(Timestamp::UNIX_EPOCH, &[n]);
        let target = |region: &str| Target::parse(&format!("000000000000/{region}")).unwrap();
        let running = |runs: &str, rollout, status: &str| Running {
            proven: Some((release(runs), Digest::of(b"p"))),
            rollout: id(rollout),
            status: status.into(),
            at: Timestamp::UNIX_EPOCH,
        };
        let mut head = head();
        for stable in ["a", "b", "c"] {
            head.settle(release(stable));
        }
        head.targets.insert(target("eu-west-1"), running("b", 1, "succeeded"));
        head.targets.insert(target("eu-west-2"), running("old", 2, "failed"));
        (head.active, head.queued) = (Some(id(3)), Some(id(4)));
        head.unsettle(release("maybe"));
        let needed: BTreeSet<ReleaseId> = head.needed().collect();
        assert_eq!(needed, ["a", "b", "c", "old", "maybe"].map(release).into());
        assert_eq!(head.unended(), [2, 3, 4].map(id).into());
        head.settle_targets();
        assert_eq!(head.unsettled, [release("maybe")], "of one target it is not known");
        head.targets.insert(target("eu-west-2"), running("c", 5, "succeeded"));
        head.settle_targets();
        assert_eq!(head.unsettled, []);
        for n in 0..30 {
            head.unsettle(release(&n.to_string()));
            head.unsettle(release(&n.to_string()));
        }
        assert_eq!((head.unsettled.len(), head.unsettled[0]), (StageHead::UNSETTLED_MAX, release("29")));
    }

    #[test]
    fn q12_a_preview_expires_by_the_clock_and_only_if_something_is_left() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut head = head();
        head.renew(at(0), Some(1));
        assert!(!head.is_expired(at(9_999)), "nothing was ever deployed");
        let running = Running { proven: None, rollout: id(1), status: "succeeded".into(), at: at(0) };
        head.targets.insert(Target::parse("000000000000/eu-west-1").unwrap(), running);
        assert!(!head.is_expired(at(3_599)));
        assert!(head.is_expired(at(3_600)));
        head.renew(at(3_600), None);
        assert!(!head.is_expired(at(999_999_999)));
    }
}
