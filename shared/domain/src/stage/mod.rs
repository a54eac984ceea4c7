//! The head of a stage: what runs there, which rollout is active and which one is queued.
//!
//! It serialises the rollouts of a stage. Every change of a head is a pure function whose result is saved on the
//! condition that the head is unchanged.

mod running;
mod upload_count;

pub use running::Running;
pub use upload_count::UploadCount;

use crate::code::{Code, Refusal};
use crate::deployment::ApiMapping;
use crate::digest::Digest;
use crate::git_ref::GitRef;
use crate::ids::{ReleaseId, RolloutId};
use crate::names::{ProfileName, ServiceName, StackName, StackPart, StageName};
use crate::target::{Site, Slot, Target};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A stack of a stage, the same in every account-region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStack {
    /// Its name.
    pub name: StackName,
    /// Its level: the length of the longest chain of stacks that it needs.
    pub level: usize,
}

/// A hold: a package must not be deployed to a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Who put it on hold.
    pub by: String,
    /// Why.
    pub because: String,
    /// When it was put on hold.
    pub at: Timestamp,
}

/// The head of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageHead {
    /// The service.
    pub service: ServiceName,
    /// The stage.
    pub stage: StageName,
    /// The profile of its newest rollout.
    pub profile: ProfileName,
    /// The active rollout.
    pub active: Option<RolloutId>,
    /// The queued rollout, which becomes active next. A newer one supersedes it.
    pub queued: Option<RolloutId>,
    /// The newest rollout ever admitted: an older one is not admitted.
    pub newest: Option<RolloutId>,
    /// The release of the last rollout that succeeded at every target.
    pub stable: Option<ReleaseId>,
    /// The releases that were stable before, the latest first, each once.
    pub past: Vec<ReleaseId>,
    /// Releases that may run at a target without proof, because a deployment of them failed; the latest first.
    /// Cleared once all targets are proven again.
    pub unsettled: Vec<ReleaseId>,
    /// The packages on hold.
    pub holds: BTreeMap<Digest, Hold>,
    /// What runs where.
    pub targets: BTreeMap<Target, Running>,
    /// Of a stage that is deployed blue/green: the slot that gets the traffic.
    pub live: BTreeMap<Site, Slot>,
    /// The account-regions that a rollout has left without traffic: their records have the weight 0.
    pub drained: BTreeSet<Site>,
    /// The API mapping that points at the live slots.
    pub mapping: Option<ApiMapping>,
    /// All stacks that a rollout has ever begun to create here. A removal needs their names.
    pub stacks: BTreeMap<Option<StackPart>, KnownStack>,
    /// When a preview expires unless another upload comes; `None` for a permanent stage.
    pub expires_at: Option<Timestamp>,
    /// Until when an operator has extended a preview.
    pub extended_to: Option<Timestamp>,
    /// The uploads to a preview in the current hour.
    pub uploads: UploadCount,
    /// The ref of a preview's newest upload, and when that was uploaded.
    pub uploaded: Option<(GitRef, Timestamp)>,
    /// When the ref of a preview was last closed.
    pub closed_at: Option<Timestamp>,
}

/// The result of admitting a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is active.
    Active,
    /// It is queued: it becomes active after the active rollout, or supersedes it if that has not begun.
    Queued,
    /// A newer rollout was admitted before it.
    OutOfDate {
        /// The newer one.
        by: RolloutId,
    },
}

/// The place of a rollout at its stage's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is active and no rollout is queued.
    Active,
    /// It is active and a newer rollout is queued.
    ActiveWithSuccessor(RolloutId),
    /// It is queued.
    Queued,
    /// It was superseded by a newer rollout, or was never admitted.
    Replaced(Option<RolloutId>),
}

/// Whether a rollout belongs to an earlier second. S3 reports the time of an upload to the second; of two rollouts
/// of one second, the later arrival counts as newer.
fn is_older(rollout: RolloutId, than: RolloutId) -> bool {
    rollout.time().as_second() < than.time().as_second()
}

impl StageHead {
    /// The head of a stage without rollouts.
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
            live: BTreeMap::new(),
            drained: BTreeSet::new(),
            mapping: None,
            stacks: BTreeMap::new(),
            expires_at: None,
            extended_to: None,
            uploads: UploadCount::default(),
            uploaded: None,
            closed_at: None,
        }
    }

    /// Admits a rollout. Admitting the same rollout again returns its present place.
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

    /// Starts a preview's lifetime again at `now`, or removes the expiry of a stage that is permanent. A preview that was extended does
    /// not end earlier.
    pub fn renew(&mut self, now: Timestamp, ttl_h: Option<u32>) {
        let end = |h: u32| now.saturating_add(SignedDuration::from_hours(h.into())).unwrap_or(Timestamp::MAX);
        self.expires_at = ttl_h.map(|h| self.extended_to.map_or(end(h), |extended| extended.max(end(h))));
    }

    /// Lets a preview end at this time, unless it ends later anyway. Returns whether this changes anything.
    pub fn extend(&mut self, to: Timestamp) -> bool {
        let is_later = self.expires_at.is_some_and(|end| end < to);
        if is_later {
            (self.expires_at, self.extended_to) = (Some(to), Some(to));
        }
        is_later
    }

    /// Records the newest upload to a preview.
    pub fn uploaded(&mut self, git_ref: &GitRef, at: Timestamp) {
        if self.uploaded.as_ref().is_none_or(|(_, newest)| *newest <= at) {
            self.uploaded = Some((git_ref.clone(), at));
        }
    }

    /// Records that the ref of a preview was closed. Returns whether the preview ends: not if it was uploaded again after that.
    /// S3 reports times to the second; what was uploaded in the same second came before.
    pub fn close(&mut self, at: Timestamp) -> bool {
        if self.uploaded.as_ref().is_some_and(|(_, uploaded_at)| uploaded_at.as_second() > at.as_second()) {
            return false;
        }
        self.closed_at = self.closed_at.max(Some(at));
        true
    }

    /// Whether an upload came before the end of its ref.
    ///
    /// # Errors
    /// [`Code::RefClosed`].
    pub fn check_open(&self, uploaded_at: Timestamp) -> Result<(), Refusal> {
        match self.closed_at {
            Some(closed_at) if uploaded_at.as_second() <= closed_at.as_second() => {
                let what = format!("the ref of {}/{} was closed at {closed_at}", self.service, self.stage);
                let fix = "nothing, if the branch or pull request is gone; otherwise upload again";
                Err(Refusal::new(Code::RefClosed, what, fix))
            }
            _ => Ok(()),
        }
    }

    /// The place of a rollout.
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

    /// Removes a rollout that has ended and makes the queued one active; returns the newly active one.
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

    /// Most releases in `past`.
    pub const PAST_MAX: usize = 20;
    /// Most packages on hold.
    pub const HOLDS_MAX: usize = 50;

    /// Records that a release runs at every target.
    pub fn settle(&mut self, release: ReleaseId) {
        if let Some(before) = self.stable.replace(release).filter(|before| *before != release) {
            self.past.insert(0, before);
        }
        self.past.retain(|past| *past != release);
        self.past.truncate(Self::PAST_MAX);
    }

    /// Most releases in `unsettled`.
    pub const UNSETTLED_MAX: usize = 20;

    /// Records that a release may run at a target, because its deployment failed.
    pub fn unsettle(&mut self, release: ReleaseId) {
        self.unsettled.retain(|other| *other != release);
        self.unsettled.insert(0, release);
        self.unsettled.truncate(Self::UNSETTLED_MAX);
    }

    /// Clears `unsettled` if it is known of every target what runs there.
    pub fn settle_targets(&mut self) {
        if self.is_settled() {
            self.unsettled.clear();
        }
    }

    /// Whether a release is known to have run at the stage: at every target, or as the last proven release of one.
    pub fn has_run(&self, release: &ReleaseId) -> bool {
        let proven = |running: &Running| running.proven.is_some_and(|(proven, _)| proven == *release);
        self.stable == Some(*release) || self.past.contains(release) || self.targets.values().any(proven)
    }

    /// Whether a target runs, or may run, another release than the stable one.
    pub fn is_astray(&self) -> bool {
        let runs_stable = |running: &Running| {
            running.is_known() && running.proven.map(|(release, _)| release) == self.stable
        };
        self.stable.is_some() && !self.serving().all(runs_stable)
    }

    /// The stable release, if it is known to get all traffic at every target.
    pub fn served(&self) -> Option<ReleaseId> {
        let is_served = |running: &Running| {
            running.serves_proven() && running.proven.map(|(release, _)| release) == self.stable
        };
        self.stable.filter(|_| self.serving().all(is_served))
    }

    /// What runs at the targets that get traffic: of two slots only one does, and beside it nothing that was deployed without slots.
    pub fn serving(&self) -> impl Iterator<Item = &Running> {
        let serves = |target: &Target| self.live.get(&target.site) == target.slot.as_ref();
        self.targets.iter().filter(move |(target, _)| serves(target)).map(|(_, running)| running)
    }

    /// Whether a rollout leads the traffic as the stage has it: by the same API mapping, if one points at its slots.
    ///
    /// # Errors
    /// [`Code::RouteChanged`].
    pub fn check_route(&self, mapping: Option<&ApiMapping>) -> Result<(), Refusal> {
        let Some(known) = self.mapping.as_ref().filter(|_| !self.live.is_empty()) else { return Ok(()) };
        if mapping.is_some_and(|mapping| (&mapping.domain, &mapping.path) == (&known.domain, &known.path)) {
            return Ok(());
        }
        let (service, stage) = (&self.service, &self.stage);
        let what = match mapping {
            Some(other) => {
                format!("{service}/{stage} gets its traffic by {known}, and the profile says {other}")
            }
            None => {
                format!("{service}/{stage} gets its traffic by {known}, and the profile says no API mapping")
            }
        };
        let fix = format!(
            "change the profile's traffic back, or remove the stage first: flotilla remove {service} --stage {stage}"
        );
        Err(Refusal::new(Code::RouteChanged, what, fix))
    }

    /// The account-regions whose traffic goes to a slot that is proven to run this release.
    pub fn live_with(&self, release: ReleaseId) -> BTreeSet<Site> {
        let runs = |(target, running): (&Target, &Running)| {
            let is_it = running.is_known() && running.proven.is_some_and(|(proven, _)| proven == release);
            (is_it && self.is_live(target) == Some(true)).then(|| target.site.clone())
        };
        self.targets.iter().filter_map(runs).collect()
    }

    /// Whether a target gets the traffic of its stage; `None` if there are no slots in its account-region.
    pub fn is_live(&self, target: &Target) -> Option<bool> {
        let live = self.live.get(&target.site);
        (live.is_some() || target.slot.is_some()).then(|| live == target.slot.as_ref())
    }

    /// The releases that run at the stage, may run there, or were stable and can be rolled back to. The releases of its
    /// rollouts are needed too, see [`StageHead::unended`].
    pub fn needed(&self) -> impl Iterator<Item = ReleaseId> {
        let proven = self.targets.values().filter_map(|running| Some(running.proven?.0));
        let listed = self.stable.iter().chain(&self.past).chain(&self.unsettled).copied();
        listed.chain(proven)
    }

    /// The rollouts whose releases the stage needs: those that have not ended, and those whose deployment is the last
    /// of a target and failed.
    pub fn unended(&self) -> BTreeSet<RolloutId> {
        let unknown = self.targets.values().filter(|running| !running.is_known());
        let open = self.active.into_iter().chain(self.queued);
        open.chain(unknown.map(|running| running.rollout)).collect()
    }

    /// The packages that were last proven at its targets that get traffic.
    pub fn running(&self) -> BTreeSet<Digest> {
        self.serving().filter_map(|running| running.proven.map(|(_, package)| package)).collect()
    }

    /// Whether the last deployment of every target succeeded.
    pub fn is_settled(&self) -> bool {
        self.targets.values().all(Running::is_known)
    }

    /// Whether nothing runs at the stage, and nothing is on its way to it.
    pub fn is_idle(&self) -> bool {
        self.targets.is_empty() && self.active.is_none() && self.queued.is_none()
    }

    /// Whether the preview has expired and has targets left to remove.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now) && !self.targets.is_empty()
    }
}

#[cfg(test)]
mod tests;
