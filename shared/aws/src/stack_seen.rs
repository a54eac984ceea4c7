//! Converts a stack from `DescribeStacks`.

use aws_sdk_cloudformation::types as cfn;
use flotilla_domain::deployment::event::{StackObserved, StackOwner};
use std::collections::BTreeMap;

/// The output in which the Serverless Framework stores the name of its bucket.
const BUCKET_OUTPUT: &str = "ServerlessDeploymentBucketName";
/// CloudFormation's limit of outputs of a stack.
const OUTPUTS_MAX: usize = 200;
/// A longer value is omitted, because a truncated value would be wrong.
const OUTPUT_BYTES_MAX: usize = 1_024;

/// Converts the parts of a stack that the engine uses.
pub(crate) fn stack_seen(stack: &cfn::Stack) -> StackObserved {
    StackObserved {
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

/// The owner of a stack, from its tags.
fn owner(tags: &[cfn::Tag]) -> Option<StackOwner> {
    let tag = |key: &str| tags.iter().find(|tag| tag.key() == Some(key))?.value().map(str::to_owned);
    Some(StackOwner { service: tag("flotilla:service")?, stage: tag("flotilla:stage")? })
}
