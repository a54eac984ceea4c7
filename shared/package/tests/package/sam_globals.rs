//! What SAM's functions take from `Globals`, and code that has no place or an unusual name.

use crate::support::{package, zip_of};
use flotilla_domain::Digest;
use flotilla_domain::release::package::FunctionCode;
use serde_json::{Value, json};

/// The code that a function runs, packed with a folder `code`, a zip, and a file beside the template.
fn code_of(function: Value, globals: Value) -> Vec<FunctionCode> {
    let template = json!({"Transform": "AWS::Serverless-2016-10-31", "Globals": {"Function": globals},
        "Resources": {"A": function}});
    let zip = zip_of(&[
        ("template.json", template.to_string().as_bytes()),
        ("code/app.py", b"pass"),
        ("CODE.ZIP", b"zip"),
    ]);
    package(&zip).unwrap().package.stacks[0].functions.clone()
}

#[test]
fn a_function_with_nothing_of_its_own_has_the_code_of_all() {
    let globals = || json!({"CodeUri": "code", "Handler": "app.handler", "Runtime": "python3.14"});
    let own =
        code_of(json!({"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "code"}}), json!({}));
    assert_eq!(own.len(), 1);
    for function in [
        json!({"Type": "AWS::Serverless::Function"}),
        json!({"Type": "AWS::Serverless::Function", "Properties": null}),
        json!({"Type": "AWS::Serverless::Function", "Properties": {}}),
    ] {
        assert_eq!(code_of(function.clone(), globals()), own, "{function}");
    }
}

#[test]
fn code_that_is_null_is_the_folder_of_the_template_and_a_zip_in_capitals_is_one() {
    let of = |code: Value| {
        code_of(json!({"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": code}}), json!({}))
    };
    assert_eq!(of(Value::Null).len(), 1);
    assert_ne!(of(Value::Null), of(json!("code")));
    assert_eq!(of(json!("CODE.ZIP"))[0].asset, Digest::of(b"zip"), "it is not zipped again");
}

#[test]
fn a_number_that_a_definition_needs_is_one_however_it_was_written() {
    let yaml = "Transform: AWS::Serverless-2016-10-31\nResources:\n  M:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      Definition:\n        States:\n          A:\n            Retry: [{BackoffRate: 1.50}]\n            Result: {version: 1.10}\n";
    let finished = package(&zip_of(&[("template.yaml", yaml.as_bytes())])).unwrap();
    let template: Value = serde_json::from_slice(finished.templates.values().next().unwrap()).unwrap();
    let state = &template["Resources"]["M"]["Properties"]["Definition"]["States"]["A"];
    assert_eq!(*state, json!({"Retry": [{"BackoffRate": 1.5}], "Result": {"version": "1.10"}}));
}
