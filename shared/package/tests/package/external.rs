//! Code in buckets of others, which the service's configuration names.

use crate::support::assembly;
use crate::support::{package_with, packed_with, refused_at, zip_of, zip_of_all};
use flotilla_domain::config::external_code::ExternalCode;
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::{Code, Digest};
use flotilla_package::formats::ExternalPolicy;
use serde_json::{Value, json};

fn vendor() -> ExternalCode {
    ExternalCode {
        bucket: "vendor-{region}".into(),
        key: "forwarder/3.zip".into(),
        version: None,
        digest: Digest::of(b"vendor's"),
    }
}

fn listing(code: ExternalCode) -> ExternalPolicy {
    ExternalPolicy::Listed { code: vec![code], images: Vec::new() }
}

fn listed() -> ExternalPolicy {
    listing(vendor())
}

fn zip(resources: Value) -> Vec<u8> {
    let template = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources});
    zip_of(&[("template.json", template.to_string().as_bytes()), ("vendor.zip", b"other bytes of this name")])
}

/// The places of one function or layer, in each form that templates have.
fn forms() -> [Value; 6] {
    let bucket = json!({"Fn::Sub": "vendor-${AWS::Region}"});
    let joined = json!({"Fn::Join": ["", ["vendor-", {"Ref": "AWS::Region"}]]});
    let key = "forwarder/3.zip";
    [
        json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": bucket, "S3Key": key}}}),
        json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": joined, "S3Key": key}}}),
        json!({"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": {"S3Bucket": bucket, "S3Key": key}}}),
        json!({"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": {"Bucket": bucket, "Key": key}}}),
        json!({"Type": "AWS::Serverless::WebFunction", "Properties": {"CodeUri": {"Bucket": bucket, "Key": key}}}),
        json!({"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": {"Bucket": bucket, "Key": key}}}),
    ]
}

#[test]
fn code_that_is_listed_becomes_a_part_of_the_package() {
    let key = Asset { kind: AssetKind::Zip, digest: vendor().digest }.key();
    for form in forms() {
        let zip = zip(json!({"A": form}));
        let finished = package_with(&zip, &listed()).unwrap();
        let template = String::from_utf8(finished.templates.values().next().unwrap().clone()).unwrap();
        assert!(template.contains(&key) && !template.contains("forwarder"), "{template}");
        let package = &finished.package;
        assert_eq!(package.assets.keys().map(|asset| asset.digest).collect::<Vec<_>>(), [vendor().digest]);
        let is_function = form["Type"].as_str().unwrap().ends_with("unction");
        let proven: Vec<Digest> = package.stacks[0].functions.iter().map(|function| function.asset).collect();
        assert_eq!(proven, if is_function { vec![vendor().digest] } else { vec![] }, "{form}");
        let rewrite = &package.rewrites[0];
        assert_eq!(rewrite.from, "s3://vendor-{region}/forwarder/3.zip", "it is shown where it came from");

        // Packed before the list is known, it is the same package.
        let kept = packed_with(&zip, &ExternalPolicy::Kept);
        let again = package_with(&zip_of_all(&kept), &listed()).unwrap();
        assert_eq!((again.package.digest, again.package.stacks), (package.digest, package.stacks.clone()));
    }
}

#[test]
fn a_literal_of_one_region_is_the_same_code_once_the_template_is_neutral() {
    let code = json!({"S3Bucket": "vendor-us-east-1", "S3Key": "forwarder/3.zip"});
    let state = json!({"service": {"service": "s", "provider": {"region": "us-east-1", "stage": "flotillastage"}},
        "package": {"artifactDirectoryName": "x"}});
    let template =
        json!({"Resources": {"A": {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}}}});
    let zip = zip_of(&[
        ("serverless-state.json", state.to_string().as_bytes()),
        ("cloudformation-template-update-stack.json", template.to_string().as_bytes()),
    ]);
    let of_one = listing(ExternalCode { bucket: "vendor-us-east-1".into(), ..vendor() });
    let raw = package_with(&zip, &of_one).unwrap();
    let kept = packed_with(&zip, &ExternalPolicy::Kept);
    assert_eq!(package_with(&zip_of_all(&kept), &of_one).unwrap().package.digest, raw.package.digest);
}

#[test]
fn a_nested_template_and_a_cdk_app_may_name_it_too() {
    let code = |bucket: Value| json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": bucket, "S3Key": "forwarder/3.zip"}}});
    let of_region = code(json!({"Fn::Sub": "vendor-${AWS::Region}"}));
    let outer = json!({"Resources": {"Nested": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "nested.json"}}}});
    let nested = json!({"Resources": {"A": of_region}});
    let in_nested = zip_of(&[
        ("template.json", outer.to_string().as_bytes()),
        ("nested.json", nested.to_string().as_bytes()),
    ]);
    let mut files = assembly::files();
    // `Bucket.fromBucketName(this, "Vendor", `vendor-${this.region}`)`
    let joined = json!({"Fn::Join": ["", ["vendor-", {"Ref": "AWS::Region"}]]});
    files.get_mut("Api.template.json").unwrap()["Resources"]["Vendor"] = code(joined.clone());
    // The only code of the nested stack: nothing else brings it the bucket's name.
    let mut below = assembly::files();
    let nested = &mut below.get_mut("ApiJobsD4F709BB.nested.template.json").unwrap()["Resources"];
    nested["JobB9D00F9F"] = code(joined);
    for (zip, place) in [
        (in_nested, "nested.json: Resources.A.Properties.Code"),
        (assembly::zip(&files), "Api: Resources.Vendor.Properties.Code"),
        (
            assembly::zip(&below),
            "Api/JobsNestedStackJobsNestedStackResource4FE929C3: Resources.JobB9D00F9F.Properties.Code",
        ),
    ] {
        let finished = package_with(&zip, &listed()).unwrap();
        let package = &finished.package;
        let asset = Asset { kind: AssetKind::Zip, digest: vendor().digest };
        assert!(package.assets.contains_key(&asset), "{:?}", package.assets);
        let rewrites: Vec<_> = package.rewrites.iter().map(|rewrite| rewrite.path.as_str()).collect();
        assert!(rewrites.contains(&place), "{rewrites:?}");
        let kept = packed_with(&zip, &ExternalPolicy::Kept);
        let again = package_with(&zip_of_all(&kept), &listed()).unwrap();
        assert_eq!(again.package.digest, package.digest);
        refused_at(&zip, Code::CodeOutsidePackage, place);
    }
}

#[test]
fn sam_may_name_it_by_a_uri_of_one_region() {
    let resources = json!({
        "A": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://vendor-us-east-1/forwarder/3.zip"}},
        "B": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "s3://vendor-us-east-1/forwarder/3.zip"}}});
    let of_one = listing(ExternalCode { bucket: "vendor-us-east-1".into(), ..vendor() });
    let finished = package_with(&zip(resources.clone()), &of_one).unwrap();
    assert_eq!(finished.package.stacks[0].functions.len(), 1);
    let kept = packed_with(&zip(resources), &ExternalPolicy::Kept);
    assert_eq!(package_with(&zip_of_all(&kept), &of_one).unwrap().package.digest, finished.package.digest);
}

#[test]
fn other_code_is_refused_as_before() {
    let code = |bucket: &str, key: &str| json!({"A": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": bucket, "S3Key": key}}}});
    let refused = |resources: Value| package_with(&zip(resources), &listed()).unwrap_err().code;
    assert_eq!(refused(code("vendor-{region}x", "forwarder/3.zip")), Code::CodeOutsidePackage);
    assert_eq!(refused(code("vendor-eu-west-1", "forwarder/4.zip")), Code::CodeOutsidePackage);
    assert_eq!(refused(code("vendor", "forwarder/3.zip")), Code::CodeOutsidePackage);
    let versioned = json!({"A": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {
        "S3Bucket": {"Fn::Sub": "vendor-${AWS::Region}"}, "S3Key": "forwarder/3.zip", "S3ObjectVersion": "2"}}}});
    assert_eq!(refused(versioned), Code::CodeOutsidePackage, "a version that is not the listed one");
    let computed = json!({"A": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {
        "S3Bucket": {"Fn::Sub": "vendor-${Suffix}"}, "S3Key": "forwarder/3.zip"}}}});
    assert_eq!(refused(computed), Code::CodeOutsidePackage);
    let machine = json!({"A": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionS3Location": {
        "Bucket": {"Fn::Sub": "vendor-${AWS::Region}"}, "Key": "forwarder/3.zip"}}}});
    assert_eq!(refused(machine), Code::CodeOutsidePackage, "only code");
    refused_at(
        &zip(forms()[0].clone().as_object().map(|form| json!({"A": form})).unwrap()),
        Code::CodeOutsidePackage,
        "Resources.A.Properties.Code",
    );
}
