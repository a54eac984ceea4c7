//! Loops of CloudFormation templates.

use crate::support::{package, refused_at, zip_of};
use flotilla_domain::Code;
use serde_json::{Value, json};

/// A template with this resource in a loop.
fn repeated(resource: Value) -> Vec<u8> {
    let resources = json!({"Fn::ForEach::Loop": ["N", ["a"], {"R${N}": resource}]});
    let template = json!({"Transform": "AWS::LanguageExtensions", "Resources": resources});
    zip_of(&[("template.json", template.to_string().as_bytes()), ("code.js", b"1")])
}

#[test]
fn loops_are_deployed_unless_they_repeat_code_or_roles() {
    let place = "Resources.Fn::ForEach::Loop.2.R${N}";
    let topic = |properties: Value| json!({"Type": "AWS::SNS::Topic", "Properties": properties});
    let taken = package(&repeated(topic(json!({"TopicName": {"Fn::Sub": "${N}-topic"}})))).unwrap();
    assert_eq!(taken.package.stacks[0].capabilities.iter().collect::<Vec<_>>(), ["CAPABILITY_AUTO_EXPAND"]);
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": "code.js"}});
    refused_at(&repeated(function), Code::TemplateUnsupported, place);
    let role = json!({"Type": "AWS::IAM::Role", "Properties": {}});
    refused_at(&repeated(role), Code::TemplateUnsupported, place);
    let tags = json!({"Tags": [{"Key": "flotilla:service", "Value": "billing"}]});
    let path = format!("{place}.Properties.Tags");
    refused_at(&repeated(topic(tags)), Code::TemplateInvalid, &path);
    // A placeholder in a loop is replaced as elsewhere.
    let named = package(&repeated(topic(json!({"TopicName": "orders-flotillastage"})))).unwrap();
    assert!(
        named.package.rewrites.iter().any(|rewrite| rewrite.path.starts_with(place)),
        "{:?}",
        named.package.rewrites
    );
    let without_transform =
        json!({"Resources": {"Fn::ForEach::Loop": ["N", ["a"], {"R${N}": topic(json!({}))}]}});
    let plain = zip_of(&[("template.json", without_transform.to_string().as_bytes())]);
    refused_at(&plain, Code::TemplateInvalid, "Resources.Fn::ForEach::Loop");
}
