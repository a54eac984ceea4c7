//! CloudFormation.

use crate::classify::classify;
use crate::{Sessions, Settings};
use async_trait::async_trait;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types as cfn;
use flotilla_domain::account::artifact_bucket;
use flotilla_domain::cause::StackEvent;
use flotilla_domain::deployment::ChangeSummary;
use flotilla_domain::deployment::event::{StackOwner, StackSeen};
use flotilla_domain::deployment::state::ChangeSetKind;
use flotilla_domain::package::{ASSETS_BUCKET_PARAMETER, template_key};
use flotilla_domain::{Digest, StackName, Target};
use flotilla_engine::ports::{
    ChangeSetRequest, ChangeSetSeen, ChangeSetStatus, ErrorKind, Executed, Place, PortError, StackEventPage,
    StackResource, Stacks,
};

/// Pages of a change set's changes that are counted.
const CHANGE_PAGES_MAX: usize = 5;
/// Pages of a stack's resources, a hundred each: CloudFormation's quota is 500 resources.
const RESOURCE_PAGES_MAX: usize = 6;

/// CloudFormation.
#[derive(Debug, Clone)]
pub struct CloudFormationStacks {
    sessions: Sessions,
    prefix: String,
}

impl CloudFormationStacks {
    /// Stacks that are reached by these sessions.
    pub fn new(sessions: Sessions, settings: &Settings) -> Self {
        Self { sessions, prefix: settings.prefix.clone() }
    }

    async fn client(&self, place: &Place) -> Client {
        Client::new(&self.sessions.config(place).await)
    }

    /// Where CloudFormation reads the template: the target's own bucket, in its own region.
    fn template_url(&self, target: &Target, template: &Digest) -> String {
        let suffix = if target.region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let bucket = artifact_bucket(&self.prefix, &target.account, &target.region);
        format!("https://s3.{}.{suffix}/{bucket}/{}", target.region, template_key(template))
    }

    fn parameters(&self, target: &Target, request: &ChangeSetRequest) -> Vec<cfn::Parameter> {
        let bucket = artifact_bucket(&self.prefix, &target.account, &target.region);
        let own = std::iter::once((ASSETS_BUCKET_PARAMETER, bucket.as_str()));
        let given = request.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(given)
            .map(|(name, value)| cfn::Parameter::builder().parameter_key(name).parameter_value(value).build())
            .collect()
    }
}

/// Whether an error says that there is no such stack. CloudFormation has no code for it.
fn says_no_stack(error: &PortError) -> bool {
    error.message.starts_with("ValidationError") && error.message.contains("does not exist")
}

/// How a change set stands, from its two statuses and its reason.
pub(crate) fn status(
    status: Option<&cfn::ChangeSetStatus>,
    execution: Option<&cfn::ExecutionStatus>,
    reason: Option<&str>,
) -> ChangeSetStatus {
    use cfn::{ChangeSetStatus as S, ExecutionStatus as E};
    /// The two texts by which CloudFormation says that nothing would change.
    const EMPTY: [&str; 2] = ["didn't contain changes", "No updates are to be performed"];
    match (status, execution) {
        (Some(S::CreateComplete), Some(E::ExecuteInProgress)) => ChangeSetStatus::Executing,
        (Some(S::CreatePending | S::CreateInProgress), _) => ChangeSetStatus::Pending,
        (Some(S::Failed), _) => {
            let reason = reason.unwrap_or("CloudFormation gave no reason");
            if EMPTY.iter().any(|empty| reason.contains(empty)) {
                ChangeSetStatus::Empty
            } else {
                ChangeSetStatus::Failed(reason.to_owned())
            }
        }
        (Some(S::CreateComplete), Some(E::Available)) => ChangeSetStatus::Ready,
        (Some(S::CreateComplete), Some(E::ExecuteComplete | E::ExecuteFailed)) => ChangeSetStatus::Executed,
        _ => ChangeSetStatus::Obsolete,
    }
}

/// Whose a stack is, by its tags.
fn owner(tags: &[cfn::Tag]) -> Option<StackOwner> {
    let tag = |key: &str| tags.iter().find(|tag| tag.key() == Some(key))?.value().map(str::to_owned);
    Some(StackOwner { service: tag("flotilla:service")?, stage: tag("flotilla:stage")? })
}

fn count(changes: &[cfn::Change], summary: &mut ChangeSummary) {
    for change in changes.iter().filter_map(cfn::Change::resource_change) {
        let replaced =
            matches!(change.replacement(), Some(cfn::Replacement::True | cfn::Replacement::Conditional));
        match change.action() {
            Some(cfn::ChangeAction::Add | cfn::ChangeAction::Import) => summary.add += 1,
            Some(cfn::ChangeAction::Remove) => summary.remove += 1,
            _ if replaced => summary.replace += 1,
            _ => summary.modify += 1,
        }
    }
}

#[async_trait]
impl Stacks for CloudFormationStacks {
    async fn describe(&self, place: &Place, stack: &str) -> Result<Option<StackSeen>, PortError> {
        let sent = self.client(place).await.describe_stacks().stack_name(stack).send().await;
        let seen = match sent.map_err(|e| classify("cloudformation:DescribeStacks", e)) {
            Ok(seen) => seen,
            Err(error) if says_no_stack(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(seen.stacks().first().map(|stack| StackSeen {
            stack_id: stack.stack_id().unwrap_or_default().to_owned(),
            status: stack.stack_status().map_or_else(String::new, |status| status.as_str().to_owned()),
            reason: stack.stack_status_reason().map(str::to_owned),
            owner: owner(stack.tags()),
        }))
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
            .template_url(self.template_url(&place.target, &request.template))
            .set_parameters(Some(self.parameters(&place.target, request)))
            .set_tags(Some(tags))
            .set_capabilities(Some(capabilities))
            .role_arn(&place.access.service_role_arn)
            .include_nested_stacks(false)
            .send()
            .await;
        match sent.map_err(|e| classify("cloudformation:CreateChangeSet", e)) {
            Ok(_) => Ok(()),
            Err(error) if error.message.starts_with("AlreadyExistsException") => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn describe_change_set(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetSeen>, PortError> {
        let client = self.client(place).await;
        let mut changes = ChangeSummary::default();
        let (mut first, mut next): (Option<DescribeChangeSetOutput>, Option<String>) = (None, None);
        for _ in 0..CHANGE_PAGES_MAX {
            let request = client.describe_change_set().stack_name(stack.as_str()).change_set_name(name);
            let page = match request
                .set_next_token(next)
                .send()
                .await
                .map_err(|e| classify("cloudformation:DescribeChangeSet", e))
            {
                Ok(page) => page,
                Err(error) if error.message.starts_with("ChangeSetNotFound") || says_no_stack(&error) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            count(page.changes(), &mut changes);
            next = page.next_token().map(str::to_owned);
            first.get_or_insert(page);
            if next.is_none() {
                break;
            }
        }
        Ok(first.map(|seen| ChangeSetSeen {
            id: seen.change_set_id().unwrap_or_default().to_owned(),
            stack_id: seen.stack_id().unwrap_or_default().to_owned(),
            status: status(seen.status(), seen.execution_status(), seen.status_reason()),
            changes,
        }))
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
        // The default of DisableRollback depends on what is left out; what we want is said.
        let sent = request.client_request_token(token).disable_rollback(false).send().await;
        match sent.map_err(|e| classify("cloudformation:ExecuteChangeSet", e)) {
            Ok(_) => Ok(Executed::Started),
            Err(error) if error.message.starts_with("TokenAlreadyExists") => Ok(Executed::Started),
            Err(error) if error.message.starts_with("ChangeSetNotFound") => Ok(Executed::Stale),
            Err(error) if error.message.starts_with("InvalidChangeSetStatus") => {
                let seen = self.describe_change_set(place, stack, change_set_id).await?;
                Ok(match seen.map(|seen| seen.status) {
                    Some(ChangeSetStatus::Executing | ChangeSetStatus::Executed) => Executed::Started,
                    _ => Executed::Stale,
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, place: &Place, stack_id: &str, token: &str) -> Result<(), PortError> {
        let request = self
            .client(place)
            .await
            .delete_stack()
            .role_arn(&place.access.service_role_arn)
            .stack_name(stack_id)
            .client_request_token(token);
        match request.send().await.map_err(|e| classify("cloudformation:DeleteStack", e)) {
            Ok(_) => Ok(()),
            Err(error) if error.message.starts_with("TokenAlreadyExists") || says_no_stack(&error) => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use cfn::{ChangeSetStatus as S, ExecutionStatus as E};

    #[test]
    fn c15_c16_c17_nothing_to_change_is_told_from_a_refusal() {
        let failed = |reason| status(Some(&S::Failed), Some(&E::Unavailable), Some(reason));
        assert_eq!(
            failed(
                "The submitted information didn't contain changes. Submit different information to create a change set."
            ),
            ChangeSetStatus::Empty
        );
        assert_eq!(failed("No updates are to be performed."), ChangeSetStatus::Empty);
        assert_eq!(
            failed("Parameter X must have values"),
            ChangeSetStatus::Failed("Parameter X must have values".into())
        );
    }

    #[test]
    fn c20_a_change_set_that_cannot_be_executed_is_obsolete() {
        assert_eq!(status(Some(&S::CreateComplete), Some(&E::Available), None), ChangeSetStatus::Ready);
        assert_eq!(
            status(Some(&S::CreateComplete), Some(&E::ExecuteComplete), None),
            ChangeSetStatus::Executed
        );
        assert_eq!(status(Some(&S::CreateInProgress), Some(&E::Unavailable), None), ChangeSetStatus::Pending);
        assert_eq!(status(Some(&S::CreateComplete), Some(&E::Obsolete), None), ChangeSetStatus::Obsolete);
        assert_eq!(status(Some(&S::DeleteComplete), None, None), ChangeSetStatus::Obsolete);
    }
}
