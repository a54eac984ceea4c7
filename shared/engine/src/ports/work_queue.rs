//! Work for later, or for somebody else.

use super::PortError;
use async_trait::async_trait;
use flotilla_domain::{DeploymentId, ReleaseId, RolloutId, SetId, Site, Timestamp};

/// What a tick asks for the next step of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A rollout.
    Rollout(RolloutId),
    /// A deployment.
    Deployment(DeploymentId),
    /// A set of services.
    Set(SetId),
}

/// A message. Every one may come twice, late, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Take the next step.
    Tick(Subject),
    /// Bring a release's package to a target.
    Replicate {
        /// The release.
        release: ReleaseId,
        /// The rollout that waits for it.
        rollout: RolloutId,
        /// Where.
        site: Site,
    },
    /// Look at an upload whose event was lost.
    Intake {
        /// The decoded key.
        key: String,
        /// The object's version.
        version_id: String,
        /// When S3 took it, to the second: part of what tells it from every other upload, even when it is gone.
        uploaded_at: Timestamp,
    },
}

/// The queues.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// Sends messages, each to be seen after its delay in seconds (at most 900, SQS's own limit).
    async fn send(&self, work: Vec<(Work, u32)>) -> Result<(), PortError>;
}
