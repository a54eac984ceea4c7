//! Retry of a rollout at the targets that it did not change as asked.

use super::admit::{AdmissionRequest, Precondition};
use super::compose::{compose_removal, compose_rollout, is_preview};
use super::route::RoutedRelease;
use crate::EngineError;
use crate::access::{Caller, Commands, conflict};
use crate::plan::AllowedLosses;
use crate::records::{deployments_query, read, stage_key};
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::deployment::{Deployment, Drift};
use flotilla_domain::rollout::{Rollout, RolloutKind};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Direction, RolloutId, Target};
use std::collections::BTreeSet;

/// What an operator permits for one retry, in addition to the profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryOptions {
    /// Logical ids of resources that a stuck rollback may skip.
    pub skip: BTreeSet<String>,
    /// Drift may be reverted.
    pub accept_drift: bool,
    /// A stack whose deletion fails may be deleted by force.
    pub force: bool,
    /// Resources that may be lost although a safeguard protects them.
    pub allow: AllowedLosses,
}

impl RetryOptions {
    /// The detail of the retry in the audit.
    fn summary(&self, id: &RolloutId) -> String {
        let mut summary = format!("of {id}");
        for resource in &self.skip {
            summary.push_str(&format!(", skip {resource}"));
        }
        for (given, name) in [(self.accept_drift, "accept drift"), (self.force, "force")] {
            if given {
                summary.push_str(&format!(", {name}"));
            }
        }
        summary
    }
}

impl Commands {
    /// Starts a new rollout for the targets that a rollout did not change as asked, with the current profile.
    ///
    /// # Errors
    /// Refusals: there is no such rollout, it has not ended, no target is left to retry, or the stage has a
    /// newer rollout.
    pub async fn retry(
        &self,
        id: &RolloutId,
        word: &RetryOptions,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let failed = self.rollout(id).await?.value;
        let scope = Scope::stage(&failed.service, &failed.stage);
        let mut order = self.order(caller, Act::Retry, scope).await?.detail(word.summary(id));
        let head_key = stage_key(&failed.service, &failed.stage);
        let head = self.store.get(&[head_key]).await?.into_iter().next().flatten();
        let head = head.map(read::<StageHead>).transpose()?.map(|head| head.value);
        if !failed.state.properties().is_retryable {
            let refusal = conflict(format!("the rollout is {} and cannot be retried", failed.state.name()));
            return Err(EngineError::conflict(refusal, &failed));
        }
        let head = head.ok_or_else(|| EngineError::Defect(format!("the rollout {id} has no stage")))?;
        if head.newest != Some(*id) {
            return Err(EngineError::conflict(conflict("the stage has a newer rollout".into()), &head));
        }
        // A removal is retried at every target that still has a stack.
        let left = match failed.kind {
            RolloutKind::Deploy(_) => self.left_to_do(&failed).await?,
            RolloutKind::Remove => head.targets.keys().cloned().collect(),
        };
        let now = self.clock.now();
        let new = RolloutId::derive(now, &[&caller.request_id]);
        let (mut rollout, preview) = match failed.release() {
            Some(release) => {
                let RoutedRelease { release, route, .. } =
                    self.store.way(&failed.service, &release, &failed.stage).await?;
                let is_rollback = failed.gates.expedite && head.has_run(&release.id);
                let destination = self.store.destination(&route.profile).await?.for_rollback(is_rollback);
                let plan = compose_rollout(new, &release, &route, &destination, &caller.principal, now)?;
                (plan, destination.preview(&route))
            }
            None => {
                let destination = self.store.destination(&failed.profile).await?;
                if !is_preview(&head, &destination.profile) {
                    // Whoever may not remove the stage may not complete its removal.
                    order = self.order(caller, Act::RemoveStage, scope).await?.detail(word.summary(id));
                }
                (compose_removal(new, &head, &destination, &caller.principal, now)?, None)
            }
        };
        rollout.keep_targets(&left);
        if rollout.waves.is_empty() {
            let refusal = conflict("the rollout has no target left to retry".into());
            return Err(EngineError::conflict(refusal, &failed));
        }
        rollout.promote_to = failed.promote_to.clone();
        rollout.retry_of = Some(failed.retry_of.unwrap_or(failed.id));
        rollout.policy.skip_resources = word.skip.clone();
        rollout.policy.force_delete |= word.force;
        word.allow.apply_to(&mut rollout)?;
        if word.accept_drift && rollout.policy.drift == Drift::Refuse {
            rollout.policy.drift = Drift::Revert;
        }
        let precondition = Precondition::NewestIs(Some(*id));
        self.admit(order, AdmissionRequest { precondition, ..AdmissionRequest::of(&rollout, preview) }).await
    }

    /// The targets that a rollout did not change as asked: failed, cancelled, not reached, or reverted.
    async fn left_to_do(&self, rollout: &Rollout) -> Result<BTreeSet<Target>, EngineError> {
        let mut left: BTreeSet<Target> = rollout.targets().cloned().collect();
        let page = self.store.query(deployments_query(&rollout.id, 2 * Rollout::TARGETS_MAX)).await?;
        let deployments = page.items.into_iter().map(|item| Ok(read::<Deployment>(item)?.value));
        let deployments = deployments.collect::<Result<Vec<Deployment>, EngineError>>()?;
        for deployment in
            deployments.iter().filter(|d| d.id.direction == Direction::Forward && d.state.is_success())
        {
            left.remove(&deployment.id.target);
        }
        for deployment in
            deployments.iter().filter(|d| d.id.direction == Direction::Rollback && d.has_changed_anything())
        {
            left.insert(deployment.id.target.clone());
        }
        // A retry chooses the slots again.
        Ok(left.into_iter().map(|target| target.in_slot(None)).collect())
    }
}
