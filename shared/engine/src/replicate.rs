//! A package is brought to one target's bucket and proven there, byte for byte, by S3's own checksum.
//! S3 itself copies; only where a profile says so do the bytes pass through here, as they come.

use crate::EngineError;
use crate::accept::{keep, wake};
use crate::drive::cause_of;
use crate::ports::{Clock, CopySource, Place, PortError, Presence, ReplicaStore, StateStore, WorkQueue};
use crate::records::{ReplicaRecord, read, release_key, replica_key, rollout_key};
use flotilla_domain::profile::Copies;
use flotilla_domain::release::Release;
use flotilla_domain::retention::Pace;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{Cause, Code, Digest, ReleaseId, RolloutId, Site};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The use case and what it needs.
pub struct Replicate {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
    /// The targets' buckets.
    pub replicas: Arc<dyn ReplicaStore>,
    /// How old what is there already may be.
    pub pace: Pace,
}

/// Objects copied to one target at a time.
const COPIES_AT_ONCE: usize = 8;

/// One message's work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicateJob {
    /// The release.
    pub release: ReleaseId,
    /// The rollout that waits for it.
    pub rollout: RolloutId,
    /// Where.
    pub site: Site,
}

impl Replicate {
    /// Does several jobs at once and wakes each rollout once. Answers, in the order of the jobs, what
    /// failed and should be tried again.
    pub async fn run(&self, jobs: &[ReplicateJob]) -> Vec<Result<(), EngineError>> {
        let results = futures::future::join_all(jobs.iter().map(|job| self.bring(job))).await;
        let done = jobs.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let rollouts: BTreeSet<RolloutId> = done.map(|(job, _)| job.rollout).collect();
        if let Err(error) = wake(self.queue.as_ref(), rollouts).await {
            // What is proven is saved; the sweep finds the rollout by its due time.
            tracing::warn!("the rollouts could not be woken: {error}");
        }
        results
    }

    /// Brings a package to a target and saves the proof, or why there can be none.
    async fn bring(&self, job: &ReplicateJob) -> Result<(), EngineError> {
        let keys = [rollout_key(&job.rollout), replica_key(&job.release, &job.site)];
        let mut found = self.store.get(&keys).await?.into_iter();
        let (rollout, replica) = (found.next().flatten(), found.next().flatten());
        let Some(rollout) = rollout.map(read::<Rollout>).transpose()?.map(|r| r.value) else {
            return Err(EngineError::Defect(format!("the rollout {} is not saved", job.rollout)));
        };
        let proven =
            replica.map(read::<ReplicaRecord>).transpose()?.is_some_and(|r| r.value.failure.is_none());
        // No stage names what is only planned: that it is kept until then is made sure of by its age.
        if (proven && !rollout.plan_only) || rollout.state.is_terminal() {
            return Ok(());
        }
        let release = self
            .store
            .get(&[release_key(&rollout.service, &job.release)])
            .await?
            .into_iter()
            .next()
            .flatten();
        let Some(release) = release.map(read::<Release>).transpose()?.map(|r| r.value) else {
            return Err(EngineError::Defect(format!("the release {} is not saved", job.release)));
        };
        let place = Place { site: job.site.clone(), access: rollout.access.clone() };
        let copies = release
            .package
            .objects()
            .into_iter()
            .map(|(key, digest)| self.prove(&place, rollout.copies, key, digest));
        let copies: Vec<_> = copies.collect();
        let outcome: Result<Vec<()>, Unproven> =
            stream::iter(copies).buffer_unordered(COPIES_AT_ONCE).try_collect().await;
        let failure = match outcome {
            Ok(_) => None,
            Err(Unproven::Call(error)) if error.may_pass() => return Err(error.into()),
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
        Ok(self.store.write(vec![keep(&record)]).await?)
    }

    /// Makes sure that an object is there, has the right bytes, and will be there until the rollout that needs
    /// it is known to everybody: one that is so old that it could be removed is copied anew.
    async fn prove(&self, place: &Place, how: Copies, key: String, digest: Digest) -> Result<(), Unproven> {
        let seen = self.replicas.presence(place, &key).await?;
        let renewed_before = self.pace.renewed_before(self.clock.now());
        let is_young = seen.stored_at.is_some_and(|at| at >= renewed_before);
        if seen.presence == Presence::Proven(digest) && is_young {
            return Ok(());
        }
        let copied = self.replicas.copy(place, &CopySource { key: key.clone(), digest }, how).await?;
        match copied {
            Presence::Proven(found) if found == digest => Ok(()),
            other => Err(Unproven::Differs(Cause::new(
                Code::ReplicaUnproven,
                format!("{key} was copied, but S3 answers {other:?} instead of sha256:{digest}"),
                "retry the rollout; if it fails again, compare the object in the ingest bucket with its name",
            ))),
        }
    }
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
