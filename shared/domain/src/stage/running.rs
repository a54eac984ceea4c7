//! What runs at one target of a stage.

use crate::digest::Digest;
use crate::ids::{ReleaseId, RolloutId};
use jiff::Timestamp;

/// What runs at one target, and the outcome of its last deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The release that was last proven to run there, with its package; `None` if none was.
    pub proven: Option<(ReleaseId, Digest)>,
    /// The rollout of the last deployment.
    pub rollout: RolloutId,
    /// The name of the state in which the deployment ended.
    pub status: String,
    /// When the deployment ended.
    pub at: Timestamp,
    /// Whether the aliases of its functions still name the versions of the proven release, although the deployment did not succeed: it was to
    /// shift their traffic, and has given it back.
    pub has_traffic: bool,
}

impl Running {
    /// Whether all traffic is known to go to the release that was last proven.
    pub fn serves_proven(&self) -> bool {
        self.is_known() || self.has_traffic
    }

    /// Whether the release that was last proven is known to run.
    pub(super) fn is_known(&self) -> bool {
        self.status == SUCCEEDED
    }
}

/// The state of a successful deployment.
pub(super) const SUCCEEDED: &str = "succeeded";
