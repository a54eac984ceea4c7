//! Retry of what a rollout did not bring about.

use super::admit::{Arrival, Upon};
use super::compose::{plan_removal, plan_rollout};
use super::route::Way;
use crate::EngineError;
use crate::access::{Caller, Commands, conflict, missing};
use crate::plan::Allowed;
use crate::records::{deployments_query, read, rollout_key, stage_key};
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::deployment::{Deployment, Drift};
use flotilla_domain::rollout::{Rollout, RolloutKind};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{RolloutId, Target, Turn};
use std::collections::BTreeSet;

/// What an operator allows for one retry, beyond what the profile does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperatorsWord {
    /// Resources that a stuck rollback may leave as they are, by logical id.
    pub skip: BTreeSet<String>,
    /// What was changed outside of CloudFormation may be changed back.
    pub accept_drift: bool,
    /// A stack that resists its deletion may be deleted by force.
    pub force: bool,
    /// Resources that may be lost although a safeguard keeps them.
    pub allow: Allowed,
}

impl OperatorsWord {
    /// What the audit says of a retry with it.
    fn told(&self, id: &RolloutId) -> String {
        let mut told = format!("of {id}");
        for resource in &self.skip {
            told.push_str(&format!(", skip {resource}"));
        }
        for (given, name) in [(self.accept_drift, "accept drift"), (self.force, "force")] {
            if given {
                told.push_str(&format!(", {name}"));
            }
        }
        told
    }
}

impl Commands {
    /// Does again what a rollout did not bring about, at the targets where it did not, as the profile is now.
    ///
    /// # Errors
    /// Refusals: there is no such rollout, it has not ended or has left nothing to do, or a newer one has
    /// come after it.
    pub async fn retry(
        &self,
        id: &RolloutId,
        word: &OperatorsWord,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let failed = self.rollout(id).await?;
        let scope = Scope::stage(&failed.service, &failed.stage);
        let order = self.order(caller, Act::Retry, scope).await?.detail(word.told(id));
        let head_key = stage_key(&failed.service, &failed.stage);
        let head = self.store.get(&[head_key]).await?.into_iter().next().flatten();
        let head = head.map(read::<StageHead>).transpose()?.map(|head| head.value);
        if !failed.state.properties().is_retryable {
            let refusal = conflict(format!("the rollout is {}", failed.state.name()));
            return Err(EngineError::conflict(refusal, &failed));
        }
        let head = head.ok_or_else(|| EngineError::Defect(format!("the rollout {id} has no stage")))?;
        if head.newest != Some(*id) {
            return Err(EngineError::conflict(conflict("a newer rollout came after it".into()), &head));
        }
        let left = self.left_to_do(&failed).await?;
        let now = self.clock.now();
        let new = RolloutId::derive(now, &[&caller.request_id]);
        let (mut rollout, ttl_h) = match failed.release() {
            Some(release) => {
                let Way { release, route, .. } =
                    self.store.way(&failed.service, &release, &failed.stage).await?;
                let destination = self.store.destination(&route.profile).await?;
                let plan = plan_rollout(new, &release, &route, &destination, &caller.principal, now)?;
                (plan, route.ttl_h)
            }
            None => {
                let destination = self.store.destination(&failed.profile).await?;
                (
                    Rollout {
                        requested_by: caller.principal.clone(),
                        ..plan_removal(new, &head, &destination, now)
                    },
                    None,
                )
            }
        };
        rollout.keep_targets(&left);
        if rollout.waves.is_empty() {
            let refusal = conflict("the rollout has left nothing to do".into());
            return Err(EngineError::conflict(refusal, &failed));
        }
        rollout.retry_of = Some(failed.retry_of.unwrap_or(failed.id));
        rollout.policy.skip_resources = word.skip.clone();
        rollout.policy.force_delete |= word.force;
        word.allow.apply_to(&mut rollout)?;
        if word.accept_drift && rollout.policy.drift == Drift::Refuse {
            rollout.policy.drift = Drift::Revert;
        }
        let upon = Upon::Newest(Some(*id));
        self.let_in(order, Arrival { upon, ..Arrival::of(&rollout, ttl_h) }).await
    }

    /// The targets at which a rollout did not bring about what it should: where it failed, where it was
    /// called off, where it never came to, and where it went back.
    async fn left_to_do(&self, rollout: &Rollout) -> Result<BTreeSet<Target>, EngineError> {
        let mut left: BTreeSet<Target> = rollout.targets().cloned().collect();
        let page = self.store.query(deployments_query(&rollout.id, 2 * Rollout::TARGETS_MAX)).await?;
        let deployments = page.items.into_iter().map(|item| Ok(read::<Deployment>(item)?.value));
        let deployments = deployments.collect::<Result<Vec<Deployment>, EngineError>>()?;
        for deployment in deployments.iter().filter(|d| d.id.turn == Turn::Forward && d.state.is_success()) {
            left.remove(&deployment.id.target);
        }
        for deployment in deployments.iter().filter(|d| d.id.turn == Turn::Back && d.operations > 0) {
            left.insert(deployment.id.target.clone());
        }
        // A removal is tried again where something is left, whatever it was about.
        if rollout.kind == RolloutKind::Remove {
            return Ok(rollout.targets().cloned().collect());
        }
        Ok(left)
    }

    /// A rollout, or that there is none.
    pub(crate) async fn rollout(&self, id: &RolloutId) -> Result<Rollout, EngineError> {
        let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
        let found = found
            .ok_or_else(|| missing(format!("there is no rollout {id}"), "list them with flotilla status"))?;
        Ok(read::<Rollout>(found)?.value)
    }
}
