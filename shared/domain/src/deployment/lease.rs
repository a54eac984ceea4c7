//! One stack has one owner at a time.

use crate::ids::DeploymentId;

/// The right of one deployment to change one stack. It is taken in the same transaction as the
/// deployment's first step and given back in the same transaction as its last; every step between them is
/// saved only while the lease still has the number that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackLease {
    /// Grows each time the lease is taken or given back; 0 for a stack that never had one.
    pub number: u64,
    /// The deployment that holds the lease, or none.
    pub holder: Option<DeploymentId>,
    /// How long the stack's last operation took, in seconds.
    pub took_s: Option<u32>,
}

impl StackLease {
    /// The lease of a stack that never had one.
    pub const NONE: Self = Self { number: 0, holder: None, took_s: None };

    /// Whether another deployment holds it. One that finds itself the holder has taken it in a step whose
    /// reply was lost.
    pub fn is_held_from(&self, deployment: &DeploymentId) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder != deployment)
    }
}
