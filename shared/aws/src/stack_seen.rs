//! A stack as `DescribeStacks` shows it.

use aws_sdk_cloudformation::types as cfn;
use flotilla_domain::deployment::event::{StackOwner, StackSeen};

/// The output with which the Serverless Framework names its bucket in a stack that it has deployed.
const BUCKET_OUTPUT: &str = "ServerlessDeploymentBucketName";

/// Reads what of a stack decides.
pub(crate) fn stack_seen(stack: &cfn::Stack) -> StackSeen {
    StackSeen {
        stack_id: stack.stack_id().unwrap_or_default().to_owned(),
        status: stack.stack_status().map_or_else(String::new, |status| status.as_str().to_owned()),
        reason: stack.stack_status_reason().map(str::to_owned),
        owner: owner(stack.tags()),
        has_deployment_bucket: stack.outputs().iter().any(|o| o.output_key() == Some(BUCKET_OUTPUT)),
    }
}

/// Whose a stack is, by its tags.
fn owner(tags: &[cfn::Tag]) -> Option<StackOwner> {
    let tag = |key: &str| tags.iter().find(|tag| tag.key() == Some(key))?.value().map(str::to_owned);
    Some(StackOwner { service: tag("flotilla:service")?, stage: tag("flotilla:stage")? })
}
