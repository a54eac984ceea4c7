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
mod tests;
