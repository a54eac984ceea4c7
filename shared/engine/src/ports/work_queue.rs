//! The queues: work for later, or for another function.

use super::PortError;
use async_trait::async_trait;
use flotilla_domain::{DeploymentId, ReleaseId, RolloutId, SetId, Site, Timestamp};

/// The subject of a tick.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A rollout.
    Rollout(RolloutId),
    /// A deployment.
    Deployment(DeploymentId),
    /// A set of services.
    Set(SetId),
}

/// A message. Any message may arrive twice, late, or never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Take the next step.
    Tick(Subject),
    /// Copy a release's package to an account-region.
    Replicate {
        /// The release.
        release: ReleaseId,
        /// The rollout that waits for it.
        rollout: RolloutId,
        /// The account-region.
        site: Site,
    },
    /// Ingest an upload whose event was lost.
    Intake {
        /// The decoded key.
        key: String,
        /// The object's version.
        version_id: String,
        /// When S3 stored it, to the second. It is part of the upload's id, so it is known even if the object
        /// is deleted.
        uploaded_at: Timestamp,
    },
}

/// The queues.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// Sends messages, each with a delay in seconds (at most 900, the limit of SQS).
    async fn send(&self, work: Vec<(Work, u32)>) -> Result<(), PortError>;
}
