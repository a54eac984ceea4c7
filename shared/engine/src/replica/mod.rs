//! Replication: copies a package to the bucket of one account-region and proves each object by S3's own
//! checksum. S3 copies the bytes. Only if a profile says so, they are streamed through this process, as container images are, which S3
//! cannot copy to a repository.

mod images;

use crate::EngineError;
use crate::config::role_is_new;
use crate::deployment::cause::cause_of;
use crate::ports::{
    Clock, CopySource, ImageRegistry, Key, Place, PortError, Presence, ReplicaStore, StateStore, WorkQueue,
};
use crate::records::{
    REPLICAS_MAX, ReplicaRecord, keep, read, release_key, replica_key, replicas_query, rollout_key,
};
use crate::step::wake;
use flotilla_domain::release::Release;
use flotilla_domain::release::package::{Asset, Package};
use flotilla_domain::replica::Copies;
use flotilla_domain::retention::Pace;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{Cause, Code, ReleaseId, RolloutId, Site};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The use case and the ports that it needs.
pub struct Replicate {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The state store.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
    /// The artifact buckets.
    pub replicas: Arc<dyn ReplicaStore>,
    /// The repositories of container images.
    pub images: Arc<dyn ImageRegistry>,
    /// How old a stored object may be before it is copied again.
    pub pace: Pace,
}

/// Objects copied to one account-region concurrently.
const COPIES_AT_ONCE: usize = 8;

/// The work of one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicateJob {
    /// The release.
    pub release: ReleaseId,
    /// The rollout that waits for it.
    pub rollout: RolloutId,
    /// The account-region.
    pub site: Site,
}

impl Replicate {
    /// Runs several jobs and wakes each rollout once, if it waits for no other replica. Returns the results in
    /// the order of the jobs; failed jobs should be retried.
    pub async fn run(&self, jobs: &[ReplicateJob]) -> Vec<Result<(), EngineError>> {
        let known = match self.look_up(jobs).await {
            Ok(known) => known,
            Err(EngineError::Port(error)) => return jobs.iter().map(|_| Err(error.clone().into())).collect(),
            // One unreadable item does not block the other jobs.
            Err(_) if jobs.len() > 1 => {
                let alone = jobs.iter().map(|job| self.run(std::slice::from_ref(job)));
                return futures::future::join_all(alone).await.into_iter().flatten().collect();
            }
            Err(error) => return vec![Err(error)],
        };
        let results = futures::future::join_all(jobs.iter().map(|job| self.bring(job, &known))).await;
        let mut ready = BTreeSet::new();
        for (job, result) in jobs.iter().zip(&results) {
            let Some(rollout) = known.rollouts.get(&job.rollout) else { continue };
            let settled = match result {
                Ok(Brought::Failed) => Ok(true),
                Ok(Brought::There) if !ready.contains(&job.rollout) => self.is_settled(rollout, job).await,
                _ => Ok(false),
            };
            // The proofs are saved. The sweep finds a rollout that was not woken.
            match settled {
                Ok(true) => drop(ready.insert(job.rollout)),
                Ok(false) => {}
                Err(error) => tracing::warn!(rollout.id = %job.rollout, "cannot wake the rollout: {error}"),
            }
        }
        if let Err(error) = wake(self.queue.as_ref(), ready).await {
            tracing::warn!("cannot wake the rollouts: {error}");
        }
        results.into_iter().map(|result| result.map(drop)).collect()
    }

    /// Loads what the jobs need, with two reads for all.
    async fn look_up(&self, jobs: &[ReplicateJob]) -> Result<Known, EngineError> {
        let rollouts: BTreeSet<RolloutId> = jobs.iter().map(|job| job.rollout).collect();
        let replicas: BTreeSet<(ReleaseId, &Site)> =
            jobs.iter().map(|job| (job.release, &job.site)).collect();
        let keys = rollouts.iter().map(rollout_key);
        let keys = keys.chain(replicas.iter().map(|(release, site)| replica_key(release, site)));
        let mut found = self.store.get(&keys.collect::<Vec<_>>()).await?.into_iter();
        let mut known = Known::default();
        for item in found.by_ref().take(rollouts.len()).flatten() {
            let rollout = read::<Rollout>(item)?.value;
            known.rollouts.insert(rollout.id, rollout);
        }
        for item in found.flatten() {
            let replica = read::<ReplicaRecord>(item)?.value;
            known.replicas.insert((replica.release, replica.site.clone()), replica);
        }
        let of = |job: &ReplicateJob| {
            let rollout = known.rollouts.get(&job.rollout).filter(|_| !known.is_done(job))?;
            Some(release_key(&rollout.service, &job.release))
        };
        let keys: BTreeSet<Key> = jobs.iter().filter_map(of).collect();
        if !keys.is_empty() {
            let keys: Vec<Key> = keys.into_iter().collect();
            for item in self.store.get(&keys).await?.into_iter().flatten() {
                let release = read::<Release>(item)?.value;
                known.releases.insert(release.id, release);
            }
        }
        Ok(known)
    }

    async fn role_is_new(&self, job: &ReplicateJob, error: &PortError) -> Result<bool, EngineError> {
        role_is_new(self.store.as_ref(), &job.site.account, error, self.clock.now()).await
    }

    /// Copies a package to an account-region and saves the proof, or why it failed.
    async fn bring(&self, job: &ReplicateJob, known: &Known) -> Result<Brought, EngineError> {
        let Some(rollout) = known.rollouts.get(&job.rollout) else {
            return Err(EngineError::Defect(format!("the rollout {} is not saved", job.rollout)));
        };
        if known.is_done(job) {
            return Ok(Brought::There);
        }
        let Some(release) = known.releases.get(&job.release) else {
            return Err(EngineError::Defect(format!("the release {} is not saved", job.release)));
        };
        let place = Place { site: job.site.clone(), access: rollout.access.clone() };
        let failure = match self.bring_package(&place, rollout.copies, &release.package).await {
            Ok(()) => None,
            Err(Unproven::Call(error)) if error.may_pass() => return Err(error.into()),
            Err(Unproven::Call(error)) if self.role_is_new(job, &error).await? => return Err(error.into()),
            Err(Unproven::Call(error)) => Some(cause_of(&error, &place)),
            Err(Unproven::Differs(cause)) => Some(cause),
        };
        if let Some(cause) = &failure {
            tracing::warn!(release.id = %job.release, target = %job.site, code = %cause.code, "not replicated: {}", cause.message);
        }
        let record = ReplicaRecord {
            release: job.release,
            site: job.site.clone(),
            package: release.package.digest,
            failure,
            at: self.clock.now(),
        };
        let failed = record.failure.is_some();
        self.store.write(vec![keep(&record)]).await?;
        Ok(if failed { Brought::Failed } else { Brought::There })
    }

    /// Brings the objects of a package to a bucket, and its container images to the repository beside it.
    async fn bring_package(&self, place: &Place, how: Copies, package: &Package) -> Result<(), Unproven> {
        let objects = package.regional_objects();
        let copies: Vec<_> = objects.iter().map(|object| self.prove(place, how, object)).collect();
        stream::iter(copies).buffer_unordered(COPIES_AT_ONCE).try_collect::<()>().await?;
        for image in package.images() {
            self.bring_image(place, image).await?;
        }
        Ok(())
    }

    /// Whether a rollout waits for no other replica. If two jobs end at the same time, at least one sees both.
    async fn is_settled(&self, rollout: &Rollout, job: &ReplicateJob) -> Result<bool, EngineError> {
        let mut awaited = rollout.waits_for_copies_at();
        awaited.remove(&job.site);
        if awaited.is_empty() {
            return Ok(true);
        }
        for item in self.store.query(replicas_query(&job.release, REPLICAS_MAX)).await?.items {
            let replica = read::<ReplicaRecord>(item)?.value;
            if replica.failure.is_some() || replica.proves_for(rollout) {
                awaited.remove(&replica.site);
            }
        }
        Ok(awaited.is_empty())
    }

    /// Makes sure that an object exists, has the right bytes, and stays until the rollout that needs it is
    /// saved. An object that is old enough to be garbage-collected is copied again.
    async fn prove(&self, place: &Place, how: Copies, object: &Asset) -> Result<(), Unproven> {
        let (key, digest) = (object.key(), object.digest);
        let seen = self.replicas.presence(place, &key).await?;
        let renewed_before = self.pace.renewed_before(self.clock.now());
        let is_young = seen.stored_at.is_some_and(|at| at >= renewed_before);
        if seen.presence == Presence::Proven(digest) && is_young {
            return Ok(());
        }
        let source = CopySource { key: key.clone(), digest };
        let mut copied = self.replicas.copy(place, &source, how).await?;
        if copied == Presence::Unproven && how == Copies::S3 {
            // S3 has a full SHA-256 of every object that is put at once, whatever it reports of its own copy.
            copied = self.replicas.copy(place, &source, Copies::Streamed).await?;
        }
        match copied {
            Presence::Proven(found) if found == digest => Ok(()),
            other => Err(Unproven::Differs(Cause::new(
                Code::ReplicaUnproven,
                format!("{key} was copied, but S3 reports {other:?} instead of sha256:{digest}"),
                "retry the rollout; if it fails again, compare the object in the ingest bucket with its name",
            ))),
        }
    }
}

/// The items that several jobs need.
#[derive(Default)]
struct Known {
    rollouts: BTreeMap<RolloutId, Rollout>,
    replicas: BTreeMap<(ReleaseId, Site), ReplicaRecord>,
    releases: BTreeMap<ReleaseId, Release>,
}

impl Known {
    /// Whether nothing is left to do for a job.
    fn is_done(&self, job: &ReplicateJob) -> bool {
        let replica = self.replicas.get(&(job.release, job.site.clone()));
        self.rollouts.get(&job.rollout).is_some_and(|rollout| {
            rollout.state.is_terminal() || replica.is_some_and(|replica| replica.proves_for(rollout))
        })
    }
}

/// The outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    There,
    Failed,
}

/// Why an object is not proven.
enum Unproven {
    Call(PortError),
    Differs(Cause),
}

impl From<PortError> for Unproven {
    fn from(error: PortError) -> Self {
        Self::Call(error)
    }
}
