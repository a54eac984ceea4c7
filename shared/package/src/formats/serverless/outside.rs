//! What `serverless.yml` asks of the tool beside the template.

use super::Provider;
use flotilla_domain::Code;
use flotilla_domain::release::package::Warning;
use serde_json::Value;

/// Warnings for deployment settings of `serverless.yml` that belong in the profile.
pub(super) fn left_to_the_profile(provider: &Provider) -> Vec<Warning> {
    const KEYS: [(&str, &str); 7] = [
        ("stackName", "set stack_name of the service in the configuration"),
        ("rollbackConfiguration", "set alarms in the profile"),
        ("notificationArns", "send the stack's events by EventBridge, or set notify in the profile"),
        ("cfnRole", "the role that flotilla account add has made is used instead"),
        (
            "stackPolicy",
            "Flotilla sets no stack policy; set it once with aws cloudformation set-stack-policy",
        ),
        ("disableRollback", "Flotilla always lets CloudFormation roll back"),
        ("deploymentBucket", "the package goes to Flotilla's own buckets instead"),
    ];
    let asked = |key: &str| provider.rest.get(key).is_some_and(|value| !value.is_null());
    let iam = provider.rest.get("iam").and_then(|iam| iam.get("deploymentRole")).is_some();
    let role =
        iam.then_some(("iam.deploymentRole", "the role that flotilla account add has made is used instead"));
    KEYS.into_iter()
        .filter(|(key, _)| asked(key))
        .chain(role)
        .map(|(key, what)| Warning {
            code: Code::BelongsInProfile,
            path: format!("provider.{key}"),
            message: format!("this is not taken from the package: {what}"),
        })
        .collect()
}

/// Warnings for what the tool does by API calls outside of CloudFormation, which Flotilla does not do.
pub(super) fn lost_outside_cloudformation(template: &Value, provider: &Provider) -> Vec<Warning> {
    let resources = template.get("Resources").and_then(Value::as_object);
    let has_rest_api =
        resources.into_iter().flat_map(|r| r.values()).any(|r| r["Type"] == "AWS::ApiGateway::RestApi");
    let part = |pointer: &str| {
        let value = provider.rest.get(pointer.split('/').next()?)?;
        let rest = pointer.split_once('/').map_or("", |(_, rest)| rest);
        let found = if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{rest}")) };
        found.filter(|value| !matches!(value, Value::Null | Value::Bool(false)))
    };
    let mut warnings = Vec::new();
    let mut lost = |path: &str, message: &str| {
        warnings.push(Warning {
            code: Code::OutsideCloudformation,
            path: path.into(),
            message: message.into(),
        });
    };
    if has_rest_api && (part("logs/restApi").is_some() || part("tracing/apiGateway").is_some()) {
        lost(
            "provider.logs, provider.tracing",
            "the framework sets the logs and tracing of a REST stage outside of CloudFormation, and Flotilla does not; declare an AWS::ApiGateway::Stage with them under resources",
        );
    }
    if has_rest_api && (part("tags").is_some() || part("stackTags").is_some()) {
        lost(
            "provider.tags",
            "the framework tags a REST stage outside of CloudFormation, and Flotilla does not; the stack's tags reach all other resources",
        );
    }
    if part("enableTerminationProtection").is_some() || part("stackPolicy").is_some() {
        lost(
            "provider.enableTerminationProtection",
            "the framework protects the stack outside of CloudFormation, and Flotilla does not; switch the protection on yourself: Flotilla respects it",
        );
    }
    warnings
}
