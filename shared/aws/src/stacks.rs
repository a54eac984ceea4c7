//! CloudFormation.

use crate::change_set::{change_set_page, first_page, resource_change, reverted, rollback, said};
use crate::classify::{classify, says_begun, says_no_stack};
use crate::stack_seen::stack_seen;
use crate::{Sessions, Settings};
use async_trait::async_trait;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types as cfn;
use aws_smithy_types::retry::RetryConfig;
use flotilla_domain::config::account::artifact_bucket;
use flotilla_domain::deployment::event::StackObserved;
use flotilla_domain::deployment::stack_event::StackEvent;
use flotilla_domain::deployment::{ChangeSetKind, Effort};
use flotilla_domain::release::package::{ASSETS_BUCKET_PARAMETER, template_key};
use flotilla_domain::{Digest, Site, StackName};
use flotilla_engine::ports::{
    ChangeSetObserved, ChangeSetRequest, ChangeSetStatus, ErrorKind, Executed, Place, PortError,
    StackEventPage, StackResource, Stacks, Validation,
};
use std::collections::BTreeSet;

/// Most pages of a change set's changes, of one megabyte each.
const CHANGE_PAGES_MAX: usize = 10;
/// Most pages of CloudFormation's validation findings.
const VALIDATION_PAGES_MAX: usize = 5;
/// Most pages of a stack's resources, a hundred each. CloudFormation's limit is 500 resources.
const RESOURCE_PAGES_MAX: usize = 6;

/// CloudFormation.
#[derive(Debug, Clone)]
pub struct CloudFormationStacks {
    sessions: Sessions,
    prefix: String,
}

impl CloudFormationStacks {
    /// CloudFormation, through these sessions.
    pub fn new(sessions: Sessions, settings: &Settings) -> Self {
        Self { sessions, prefix: settings.prefix.clone() }
    }

    /// A client without SDK retries. The engine repeats steps, and only the engine's rate budget knows how many
    /// calls all workers may make.
    async fn client(&self, place: &Place) -> Client {
        let config = self.sessions.config(place).await;
        let once =
            aws_sdk_cloudformation::config::Builder::from(&config).retry_config(RetryConfig::disabled());
        Client::from_conf(once.build())
    }

    /// The URL of the template: in the artifact bucket of the account-region, in its own region.
    fn template_url(&self, target: &Site, template: &Digest) -> String {
        let bucket = artifact_bucket(&self.prefix, &target.account, &target.region);
        target.region.object_url(&bucket, &template_key(template))
    }

    /// The result of an operation that can begin in one status only: if the stack is no longer in that status,
    /// the operation began before.
    async fn began(
        &self,
        place: &Place,
        stack_id: &str,
        status: &str,
        sent: Result<(), PortError>,
    ) -> Result<(), PortError> {
        match sent {
            Err(error) if says_begun(&error) => Ok(()),
            Err(error) if error.message.starts_with("ValidationError") => {
                let seen = self.describe(place, stack_id).await?;
                if seen.is_some_and(|seen| seen.status == status) { Err(error) } else { Ok(()) }
            }
            other => other,
        }
    }

    fn parameters(&self, target: &Site, request: &ChangeSetRequest) -> Vec<cfn::Parameter> {
        let bucket = artifact_bucket(&self.prefix, &target.account, &target.region);
        let own = std::iter::once((ASSETS_BUCKET_PARAMETER, bucket.as_str()));
        let given = request.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(given)
            .map(|(name, value)| cfn::Parameter::builder().parameter_key(name).parameter_value(value).build())
            .collect()
    }
}

fn express() -> cfn::DeploymentConfig {
    // Set explicitly, because defaults may change: rollback stays enabled.
    let config = cfn::DeploymentConfig::builder().mode(cfn::DeploymentConfigMode::Express);
    config.disable_rollback(false).build()
}

#[async_trait]
impl Stacks for CloudFormationStacks {
    async fn describe(&self, place: &Place, stack: &str) -> Result<Option<StackObserved>, PortError> {
        let sent = self.client(place).await.describe_stacks().stack_name(stack).send().await;
        let seen = match sent.map_err(|e| classify("cloudformation:DescribeStacks", e)) {
            Ok(seen) => seen,
            Err(error) if says_no_stack(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(seen.stacks().first().map(stack_seen))
    }

    async fn create_change_set(&self, place: &Place, request: &ChangeSetRequest) -> Result<(), PortError> {
        let tags = request
            .tags
            .iter()
            .map(|(key, value)| cfn::Tag::builder().key(key).value(value).build())
            .collect();
        let capabilities = request.capabilities.iter().map(|c| cfn::Capability::from(c.as_str())).collect();
        let kind = match request.kind {
            ChangeSetKind::Create => cfn::ChangeSetType::Create,
            ChangeSetKind::Update => cfn::ChangeSetType::Update,
        };
        let sent = self
            .client(place)
            .await
            .create_change_set()
            .stack_name(request.stack.as_str())
            .change_set_name(&request.name)
            .client_token(&request.name)
            .change_set_type(kind)
            .template_url(self.template_url(&place.site, &request.template))
            .set_parameters(Some(self.parameters(&place.site, request)))
            .set_tags(Some(tags))
            .set_capabilities(Some(capabilities))
            .role_arn(&place.access.service_role_arn)
            .include_nested_stacks(false)
            .set_deployment_mode(request.revert_drift.then_some(cfn::DeploymentMode::RevertDrift))
            .set_deployment_config(request.express.then(express))
            .rollback_configuration(rollback(request.rollback.as_ref()))
            .send()
            .await;
        match sent.map_err(|e| classify("cloudformation:CreateChangeSet", e)) {
            Ok(_) => Ok(()),
            // The same name was requested before. The next observation shows its status.
            Err(error) if error.message.starts_with("AlreadyExistsException") => Ok(()),
            Err(error) if error.message.contains("mismatch with existing attribute ClientToken") => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn describe_change_set(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetObserved>, PortError> {
        let client = self.client(place).await;
        let (mut seen, mut next): (Option<ChangeSetObserved>, Option<String>) = (None, None);
        for _ in 0..CHANGE_PAGES_MAX {
            let Some(page) = change_set_page(&client, stack.as_str(), name, true, next).await? else {
                return Ok(None);
            };
            next = page.next_token().map(str::to_owned);
            let so_far = seen.get_or_insert_with(|| first_page(&page));
            so_far.changes.extend(page.changes().iter().filter_map(resource_change));
            so_far.reverted.extend(reverted(page.changes()));
            so_far.complete = next.is_none();
            if so_far.complete {
                break;
            }
        }
        Ok(seen)
    }

    async fn change_set_status(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetStatus>, PortError> {
        let page = change_set_page(&self.client(place).await, stack.as_str(), name, false, None).await?;
        Ok(page.map(|page| first_page(&page).status))
    }

    async fn execute(
        &self,
        place: &Place,
        stack: &StackName,
        change_set_id: &str,
        token: &str,
    ) -> Result<Executed, PortError> {
        let request = self
            .client(place)
            .await
            .execute_change_set()
            .stack_name(stack.as_str())
            .change_set_name(change_set_id);
        // Set explicitly, because the default of DisableRollback depends on other parameters.
        let sent = request.client_request_token(token).disable_rollback(false).send().await;
        match sent.map_err(|e| classify("cloudformation:ExecuteChangeSet", e)) {
            Ok(_) => Ok(Executed::Started),
            Err(error) if says_begun(&error) => Ok(Executed::Started),
            Err(error) if error.message.starts_with("ChangeSetNotFound") => Ok(Executed::Stale),
            Err(error) if error.message.starts_with("InvalidChangeSetStatus") => {
                Ok(match self.change_set_status(place, stack, change_set_id).await? {
                    Some(
                        ChangeSetStatus::Executing
                        | ChangeSetStatus::Executed
                        | ChangeSetStatus::ExecutionFailed,
                    ) => Executed::Started,
                    _ => Executed::Stale,
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn cancel_update(&self, place: &Place, stack_id: &str, token: &str) -> Result<bool, PortError> {
        let request = self.client(place).await.cancel_update_stack().stack_name(stack_id);
        let sent = request.client_request_token(token).send().await;
        match sent.map_err(|e| classify("cloudformation:CancelUpdateStack", e)) {
            Ok(_) => Ok(true),
            Err(error) if says_begun(&error) => Ok(true),
            // The operation has ended, is rolling back already, or creates the stack.
            Err(error) if error.message.starts_with("ValidationError") => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn continue_rollback(
        &self,
        place: &Place,
        stack_id: &str,
        token: &str,
        skip: &BTreeSet<String>,
    ) -> Result<(), PortError> {
        let skip = (!skip.is_empty()).then(|| skip.iter().cloned().collect());
        let request = self
            .client(place)
            .await
            .continue_update_rollback()
            .role_arn(&place.access.service_role_arn)
            .stack_name(stack_id)
            .set_resources_to_skip(skip)
            .client_request_token(token);
        let sent = request.send().await.map_err(|e| classify("cloudformation:ContinueUpdateRollback", e));
        self.began(place, stack_id, "UPDATE_ROLLBACK_FAILED", sent.map(drop)).await
    }

    async fn roll_back(&self, place: &Place, stack_id: &str, token: &str) -> Result<(), PortError> {
        let request = self
            .client(place)
            .await
            .rollback_stack()
            .role_arn(&place.access.service_role_arn)
            .stack_name(stack_id)
            .client_request_token(token);
        let sent = request.send().await.map_err(|e| classify("cloudformation:RollbackStack", e));
        self.began(place, stack_id, "UPDATE_FAILED", sent.map(drop)).await
    }

    async fn delete(
        &self,
        place: &Place,
        stack_id: &str,
        token: &str,
        effort: &Effort,
    ) -> Result<(), PortError> {
        let retain = match effort {
            Effort::Retain(names) => Some(names.clone()),
            Effort::First | Effort::Again | Effort::Force => None,
        };
        let force = (*effort == Effort::Force).then_some(cfn::DeletionMode::ForceDeleteStack);
        let request = self
            .client(place)
            .await
            .delete_stack()
            .role_arn(&place.access.service_role_arn)
            .stack_name(stack_id)
            .set_retain_resources(retain)
            .set_deletion_mode(force)
            .client_request_token(token);
        match request.send().await.map_err(|e| classify("cloudformation:DeleteStack", e)) {
            Ok(_) => Ok(()),
            Err(error) if says_begun(&error) || says_no_stack(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn delete_change_set(&self, place: &Place, stack: &str, name: &str) -> Result<(), PortError> {
        let request = self.client(place).await.delete_change_set().stack_name(stack).change_set_name(name);
        match request.send().await.map_err(|e| classify("cloudformation:DeleteChangeSet", e)) {
            Ok(_) => Ok(()),
            Err(error) if error.message.starts_with("ChangeSetNotFound") || says_no_stack(&error) => Ok(()),
            // It is being executed, so it is not a leftover.
            Err(error) if error.message.starts_with("InvalidChangeSetStatus") => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn has_change_sets(&self, place: &Place, stack: &str) -> Result<bool, PortError> {
        let request = self.client(place).await.list_change_sets().stack_name(stack);
        match request.send().await.map_err(|e| classify("cloudformation:ListChangeSets", e)) {
            Ok(page) => Ok(!page.summaries().is_empty()),
            Err(error) if says_no_stack(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn validations(
        &self,
        place: &Place,
        stack: &str,
        change_set_id: Option<&str>,
    ) -> Result<Vec<Validation>, PortError> {
        let client = self.client(place).await;
        let (mut all, mut next, mut newest) = (Vec::new(), None, None);
        for _ in 0..VALIDATION_PAGES_MAX {
            let request = client.describe_events().stack_name(stack);
            let request = request.set_change_set_name(change_set_id.map(str::to_owned));
            let page = request.set_next_token(next).send().await;
            let page = page.map_err(|e| classify("cloudformation:DescribeEvents", e))?;
            // Newest first; a stack's events are those of all its operations.
            let events = page.operation_events();
            newest =
                newest.or_else(|| events.first().and_then(|event| event.operation_id()).map(str::to_owned));
            let of_operation = events.iter().filter(|event| event.operation_id() == newest.as_deref());
            all.extend(of_operation.filter_map(said));
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(all)
    }

    async fn importers(&self, place: &Place, export: &str) -> Result<Vec<String>, PortError> {
        let sent = self.client(place).await.list_imports().export_name(export).send().await;
        match sent.map_err(|e| classify("cloudformation:ListImports", e)) {
            Ok(page) => Ok(page.imports().to_vec()),
            // No stack imports it any longer.
            Err(error) if error.message.starts_with("ValidationError") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn events(
        &self,
        place: &Place,
        stack_id: &str,
        next: Option<&str>,
    ) -> Result<StackEventPage, PortError> {
        let request = self.client(place).await.describe_stack_events().stack_name(stack_id);
        let page = request.set_next_token(next.map(str::to_owned)).send().await;
        let page = page.map_err(|e| classify("cloudformation:DescribeStackEvents", e))?;
        let events = page.stack_events().iter().map(|event| StackEvent {
            logical_id: event.logical_resource_id().unwrap_or_default().to_owned(),
            physical_id: event.physical_resource_id().filter(|id| !id.is_empty()).map(str::to_owned),
            resource_type: event.resource_type().unwrap_or_default().to_owned(),
            status: event.resource_status().map_or_else(String::new, |status| status.as_str().to_owned()),
            reason: event.resource_status_reason().map(str::to_owned),
            token: event.client_request_token().map(str::to_owned),
            is_stack: event.physical_resource_id() == event.stack_id(),
        });
        Ok(StackEventPage { events: events.collect(), next: page.next_token().map(str::to_owned) })
    }

    async fn resources(&self, place: &Place, stack_id: &str) -> Result<Vec<StackResource>, PortError> {
        const OPERATION: &str = "cloudformation:ListStackResources";
        let client = self.client(place).await;
        let (mut resources, mut next) = (Vec::new(), None);
        for _ in 0..RESOURCE_PAGES_MAX {
            let page = client.list_stack_resources().stack_name(stack_id).set_next_token(next).send().await;
            let page = page.map_err(|e| classify(OPERATION, e))?;
            resources.extend(page.stack_resource_summaries().iter().map(|resource| StackResource {
                logical_id: resource.logical_resource_id().unwrap_or_default().to_owned(),
                physical_id: resource.physical_resource_id().unwrap_or_default().to_owned(),
                resource_type: resource.resource_type().unwrap_or_default().to_owned(),
                status: resource.resource_status().map_or_else(String::new, |s| s.as_str().to_owned()),
            }));
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(resources);
            }
        }
        Err(PortError::new(
            ErrorKind::Permanent,
            OPERATION,
            "the stack has more resources than CloudFormation allows",
        ))
    }
}
