//! One stack has one owner at a time.

use crate::ids::DeploymentId;
use jiff::Timestamp;

/// The right of one deployment to change one stack. It is taken in the same transaction as the
/// deployment's first step and given back in the same transaction as its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackLease {
    /// The deployment that holds the lease, or none.
    pub holder: Option<DeploymentId>,
    /// Since when.
    pub since: Timestamp,
}

impl StackLease {
    /// Whether a deployment may take the lease: it is free, or already its own.
    pub fn is_open_to(&self, deployment: &DeploymentId) -> bool {
        self.holder.as_ref().is_none_or(|holder| holder == deployment)
    }
}
