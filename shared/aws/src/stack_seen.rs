//! A stack as `DescribeStacks` shows it.

use aws_sdk_cloudformation::types as cfn;
use flotilla_domain::deployment::event::{StackOwner, StackSeen};
use std::collections::BTreeMap;

/// The output with which the Serverless Framework names its bucket in a stack that it has deployed.
const BUCKET_OUTPUT: &str = "ServerlessDeploymentBucketName";
/// Outputs of a stack: CloudFormation's quota.
const OUTPUTS_MAX: usize = 200;
/// A longer value is left out: a part of it would be a wrong value.
const OUTPUT_BYTES_MAX: usize = 1_024;

/// Reads what of a stack decides.
pub(crate) fn stack_seen(stack: &cfn::Stack) -> StackSeen {
    StackSeen {
        stack_id: stack.stack_id().unwrap_or_default().to_owned(),
        status: stack.stack_status().map_or_else(String::new, |status| status.as_str().to_owned()),
        reason: stack.stack_status_reason().map(str::to_owned),
        owner: owner(stack.tags()),
        has_deployment_bucket: stack.outputs().iter().any(|o| o.output_key() == Some(BUCKET_OUTPUT)),
        outputs: outputs(stack.outputs()),
    }
}

fn outputs(outputs: &[cfn::Output]) -> BTreeMap<String, String> {
    let known = outputs.iter().filter_map(|output| Some((output.output_key()?, output.output_value()?)));
    let short = known.filter(|(_, value)| value.len() <= OUTPUT_BYTES_MAX).take(OUTPUTS_MAX);
    short.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Whose a stack is, by its tags.
fn owner(tags: &[cfn::Tag]) -> Option<StackOwner> {
    let tag = |key: &str| tags.iter().find(|tag| tag.key() == Some(key))?.value().map(str::to_owned);
    Some(StackOwner { service: tag("flotilla:service")?, stage: tag("flotilla:stage")? })
}
