//! The observations of a deployment. Each is answered as one event.

use super::cause::refused_for;
use super::mapping::api_of;
use super::place;
use super::traffic::versions_of;
use crate::deployment::DeploymentController;
use crate::ports::{ChangeSetObserved, ChangeSetStatus, Place, PortError, StackResource};
use flotilla_domain::deployment::event::StackObserved;
use flotilla_domain::deployment::stack_event::outcome;
use flotilla_domain::deployment::stack_status::{Standing, standing};
use flotilla_domain::deployment::{
    CodeMismatch, Deployment, DeploymentKind, Event, Observation, Outcome, Plan, State,
};
use flotilla_domain::plan::{ChangeAction, ResourceChange, TargetPlan};
use flotilla_domain::release::package::FunctionCode;
use flotilla_domain::{Cause, Code};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// How long a requested change set may be invisible, in seconds.
const CREATE_LAG_S: i64 = 30;
/// Functions read back concurrently.
const FUNCTIONS_AT_ONCE: usize = 8;
/// Prefixes of the reason with which CloudFormation's validation, or a hook, refuses a change set.
const VALIDATION: [&str; 4] =
    ["EarlyValidation", "early validation", "The following hook(s) failed", "Hook "];

impl DeploymentController {
    /// Makes the observation that the state needs.
    pub(crate) async fn observe(
        &self,
        deployment: &Deployment,
        look: Observation,
    ) -> Result<Event, PortError> {
        let place = place(deployment);
        match look {
            Observation::Stack => {
                let stack = deployment.stack_id.as_deref().unwrap_or(deployment.spec.stack.as_str());
                Ok(Event::StackObserved(self.stacks.describe(&place, stack).await?))
            }
            Observation::Operation => self.operation(deployment, &place).await,
            Observation::Mapping => self.mapping(deployment, &place).await,
            Observation::Weight => self.weight(deployment, &place).await,
            Observation::Record => self.record_synced(deployment, &place).await,
            Observation::Aliases => self.aliases(deployment, &place).await,
            Observation::ChangeSet => self.change_set(deployment, &place).await,
            Observation::StackEvents => Ok(Event::CauseFound(self.cause(deployment).await?)),
            Observation::Code => self.code(deployment, &place).await,
            Observation::Resources => self.deletions(deployment, &place).await,
            Observation::Buckets => self.empty_buckets(deployment, &place).await,
            Observation::Leftovers => self.leftovers(deployment, &place).await,
            // The step itself observes these in the state store.
            Observation::Lease | Observation::Gates | Observation::Traffic => Ok(Event::MustWait),
        }
    }

    /// Observes the stack and the outcome of our operation. A settled status may be older than our operation or
    /// come from another actor's, so the outcome is read from our change set or our token.
    async fn operation(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let Some(stack_id) = &deployment.stack_id else {
            return Ok(Event::OperationObserved { stack: None, outcome: Outcome::Unseen });
        };
        let stack = self.stacks.describe(place, stack_id).await?;
        let outcome = match &stack {
            Some(seen) if is_settled(seen) => self.outcome(deployment, place, stack_id).await?,
            _ => Outcome::Pending,
        };
        Ok(Event::OperationObserved { stack, outcome })
    }

    async fn outcome(
        &self,
        deployment: &Deployment,
        place: &Place,
        stack_id: &str,
    ) -> Result<Outcome, PortError> {
        if let (State::Executing, Some(id)) = (&deployment.state, &deployment.change_set_id) {
            match self.stacks.change_set_status(place, &deployment.spec.stack, id).await? {
                Some(ChangeSetStatus::Executed) => return Ok(Outcome::Completed),
                Some(ChangeSetStatus::ExecutionFailed) => return Ok(Outcome::Failed),
                Some(ChangeSetStatus::Pending | ChangeSetStatus::Ready | ChangeSetStatus::Executing) => {
                    return Ok(Outcome::Pending);
                }
                // Executing a change set deletes the stack's other change sets.
                None
                | Some(ChangeSetStatus::Obsolete | ChangeSetStatus::Empty | ChangeSetStatus::Failed(_)) => {}
            }
        }
        let token = deployment.operation_token();
        Ok(outcome(&self.events_of(place, stack_id, Some(&token)).await?, &token))
    }

    async fn change_set(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let name = deployment.change_set_name();
        let Some(seen) = self.stacks.describe_change_set(place, &deployment.spec.stack, &name).await? else {
            // A change set that was just requested may not be visible yet.
            let young = self.clock.now().duration_since(deployment.entered_at).as_secs() < CREATE_LAG_S;
            return Ok(if young { Event::PlanPending } else { Event::PlanGone });
        };
        Ok(match &seen.status {
            ChangeSetStatus::Pending => Event::PlanPending,
            ChangeSetStatus::Ready => self.ready(deployment, place, seen).await?,
            // Only this deployment executes it: an earlier step did, and is being repeated.
            ChangeSetStatus::Executing | ChangeSetStatus::Executed | ChangeSetStatus::ExecutionFailed => {
                Event::PlanReady(plan(seen, Vec::new()))
            }
            ChangeSetStatus::Obsolete => Event::PlanGone,
            ChangeSetStatus::Empty => Event::PlanEmpty { stack_id: seen.stack_id },
            ChangeSetStatus::Failed(reason) => {
                Event::PlanRefused(self.refusal(deployment, place, &seen, reason).await?)
            }
        })
    }

    /// A change set that can be executed, with the warnings of CloudFormation's validation if the policy reads
    /// them.
    async fn ready(
        &self,
        deployment: &Deployment,
        place: &Place,
        seen: ChangeSetObserved,
    ) -> Result<Event, PortError> {
        let mut warnings = Vec::new();
        if deployment.spec.policy.refuse_warnings || seen.has_warnings {
            let stack = deployment.spec.stack.as_str();
            let said = match self.stacks.validations(place, stack, Some(&seen.id)).await {
                // Only a policy that refuses warnings needs them.
                Err(error) if !error.may_pass() && !deployment.spec.policy.refuse_warnings => {
                    tracing::warn!("cannot read the validation's warnings: {error}");
                    Vec::new()
                }
                said => said?,
            };
            warnings.extend(said.into_iter().filter(|validation| !validation.failed).map(|v| v.text));
        }
        Ok(Event::PlanReady(plan(seen, warnings)))
    }

    /// Why a change set failed: CloudFormation's reason, and each failed validation.
    async fn refusal(
        &self,
        deployment: &Deployment,
        place: &Place,
        seen: &ChangeSetObserved,
        reason: &str,
    ) -> Result<Cause, PortError> {
        if !VALIDATION.iter().any(|text| reason.contains(text)) {
            return Ok(refused_for(reason.to_owned()));
        }
        let stack = deployment.spec.stack.as_str();
        let said = match self.stacks.validations(place, stack, Some(&seen.id)).await {
            // CloudFormation's reason is enough if the validations cannot be read.
            Err(error) if !error.may_pass() => Vec::new(),
            said => said?,
        };
        let failed: Vec<String> = said.into_iter().filter(|v| v.failed).map(|v| v.text).collect();
        let text =
            if failed.is_empty() { reason.to_owned() } else { format!("{reason}: {}", failed.join("; ")) };
        Ok(Cause::new(Code::ValidationFailed, text, "fix each of these in the template, then upload again"))
    }

    /// The resources that could not be deleted.
    async fn leftovers(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let Some(stack_id) = &deployment.stack_id else { return Ok(Event::LeftoversObserved(Vec::new())) };
        let resources = self.stacks.resources(place, stack_id).await?;
        let failed = resources.into_iter().filter(|resource| resource.status == "DELETE_FAILED");
        Ok(Event::LeftoversObserved(failed.map(|resource| resource.logical_id).collect()))
    }

    /// Reads back the code digest of every function.
    async fn code(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let nothing_to_prove = || Ok(Event::CodeProven { versions: BTreeMap::new(), api: None });
        let DeploymentKind::Deploy(release) = &deployment.spec.kind else { return nothing_to_prove() };
        let functions = &release.functions;
        let mapping = deployment.spec.mapping.as_ref();
        let nothing = functions.is_empty() && deployment.aliases.is_empty() && mapping.is_none();
        let (Some(stack_id), false) = (&deployment.stack_id, nothing) else { return nothing_to_prove() };
        let resources = self.stacks.resources(place, stack_id).await?;
        let api = match mapping.map(|mapping| api_of(deployment, mapping, &resources)).transpose() {
            Ok(api) => api,
            Err(cause) => return Ok(Event::Refused(cause)),
        };
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
        if !differing.is_empty() {
            return Ok(Event::CodeDiffers(differing));
        }
        Ok(Event::CodeProven { versions: versions_of(deployment, release, &names), api })
    }

    async fn read_back(
        &self,
        place: &Place,
        function: &FunctionCode,
        name: Option<&String>,
    ) -> Result<ReadBack, PortError> {
        let seen = match name {
            Some(name) => self.functions.code(place, name).await?,
            // A condition of the template excludes the function.
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

    /// Plans the deletion of every resource of the stack. CloudFormation does not tell which of them it would retain.
    async fn deletions(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let resources = match &deployment.stack_id {
            Some(stack_id) => self.stacks.resources(place, stack_id).await?,
            None => Vec::new(),
        };
        let there = resources.into_iter().filter(|r| r.status != "DELETE_COMPLETE");
        let deletion = |r: StackResource| {
            let change = ResourceChange::new(r.logical_id, r.resource_type, ChangeAction::Remove);
            ResourceChange { physical_id: Some(r.physical_id).filter(|id| !id.is_empty()), ..change }
        };
        Ok(Event::DeletionsPlanned(TargetPlan::of(there.map(deletion).collect(), true)))
    }

    /// Empties the own buckets of a preview's stack, as far as one step can.
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

/// Whether the stack exists and no operation runs on it.
fn is_settled(stack: &StackObserved) -> bool {
    !matches!(standing(&stack.status), Standing::Busy | Standing::Unknown | Standing::Gone)
}

fn plan(seen: ChangeSetObserved, warnings: Vec<String>) -> Plan {
    Plan {
        stack_id: seen.stack_id,
        change_set_id: seen.id,
        changes: TargetPlan::of(seen.changes, seen.complete),
        reverted: seen.reverted,
        warnings,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum ReadBack {
    Same,
    Pending,
    Differs(CodeMismatch),
}
