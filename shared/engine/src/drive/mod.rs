//! The heart: load, look, decide, save, act, come again.
//!
//! A step never acts on what was not saved, so whatever crashes between two calls is healed by the next
//! tick, and a tick that comes twice or late loses on the version of what it would save.

mod deployment;
mod observe;
mod perform;
mod rollout;

use crate::EngineError;
use crate::ports::{Buckets, Clock, ErrorKind, Functions, PortError, Stacks, StateStore, Subject, WorkQueue};
use crate::records::{lease_holder, lease_key};
use flotilla_domain::{Cause, Code, StackName, Target, Timestamp};
use std::sync::Arc;

/// The use case and what it needs.
pub struct Drive {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
    /// CloudFormation.
    pub stacks: Arc<dyn Stacks>,
    /// Lambda.
    pub functions: Arc<dyn Functions>,
    /// Buckets of previews.
    pub buckets: Arc<dyn Buckets>,
}

impl Drive {
    /// Takes the next steps of a rollout or deployment, as far as nothing has to be waited for.
    ///
    /// # Errors
    /// When the table or a queue fails; the same tick again goes on.
    pub async fn tick(&self, subject: &Subject) -> Result<(), EngineError> {
        match subject {
            Subject::Rollout(id) => self.rollout(id).await,
            Subject::Deployment(id) => self.deployment(id).await,
        }
    }
}

impl Drive {
    /// A stack's status changed: a hint, nothing more. Whoever holds the stack looks for itself.
    ///
    /// # Errors
    /// When the table or a queue fails.
    pub async fn hint(&self, target: &Target, stack: &StackName) -> Result<(), EngineError> {
        let found = self.store.get(&[lease_key(target, stack)]).await?.into_iter().next().flatten();
        match found.as_ref().and_then(lease_holder) {
            Some(holder) => self.deployment(&holder).await,
            None => Ok(()),
        }
    }
}

/// When the sweep looks after an item whose next tick comes in `delay_s`, should that be lost.
pub(crate) fn due_at(now: Timestamp, delay_s: u32) -> Timestamp {
    /// Longer than a step takes, short enough that a lost tick is found within two minutes.
    const GRACE_S: i64 = 60;
    let after = flotilla_domain::SignedDuration::from_secs(i64::from(delay_s) + GRACE_S);
    now.saturating_add(after).unwrap_or(now)
}

/// What an error means that will not pass.
pub(crate) fn cause_of(error: &PortError) -> Cause {
    let (code, fix) = match error.kind {
        ErrorKind::Denied => (
            Code::AccessDenied,
            "update the account's stack of infra/account.yaml, so that its roles allow this",
        ),
        ErrorKind::Quota => (
            Code::QuotaReached,
            "ask AWS for a higher quota or free what is not needed, then start the rollout again",
        ),
        ErrorKind::Missing => {
            (Code::RegionNotPrepared, "prepare the region with flotilla install, or infra/regional.yaml")
        }
        ErrorKind::Permanent | ErrorKind::Throttled | ErrorKind::Transient => {
            (Code::CallRefused, "mend what AWS complains of, then start the rollout again")
        }
    };
    Cause::new(code, error.to_string(), fix)
}
