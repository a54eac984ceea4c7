//! A deployment's looks at the world: each answers with one event.

use super::Drive;
use crate::EngineError;
use crate::ports::{ChangeSetStatus, Place, PortError};
use crate::records::{read, rollout_key};
use flotilla_domain::cause::root_cause;
use flotilla_domain::deployment::event::StackSeen;
use flotilla_domain::deployment::{CodeMismatch, Deployment, DeploymentKind, Event, Look, State};
use flotilla_domain::package::FunctionCode;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stack_status::{End, end_of_update};
use flotilla_domain::{Cause, Code};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Pages of a stack's events that are read for a cause (100 events each).
const EVENT_PAGES_MAX: usize = 20;
/// How long a change set that was asked for may stay unseen, in seconds.
const CREATE_LAG_S: i64 = 30;
/// Functions read back at a time.
const FUNCTIONS_AT_ONCE: usize = 8;

pub(super) fn place(deployment: &Deployment) -> Place {
    Place { target: deployment.id.target.clone(), access: deployment.spec.access.clone() }
}

impl Drive {
    /// Looks where the state has to look.
    pub(super) async fn observe(&self, deployment: &Deployment, look: Look) -> Result<Event, PortError> {
        let place = place(deployment);
        match look {
            Look::Stack => {
                let stack = deployment.stack_id.as_deref().unwrap_or(deployment.spec.stack.as_str());
                let seen = self.stacks.describe(&place, stack).await?;
                if deployment.state == State::Executing
                    && self.is_pending(deployment, &place, seen.as_ref()).await?
                {
                    return Ok(Event::ExecutionPending);
                }
                Ok(Event::StackSeen(seen))
            }
            Look::ChangeSet => self.change_set(deployment, &place).await,
            Look::StackEvents => Ok(Event::CauseFound(self.cause(deployment, &place).await?)),
            Look::Code => self.code(deployment, &place).await,
            Look::Buckets => self.empty_buckets(deployment, &place).await,
            Look::Lease | Look::Gates => Ok(Event::Held),
        }
    }

    /// Whether the rollout still wants this.
    pub(super) async fn gates(&self, deployment: &Deployment) -> Result<Event, EngineError> {
        let found =
            self.store.get(&[rollout_key(&deployment.id.rollout)]).await?.into_iter().next().flatten();
        let Some(rollout) = found.map(read::<Rollout>).transpose()? else { return Ok(Event::Held) };
        let called_off = rollout.value.cancelled_by.is_some() || rollout.value.state.is_terminal();
        Ok(if called_off { Event::Declined } else { Event::Allowed })
    }

    /// Whether a settled status is older than our own operation: reads of a stack may lag behind what was
    /// started a moment ago, the change set's own execution status says whether it has ended.
    async fn is_pending(
        &self,
        deployment: &Deployment,
        place: &Place,
        seen: Option<&StackSeen>,
    ) -> Result<bool, PortError> {
        let settled = seen.is_some_and(|seen| end_of_update(&seen.status) != End::Running);
        let Some(id) = deployment.change_set_id.as_deref().filter(|_| settled) else { return Ok(false) };
        let change_set = self.stacks.describe_change_set(place, &deployment.spec.stack, id).await?;
        Ok(change_set
            .is_some_and(|set| matches!(set.status, ChangeSetStatus::Ready | ChangeSetStatus::Executing)))
    }

    async fn change_set(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let name = deployment.change_set_name();
        let Some(seen) = self.stacks.describe_change_set(place, &deployment.spec.stack, &name).await? else {
            // What was asked for a moment ago may not be seen yet.
            let young = self.clock.now().duration_since(deployment.entered_at).as_secs() < CREATE_LAG_S;
            return Ok(if young { Event::PlanPending } else { Event::PlanGone });
        };
        Ok(match seen.status {
            ChangeSetStatus::Pending => Event::PlanPending,
            ChangeSetStatus::Ready | ChangeSetStatus::Executing | ChangeSetStatus::Executed => {
                Event::PlanReady { stack_id: seen.stack_id, change_set_id: seen.id, changes: seen.changes }
            }
            ChangeSetStatus::Obsolete => Event::PlanGone,
            ChangeSetStatus::Empty => Event::PlanEmpty { stack_id: seen.stack_id },
            ChangeSetStatus::Failed(reason) => Event::PlanRefused(Cause::new(
                Code::ChangeSetRefused,
                reason,
                "mend what CloudFormation complains of and upload again",
            )),
        })
    }

    /// Why an operation failed: the events of our own operation, as far back as it reaches.
    async fn cause(&self, deployment: &Deployment, place: &Place) -> Result<Cause, PortError> {
        let stack_id = deployment.stack_id.as_deref().unwrap_or(deployment.spec.stack.as_str());
        let deleting =
            matches!(&deployment.state, State::Explaining { status, .. } if status == "DELETE_FAILED");
        let token = if deleting { deployment.deletion_token() } else { deployment.execution_token() };
        let (mut events, mut next) = (Vec::new(), None);
        for _ in 0..EVENT_PAGES_MAX {
            let page = self.stacks.events(place, stack_id, next.as_deref()).await?;
            let begin = page.events.iter().position(|event| event.begins(&token));
            events.extend(page.events.into_iter().take(begin.map_or(usize::MAX, |at| at + 1)));
            next = page.next;
            if begin.is_some() || next.is_none() {
                break;
            }
        }
        let (code, status) = match &deployment.state {
            State::Explaining { restored: true, status } => (Code::RolledBack, status.as_str()),
            State::Explaining { status, .. } if status == "DELETE_FAILED" => {
                (Code::DeleteFailed, status.as_str())
            }
            State::Explaining { status, .. } => (Code::StackStuck, status.as_str()),
            _ => (Code::StackStuck, "in an unknown state"),
        };
        Ok(root_cause(&events, code, status))
    }

    /// Reads back what every function runs.
    async fn code(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let DeploymentKind::Deploy { functions, .. } = &deployment.spec.kind else {
            return Ok(Event::CodeProven);
        };
        let (Some(stack_id), false) = (&deployment.stack_id, functions.is_empty()) else {
            return Ok(Event::CodeProven);
        };
        let resources = self.stacks.resources(place, stack_id).await?;
        let names: BTreeMap<String, String> =
            resources.into_iter().map(|r| (r.logical_id, r.physical_id)).collect();
        let reads: Vec<_> = functions
            .iter()
            .map(|function| self.read_back(place, function, names.get(&function.logical_id)))
            .collect();
        let read: Vec<ReadBack> =
            stream::iter(reads).buffer_unordered(FUNCTIONS_AT_ONCE).try_collect().await?;
        if read.contains(&ReadBack::Pending) {
            return Ok(Event::CodePending);
        }
        let mut differing: Vec<CodeMismatch> = read
            .into_iter()
            .filter_map(|read| match read {
                ReadBack::Differs(mismatch) => Some(mismatch),
                ReadBack::Same | ReadBack::Pending => None,
            })
            .collect();
        differing.sort_by(|a, b| a.function.cmp(&b.function));
        Ok(if differing.is_empty() { Event::CodeProven } else { Event::CodeDiffers(differing) })
    }

    async fn read_back(
        &self,
        place: &Place,
        function: &FunctionCode,
        name: Option<&String>,
    ) -> Result<ReadBack, PortError> {
        let seen = match name {
            Some(name) => self.functions.code(place, name).await?,
            // A condition of the template left the function out.
            None => return Ok(ReadBack::Same),
        };
        Ok(match seen {
            Some(seen) if seen.code_sha256 == Some(function.asset) => ReadBack::Same,
            Some(seen) if seen.pending => ReadBack::Pending,
            other => ReadBack::Differs(CodeMismatch {
                function: function.logical_id.clone(),
                expected: function.asset,
                found: other.and_then(|seen| seen.code_sha256),
            }),
        })
    }

    /// Empties the stack's own buckets, as far as one step goes.
    async fn empty_buckets(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let Some(stack_id) = &deployment.stack_id else { return Ok(Event::Emptied) };
        let resources = self.stacks.resources(place, stack_id).await?;
        let mut done = true;
        for bucket in
            resources.iter().filter(|r| r.resource_type == "AWS::S3::Bucket" && !r.physical_id.is_empty())
        {
            done &= self.buckets.empty(place, &bucket.physical_id).await?.done;
        }
        Ok(if done { Event::Emptied } else { Event::EmptiedPartly })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum ReadBack {
    Same,
    Pending,
    Differs(CodeMismatch),
}
