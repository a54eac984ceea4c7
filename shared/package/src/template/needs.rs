//! The capabilities and parameters that a template needs for a deployment.

use super::asset_tokens;
use flotilla_domain::Digest;
use flotilla_domain::release::package::AssetKind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Capabilities and parameters of a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The capabilities by CloudFormation's names.
    pub capabilities: BTreeSet<String>,
    /// The parameters; `true` if one has a default.
    pub parameters: BTreeMap<String, bool>,
    /// The parameters with `NoEcho`.
    pub secret_parameters: BTreeSet<String>,
}

const IAM: &str = "CAPABILITY_IAM";
const NAMED_IAM: &str = "CAPABILITY_NAMED_IAM";
const AUTO_EXPAND: &str = "CAPABILITY_AUTO_EXPAND";

/// The needs of a finished template, by the rules of `CreateChangeSet`: IAM resources need `CAPABILITY_IAM`,
/// those with custom names `CAPABILITY_NAMED_IAM`, macros `CAPABILITY_AUTO_EXPAND`, and nested stacks the capabilities
/// of their templates. `nested` holds those for the templates of the package.
pub fn needs(template: &Value, nested: &BTreeMap<Digest, BTreeSet<String>>) -> Needs {
    let mut needs = Needs::default();
    let resources = template.get("Resources").and_then(Value::as_object);
    for resource in resources.into_iter().flat_map(|r| r.values()) {
        let own = of_resource(resource, template);
        needs.capabilities.extend(own.iter().map(|capability| (*capability).to_owned()));
        if resource["Type"] == "AWS::CloudFormation::Stack" {
            let mut named = BTreeSet::new();
            asset_tokens::keys(&resource["Properties"]["TemplateURL"], &mut named);
            let templates = named.iter().filter(|asset| asset.kind == AssetKind::Template);
            needs.capabilities.extend(templates.filter_map(|a| nested.get(&a.digest)).flatten().cloned());
        }
    }
    if template.get("Transform").is_some() || has_key(template, "Fn::Transform") {
        needs.capabilities.insert(AUTO_EXPAND.into());
    }
    if needs.capabilities.contains(NAMED_IAM) {
        // CAPABILITY_NAMED_IAM includes CAPABILITY_IAM.
        needs.capabilities.remove(IAM);
    }
    for (name, parameter) in template.get("Parameters").and_then(Value::as_object).into_iter().flatten() {
        needs.parameters.insert(name.clone(), parameter.get("Default").is_some());
        // YAML's true, and what tools write instead.
        if matches!(&parameter["NoEcho"], Value::Bool(true))
            || parameter["NoEcho"].as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
        {
            needs.secret_parameters.insert(name.clone());
        }
    }
    needs
}

/// The capabilities that one resource needs; for SAM's resources, those of the resources that the transform creates.
fn of_resource(resource: &Value, template: &Value) -> &'static [&'static str] {
    let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
    let properties = &resource["Properties"];
    let has = |property: &str| properties.get(property).is_some();
    let iam = |name_property: &str| -> &'static [&'static str] {
        if has(name_property) { &[NAMED_IAM] } else { &[IAM] }
    };
    match kind {
        "AWS::IAM::Role" => iam("RoleName"),
        "AWS::IAM::User" => iam("UserName"),
        "AWS::IAM::Group" => iam("GroupName"),
        "AWS::IAM::ManagedPolicy" => iam("ManagedPolicyName"),
        "AWS::IAM::InstanceProfile" => iam("InstanceProfileName"),
        "AWS::IAM::Policy" | "AWS::IAM::UserToGroupAddition" | "AWS::IAM::AccessKey" => &[IAM],
        // Without a Role the transform creates one; `RoleName` names it (AWS SAM Developer Guide,
        // AWS::Serverless::Function).
        "AWS::Serverless::Function" | "AWS::Serverless::WebFunction" | "AWS::Serverless::StateMachine" => {
            // Even with a Role, it creates roles for traffic shifting (CodeDeploy) and for schedules.
            let shifts = |part: &Value| part.get("DeploymentPreference").is_some();
            let events = properties.get("Events").and_then(Value::as_object).into_iter().flatten();
            let others = shifts(properties)
                || shifts(&template["Globals"]["Function"])
                || resource.get("Connectors").is_some()
                || events.into_iter().any(|(_, event)| event["Properties"].get("RoleArn").is_none())
                    && kind == "AWS::Serverless::StateMachine"
                || has_scheduler(properties);
            match (has("Role"), others) {
                (false, _) => iam("RoleName"),
                (true, true) => &[IAM],
                (true, false) => &[],
            }
        }
        // Both create their own roles or policies.
        "AWS::Serverless::GraphQLApi" | "AWS::Serverless::Connector" => &[IAM],
        // An application of the Serverless Application Repository: its content is unknown.
        "AWS::Serverless::Application" => &[NAMED_IAM, AUTO_EXPAND],
        _ if resource.get("Connectors").is_some() => &[IAM],
        _ => &[],
    }
}

/// Whether the transform creates a role for a schedule of EventBridge Scheduler.
fn has_scheduler(properties: &Value) -> bool {
    let events = properties.get("Events").and_then(Value::as_object);
    events
        .into_iter()
        .flatten()
        .any(|(_, event)| event["Type"] == "ScheduleV2" && event["Properties"].get("RoleArn").is_none())
}

fn has_key(value: &Value, key: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| has_key(item, key)),
        Value::Object(object) => object.contains_key(key) || object.values().any(|value| has_key(value, key)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::release::package::template_key;
    use serde_json::json;

    #[track_caller]
    fn needed(resource: Value, expected: &[&str]) {
        let nested = BTreeMap::from([(Digest::of(b"x"), BTreeSet::from([NAMED_IAM.to_owned()]))]);
        let needs = needs(&json!({"Resources": {"A": resource}}), &nested);
        assert_eq!(needs.capabilities.iter().collect::<Vec<_>>(), expected, "{resource}");
    }

    #[test]
    fn sams_functions_need_what_the_transform_makes_of_them() {
        let function =
            |properties: Value| json!({"Type": "AWS::Serverless::Function", "Properties": properties});
        needed(function(json!({})), &[IAM]);
        needed(function(json!({"RoleName": "r"})), &[NAMED_IAM]);
        needed(function(json!({"Role": "arn"})), &[]);
        needed(function(json!({"Role": "arn", "DeploymentPreference": {"Type": "Canary"}})), &[IAM]);
        needed(function(json!({"Role": "arn", "Events": {"E": {"Type": "ScheduleV2"}}})), &[IAM]);
        needed(function(json!({"Role": "arn", "Events": {"E": {"Type": "Schedule"}}})), &[]);
        needed(
            json!({"Type": "AWS::Serverless::StateMachine", "Properties": {"Role": "arn", "Events": {"E": {"Type": "Schedule"}}}}),
            &[IAM],
        );
    }

    #[test]
    fn a_nested_stack_needs_what_its_template_needs() {
        let url = format!("https://s3/bucket/{}", template_key(&Digest::of(b"x")));
        let stack = |url: &str| json!({"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": {"Fn::Sub": url}}});
        needed(stack(&url), &[NAMED_IAM]);
        needed(stack("https://elsewhere"), &[]);
    }

    #[test]
    fn macros_need_to_be_expanded() {
        needed(json!({"Type": "X", "Properties": {"A": [{"Fn::Transform": {"Name": "M"}}]}}), &[AUTO_EXPAND]);
    }
}
