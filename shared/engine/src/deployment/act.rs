//! Carries out the commands of a saved deployment. Every command can be repeated.

use super::cause::refused;
use super::place;
use crate::deployment::DeploymentController;
use crate::ports::{
    ChangeSetRequest, ChangeSetStatus, ErrorKind, Executed, Place, PortError, RollbackTriggers,
};
use flotilla_domain::Site;
use flotilla_domain::deployment::{Command, Deployment, DeploymentKind, Drift, Effort, Event, StackRollback};
use flotilla_domain::release::package::KEEP_BUCKET_PARAMETER;

/// The alarms that make CloudFormation roll the operation back.
fn triggers(deployment: &Deployment) -> Option<RollbackTriggers> {
    let alarms = Some(&deployment.spec.alarms).filter(|_| deployment.is_watched())?;
    let Site { account, region } = &deployment.id.target.site;
    let partition = region.partition();
    let arn = |name: &String| format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}");
    Some(RollbackTriggers { alarm_arns: alarms.iter().map(arn).collect(), ..RollbackTriggers::default() })
}

impl DeploymentController {
    /// Carries out a command. Returns the event that follows from it.
    pub(crate) async fn perform(
        &self,
        deployment: &Deployment,
        command: &Command,
    ) -> Result<Event, PortError> {
        let place = place(deployment);
        match command {
            Command::CreateChangeSet { name, kind } => {
                let DeploymentKind::Deploy(release) = &deployment.spec.kind else { return Ok(Event::Acted) };
                let spec = &deployment.spec;
                let mut parameters = spec.parameters.clone();
                if release.may_keep_bucket {
                    parameters.insert(KEEP_BUCKET_PARAMETER.into(), deployment.keeps_bucket.to_string());
                }
                parameters.extend(deployment.stable_versions());
                let request = ChangeSetRequest {
                    stack: spec.stack.clone(),
                    name: name.clone(),
                    kind: *kind,
                    template: release.template,
                    parameters,
                    tags: spec.tags.clone(),
                    capabilities: spec.capabilities.clone(),
                    express: spec.policy.express,
                    // A drift-aware change set compares with deployed resources, so the stack must exist.
                    revert_drift: spec.policy.drift != Drift::Ignore && !deployment.creates,
                    rollback: triggers(deployment),
                };
                match self.stacks.create_change_set(&place, &request).await {
                    // Another actor created the stack after it was observed.
                    Err(error) if error.message.contains("already exists and cannot be created again") => {
                        return Ok(Event::PlanGone);
                    }
                    Err(error) if error.kind == ErrorKind::Permanent => {
                        return Ok(Event::PlanRefused(refused(&error)));
                    }
                    other => other?,
                }
            }
            Command::ExecuteChangeSet { change_set_id, token } => {
                let stack = &deployment.spec.stack;
                if self.stacks.execute(&place, stack, change_set_id, token).await? == Executed::Stale {
                    return Ok(Event::PlanGone);
                }
            }
            Command::CancelUpdate { stack_id, token } => {
                return self.cancel(deployment, &place, stack_id, token).await;
            }
            Command::RollBackStack { stack_id, how: StackRollback::ContinueRollback, token } => {
                let skip = &deployment.spec.policy.skip_resources;
                self.stacks.continue_rollback(&place, stack_id, token, skip).await?;
            }
            Command::RollBackStack { stack_id, how: StackRollback::RollBack, token } => {
                self.stacks.roll_back(&place, stack_id, token).await?;
            }
            Command::DeleteStack { stack_id, effort, token } => {
                self.stacks.delete(&place, stack_id, token, effort).await?;
            }
            Command::ShiftTraffic(percent) => {
                let mapping = deployment.spec.mapping.as_ref().zip(deployment.mapped.as_ref());
                return match (mapping, &deployment.spec.record) {
                    (Some(mapped), _) => self.switch(mapped, &place, *percent).await,
                    (None, Some(record)) => self.weigh((deployment, record), &place, *percent).await,
                    (None, None) => self.shift(deployment, &place, *percent).await,
                };
            }
            Command::Drain => return self.drain(deployment, &place).await,
            Command::RemoveMapping => return self.remove_mapping(deployment, &place).await,
            Command::DiscardPlan { name } => self.discard(deployment, &place, name).await?,
        }
        Ok(Event::Acted)
    }

    /// Cancels the update, if this deployment's change set is still the one that is executing: CloudFormation
    /// would cancel any update.
    async fn cancel(
        &self,
        deployment: &Deployment,
        place: &Place,
        stack_id: &str,
        token: &str,
    ) -> Result<Event, PortError> {
        let Some(change_set_id) = &deployment.change_set_id else { return Ok(Event::NothingToStop) };
        let stack = &deployment.spec.stack;
        let status = self.stacks.change_set_status(place, stack, change_set_id).await?;
        let runs = status == Some(ChangeSetStatus::Executing);
        let stopped = runs && self.stacks.cancel_update(place, stack_id, token).await?;
        Ok(if stopped { Event::Acted } else { Event::NothingToStop })
    }

    /// Deletes a change set that is not executed. Deletes its stack too if the change set created it: the stack
    /// is in review and has no other change set.
    async fn discard(&self, deployment: &Deployment, place: &Place, name: &str) -> Result<(), PortError> {
        let stack = deployment.spec.stack.as_str();
        self.stacks.delete_change_set(place, stack, name).await?;
        if !deployment.creates {
            return Ok(());
        }
        // By name: the stack that was seen before may have been deleted and recreated since.
        let Some(seen) = self.stacks.describe(place, stack).await? else { return Ok(()) };
        if seen.status != "REVIEW_IN_PROGRESS" || self.stacks.has_change_sets(place, stack).await? {
            return Ok(());
        }
        let token = format!("{name}-discard");
        self.stacks.delete(place, &seen.stack_id, &token, &Effort::First).await
    }
}
