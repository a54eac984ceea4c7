//! Packages of the Serverless Framework beside the usual one: for every stage, of version 3, with several zips.

use crate::support::{files_of_folder, fixture, package, refused_at, template, zip_of_all, zip_of_folder};
use flotilla_domain::release::package::AssetKind;
use flotilla_domain::{Code, Digest, StageName};
use flotilla_package::template::stage_ids::at_stage;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn properties(template: &Value, id: &str) -> Value {
    template["Resources"][id]["Properties"].clone()
}

#[test]
fn a_package_for_the_placeholder_stage_fits_every_stage() {
    let finished = package(&zip_of_folder(&fixture("hello/package-flotillastage"))).unwrap();
    let template = template(&finished);
    let greet = properties(&template, "GreetLambdaFunction");
    assert_eq!(greet["FunctionName"], json!({"Fn::Sub": "hello-${FlotillaStage}-greet"}));
    assert_eq!(greet["Environment"]["Variables"]["STAGE"], json!({"Ref": "FlotillaStage"}));
    assert!(!template.to_string().contains("flotillastage"));
    let stack = &finished.package.stacks[0];
    assert_eq!(finished.package.made_for, None);
    assert!(!stack.parameters["FlotillaStage"], "it has no default");
    assert_eq!(stack.tags["STAGE"], "${FlotillaStage}");
}

#[test]
fn the_old_framework_writes_the_same_package_but_for_its_zip() {
    let [old, new] = ["hello/package-serverless3-staging", "hello/package-staging"]
        .map(|folder| package(&zip_of_folder(&fixture(folder))).unwrap());
    let stage = |finished: &flotilla_package::formats::Finished| finished.package.made_for.clone();
    assert_eq!(stage(&old), stage(&new));
    let greet = |finished| {
        let mut greet = properties(&template(finished), "GreetLambdaFunction");
        greet["Code"]["S3Key"] = Value::Null;
        greet
    };
    assert_eq!(greet(&old), greet(&new));
}

#[test]
fn functions_with_a_zip_each_get_their_own_and_a_value_to_come_is_a_parameter() {
    let folder = fixture("pair/package-flotillastage");
    let finished = package(&zip_of_folder(&folder)).unwrap();
    let template = template(&finished);
    for (id, zip) in [("AskLambdaFunction", "ask.zip"), ("AnswerLambdaFunction", "answer.zip")] {
        let digest = Digest::of(&std::fs::read(folder.join(zip)).unwrap());
        let function = properties(&template, id);
        assert_eq!(function["Code"]["S3Key"], format!("assets/{digest}.zip"), "{id}");
        assert_eq!(function["Environment"]["Variables"]["ENDPOINT"], json!({"Ref": "Endpoint"}), "{id}");
    }
    assert!(!finished.package.stacks[0].parameters["Endpoint"], "it has no default");
    assert!(finished.package.assets.keys().all(|asset| asset.kind == AssetKind::Zip));
    assert_eq!(finished.package.assets.len(), 2);
}

#[test]
fn logical_ids_are_at_each_stage_what_the_tool_writes_for_it() {
    let neutral = package(&zip_of_folder(&fixture("named/package-flotillastage"))).unwrap();
    let staging = at_stage(&template(&neutral), &StageName::parse("staging").unwrap()).unwrap().unwrap();
    let tools = fixture("named/package-staging/cloudformation-template-update-stack.json");
    let ids = |template: &Value| {
        let ids = template["Resources"].as_object().unwrap().keys().cloned();
        // These end with a digest of what they deploy, or with the time.
        let named = |id: &String| !id.contains("Deployment") && !id.contains("LambdaVersion");
        ids.filter(named).collect::<BTreeSet<String>>()
    };
    let mut expected = ids(&serde_json::from_slice(&std::fs::read(tools).unwrap()).unwrap());
    let found = ids(&staging);
    assert!(
        expected.contains("SNSTopicOrdersstagingtopic") && expected.contains("HttpApiRouteGetStagingOrders")
    );
    expected.retain(|id| id.to_lowercase().contains("staging"));
    assert_eq!(expected.len(), 6);
    assert_eq!(expected.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(found.iter().all(|id| !id.to_lowercase().contains("flotillastage")));
}

/// The sample, with the code of its function at this place.
fn with_code(code: &Value) -> Vec<u8> {
    let mut files = files_of_folder(&fixture("hello/package-staging"));
    let template = files.iter_mut().find(|(name, _)| name.ends_with("update-stack.json")).unwrap();
    let mut changed: Value = serde_json::from_slice(&template.1).unwrap();
    changed["Resources"]["GreetLambdaFunction"]["Properties"]["Code"] = code.clone();
    template.1 = changed.to_string().into_bytes();
    zip_of_all(&files)
}

#[test]
fn code_in_another_bucket_is_refused_although_a_file_has_the_same_name() {
    let path = "Resources.GreetLambdaFunction.Properties.Code";
    let key = "serverless/hello/staging/1/hello.zip";
    let tools = json!({"Ref": "ServerlessDeploymentBucket"});
    package(&with_code(&json!({"S3Bucket": tools, "S3Key": key}))).unwrap();
    for code in [
        json!({"S3Bucket": "shared-artifacts", "S3Key": "helper/v7/hello.zip"}),
        json!({"S3Bucket": {"Fn::ImportValue": "Bucket"}, "S3Key": "hello.zip"}),
        json!({"S3Bucket": tools, "S3Key": key, "S3ObjectVersion": "v1"}),
    ] {
        refused_at(&with_code(&code), Code::CodeOutsidePackage, path);
    }
}

#[test]
fn a_stage_in_capitals_is_refused_with_the_stages_that_fit() {
    let mut files = files_of_folder(&fixture("hello/package-staging"));
    for (_, bytes) in files.iter_mut().filter(|(name, _)| name.ends_with("serverless-state.json")) {
        *bytes = String::from_utf8(bytes.clone()).unwrap().replace("/staging/", "/PROD/").into_bytes();
    }
    let refused = package(&zip_of_all(&files)).unwrap_err();
    assert!(refused.message.contains("PROD") && refused.fix.contains("--stage flotillastage"), "{refused:?}");
}
