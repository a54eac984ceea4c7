//! The heart: load, look, decide, save, act, come again.
//!
//! A step never acts on what was not saved, so whatever crashes between two calls is healed by the next
//! tick, and a tick that comes twice or late loses on the version of what it would save.

mod meter;

pub use meter::{Counts, Meter};

use crate::EngineError;
use crate::ports::{
    Alarms, Buckets, Clock, Functions, Policies, Probes, Stacks, StateStore, Subject, Work, WorkQueue,
};
use crate::records::{lease_holder, lease_key};
use flotilla_domain::{DeploymentId, RolloutId, Site, StackName, Timestamp};
use std::sync::Arc;
use tracing::{Instrument, info_span};

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
    /// CloudWatch.
    pub alarms: Arc<dyn Alarms>,
    /// The network.
    pub probes: Arc<dyn Probes>,
    /// Rules of profiles.
    pub policies: Arc<dyn Policies>,
    /// What is counted.
    pub meter: Arc<Meter>,
}

impl Drive {
    /// Takes the next steps of a rollout, deployment or set, as far as nothing has to be waited for.
    ///
    /// # Errors
    /// When the table or a queue fails; the same tick again goes on.
    pub async fn tick(&self, subject: &Subject) -> Result<(), EngineError> {
        self.meter.tick();
        match subject {
            Subject::Rollout(id) => self.rollout(id).instrument(info_span!("step", rollout.id = %id)).await,
            Subject::Deployment(id) => self.deployment(id).instrument(span_of(id)).await,
            Subject::Set(id) => self.set(id).instrument(info_span!("step", set.id = %id)).await,
        }
    }
}

impl Drive {
    /// A stack's status changed: a hint, nothing more. Whoever holds the stack looks for itself.
    ///
    /// # Errors
    /// When the table or a queue fails.
    pub async fn hint(&self, site: &Site, stack: &StackName) -> Result<(), EngineError> {
        let found = self.store.get(&[lease_key(site, stack)]).await?.into_iter().next().flatten();
        match found.as_ref().and_then(lease_holder) {
            Some(holder) => self.deployment(&holder).instrument(span_of(&holder)).await,
            None => Ok(()),
        }
    }
}

/// What every line about a deployment says: with it, one rollout's story can be read by its id.
fn span_of(id: &DeploymentId) -> tracing::Span {
    let DeploymentId { rollout, target, turn } = id;
    info_span!("step", rollout.id = %rollout, %target, ?turn)
}

/// When the sweep looks after an item whose next tick comes in `delay_s`, should that be lost.
pub(crate) fn due_at(now: Timestamp, delay_s: u32) -> Timestamp {
    /// Longer than a step takes, short enough that a lost tick is found within two minutes.
    const GRACE_S: i64 = 60;
    let after = flotilla_domain::SignedDuration::from_secs(i64::from(delay_s) + GRACE_S);
    now.saturating_add(after).unwrap_or(now)
}

/// Asks for the next step of rollouts.
pub(crate) async fn wake(
    queue: &dyn WorkQueue,
    rollouts: impl IntoIterator<Item = RolloutId>,
) -> Result<(), EngineError> {
    let work: Vec<_> = rollouts.into_iter().map(|id| (Work::Tick(Subject::Rollout(id)), 0)).collect();
    if work.is_empty() {
        return Ok(());
    }
    Ok(queue.send(work).await?)
}
