//! Carrying out what a saved deployment asks for. Every command can be repeated.

use super::Drive;
use super::observe::place;
use crate::ports::{ChangeSetRequest, ErrorKind, Executed, PortError};
use flotilla_domain::deployment::{Command, Deployment, DeploymentKind, Event};
use flotilla_domain::{Cause, Code};

impl Drive {
    /// Carries the commands out; answers what came of it.
    pub(super) async fn perform(
        &self,
        deployment: &Deployment,
        commands: &[Command],
    ) -> Result<Event, PortError> {
        let place = place(deployment);
        for command in commands {
            match command {
                Command::CreateChangeSet { name, kind } => {
                    let DeploymentKind::Deploy { template, .. } = &deployment.spec.kind else { continue };
                    let request = ChangeSetRequest {
                        stack: deployment.spec.stack.clone(),
                        name: name.clone(),
                        kind: *kind,
                        template: *template,
                        parameters: deployment.spec.parameters.clone(),
                        tags: deployment.spec.tags.clone(),
                        capabilities: deployment.spec.capabilities.clone(),
                    };
                    match self.stacks.create_change_set(&place, &request).await {
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
                Command::DeleteStack { stack_id, token } => {
                    self.stacks.delete(&place, stack_id, token).await?
                }
            }
        }
        Ok(Event::Acted)
    }
}

fn refused(error: &PortError) -> Cause {
    Cause::new(
        Code::ChangeSetRefused,
        error.message.clone(),
        "mend what CloudFormation complains of and upload again",
    )
}
