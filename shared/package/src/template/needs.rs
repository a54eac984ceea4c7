//! What a template needs from whoever deploys it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Capabilities and parameters of a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The capabilities by CloudFormation's names.
    pub capabilities: BTreeSet<String>,
    /// The parameters; `true` if one has a default.
    pub parameters: BTreeMap<String, bool>,
}

/// Reads a template's needs. The rule is `CreateChangeSet`'s: IAM resources need `CAPABILITY_IAM`, those
/// with a name of their own `CAPABILITY_NAMED_IAM`, transforms and nested stacks with them
/// `CAPABILITY_AUTO_EXPAND`.
pub fn needs(template: &Value) -> Needs {
    let mut needs = Needs::default();
    let resources = template.get("Resources").and_then(Value::as_object);
    for resource in resources.into_iter().flat_map(|r| r.values()) {
        let name_property = match resource.get("Type").and_then(Value::as_str).unwrap_or_default() {
            "AWS::IAM::Role" => "RoleName",
            "AWS::IAM::User" => "UserName",
            "AWS::IAM::Group" => "GroupName",
            "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
            "AWS::IAM::InstanceProfile" => "InstanceProfileName",
            "AWS::IAM::Policy" | "AWS::IAM::UserToGroupAddition" | "AWS::IAM::AccessKey" => "",
            _ => continue,
        };
        let named = resource.get("Properties").is_some_and(|p| p.get(name_property).is_some());
        needs.capabilities.insert(if named { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" }.into());
    }
    if template.get("Transform").is_some() {
        needs.capabilities.insert("CAPABILITY_AUTO_EXPAND".into());
    }
    if needs.capabilities.contains("CAPABILITY_NAMED_IAM") {
        // The wider one includes the other.
        needs.capabilities.remove("CAPABILITY_IAM");
    }
    for (name, parameter) in template.get("Parameters").and_then(Value::as_object).into_iter().flatten() {
        needs.parameters.insert(name.clone(), parameter.get("Default").is_some());
    }
    needs
}
