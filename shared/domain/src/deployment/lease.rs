//! The lease: one stack has one owner at a time.

use crate::ids::DeploymentId;

/// The right of one deployment to change one stack. It is taken in the transaction of the deployment's first step
/// and released in the transaction of its last. Every step between them is saved on the condition that the lease
/// still has the number that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackLease {
    /// Grows each time the lease is taken or released; 0 for a stack that never had a lease.
    pub number: u64,
    /// The deployment that holds the lease; `None` if it is free.
    pub holder: Option<DeploymentId>,
    /// How long the stack's last operation took, in seconds.
    pub took_s: Option<u32>,
}

impl StackLease {
    /// The lease of a stack that never had a lease.
    pub const NONE: Self = Self { number: 0, holder: None, took_s: None };

    /// Whether another deployment holds it. If this deployment is the holder already, the reply of the step that
    /// took the lease was lost.
    pub fn is_held_from(&self, deployment: &DeploymentId) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder != deployment)
    }
}
