//! Removes what synthesis adds to a template for CDK's own use, and the stage's placeholder from derived names.

use flotilla_domain::release::package::STAGE_PLACEHOLDER;
use serde_json::{Map, Value};

/// The check that the region is bootstrapped for `cdk deploy`. Flotilla does not need it.
const BOOTSTRAP_PARAMETER: &str = "BootstrapVersion";
const BOOTSTRAP_RULE: &str = "CheckBootstrapVersion";

/// Cleans up a template that CDK wrote.
pub fn clean(template: &mut Value) {
    remove(template, "Rules", BOOTSTRAP_RULE);
    // A parameter of the same name that the user declares has another type.
    let is_cdks = template
        .pointer(&format!("/Parameters/{BOOTSTRAP_PARAMETER}/Type"))
        .and_then(Value::as_str)
        .is_some_and(|kind| kind == "AWS::SSM::Parameter::Value<String>");
    if is_cdks {
        remove(template, "Parameters", BOOTSTRAP_PARAMETER);
    }
    for (_, resource) in template.get_mut("Resources").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(Value::Object(metadata)) = resource.get_mut("Metadata") {
            metadata.retain(|key, value| !differs(key, value));
        }
    }
    for section in ["Parameters", "Outputs"] {
        if let Some(Value::Object(entries)) = template.get_mut(section) {
            rename_keys(entries);
        }
    }
    rename_references(template);
}

/// Removes an entry, and its section if it becomes empty.
fn remove(template: &mut Value, section: &str, entry: &str) {
    let Some(entries) = template.get_mut(section).and_then(Value::as_object_mut) else { return };
    if entries.remove(entry).is_some() && entries.is_empty() {
        template.as_object_mut().map(|template| template.remove(section));
    }
}

/// Whether an entry of a resource's metadata is CDK's and differs between machines or stages.
fn differs(key: &str, value: &Value) -> bool {
    let Some(text) = value.as_str().filter(|_| key.starts_with("aws:asset:") || key.starts_with("aws:cdk:"))
    else {
        return false;
    };
    let has_drive = text.as_bytes().get(1) == Some(&b':');
    text.starts_with(['/', '\\']) || has_drive || text.contains(STAGE_PLACEHOLDER)
}

/// Removes the placeholder from a name. CDK derives the names of a nested stack's parameters and outputs from paths
/// that begin with the CDK stage, followed by a hash of the path, so the names stay distinct.
pub fn without_stage(name: &str) -> String {
    name.replace(STAGE_PLACEHOLDER, "")
}

fn rename_keys(entries: &mut Map<String, Value>) {
    let names: Vec<String> =
        entries.keys().filter(|name| name.contains(STAGE_PLACEHOLDER)).cloned().collect();
    for name in names {
        let renamed = without_stage(&name);
        // An empty or existing name: the placeholder stays and is refused later.
        if renamed.is_empty() || entries.contains_key(&renamed) {
            continue;
        }
        if let Some(entry) = entries.remove(&name) {
            entries.insert(renamed, entry);
        }
    }
}

fn rename_references(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(rename_references),
        Value::Object(object) => {
            let is_nested = object.get("Type").and_then(Value::as_str) == Some("AWS::CloudFormation::Stack");
            if let Some(Value::Object(given)) =
                object.get_mut("Properties").filter(|_| is_nested).and_then(|p| p.get_mut("Parameters"))
            {
                rename_keys(given);
            }
            for (key, value) in object.iter_mut() {
                match (key.as_str(), value) {
                    ("Ref" | "OutputName", Value::String(name)) => *name = without_stage(name),
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        if let Some(Value::String(output)) = parts.get_mut(1)
                            && output.starts_with("Outputs.")
                        {
                            *output = without_stage(output);
                        }
                    }
                    (_, value) => rename_references(value),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_made_of_paths_lose_the_stage_and_values_keep_it() {
        let mut template = json!({
            "Parameters": {"referencetoflotillastageDataRef": {"Type": "String"}},
            "Resources": {"N": {"Type": "AWS::CloudFormation::Stack", "Properties": {
                "Parameters": {"referencetoflotillastageDataRef": {"Ref": "referencetoflotillastageDataRef"}}}}},
            "Outputs": {"O": {"Value": {"Fn::Join": ["flotillastage", [{"Fn::GetAtt": ["N", "Outputs.flotillastageX"]}]]}}}
        });
        clean(&mut template);
        assert_eq!(
            template,
            json!({
                "Parameters": {"referencetoDataRef": {"Type": "String"}},
                "Resources": {"N": {"Type": "AWS::CloudFormation::Stack", "Properties": {
                    "Parameters": {"referencetoDataRef": {"Ref": "referencetoDataRef"}}}}},
                "Outputs": {"O": {"Value": {"Fn::Join": ["flotillastage", [{"Fn::GetAtt": ["N", "Outputs.X"]}]]}}}
            })
        );
    }

    #[test]
    fn what_differs_between_machines_goes_and_the_rest_stays() {
        let mut template = json!({
            "Resources": {"A": {"Type": "X", "Metadata": {
                "aws:cdk:path": "Api/Jobs", "aws:asset:path": "/home/me/app/code", "other": "/kept"}}},
            "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>"}},
            "Rules": {"CheckBootstrapVersion": {}, "Mine": {}}
        });
        clean(&mut template);
        assert_eq!(
            template,
            json!({
                "Resources": {"A": {"Type": "X", "Metadata": {"aws:cdk:path": "Api/Jobs", "other": "/kept"}}},
                "Rules": {"Mine": {}}
            })
        );
    }
}
