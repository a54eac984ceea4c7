//! Code that only seems to be in the package: each of these once deployed bytes that nobody had proven, or could have.

use crate::support::{assembly, package, packed, refused_at, zip_of, zip_of_all};
use flotilla_domain::{Code, Digest};
use serde_json::{Value, json};

fn refused(zip: &[u8]) -> Code {
    package(zip).expect_err("it must be refused").code
}

/// A packed package whose template was changed after it was packed.
fn changed(change: impl Fn(&mut Value)) -> Vec<u8> {
    let template = json!({"Resources": {
        "F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "a.zip"}},
        "N": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "nested.json"}},
        "M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionS3Location": "flow.json"}}}});
    let nested = json!({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}});
    let raw = zip_of(&[
        ("template.json", template.to_string().as_bytes()),
        ("nested.json", nested.to_string().as_bytes()),
        ("flow.json", b"{}"),
        ("a.zip", b"code"),
    ]);
    let mut files = packed(&raw);
    for (name, bytes) in &mut files {
        if !name.starts_with("templates/") {
            continue;
        }
        let mut template: Value = serde_json::from_slice(bytes).unwrap();
        if template["Resources"].get("F").is_some() {
            change(&mut template);
            *bytes = template.to_string().into_bytes();
        }
    }
    zip_of_all(&files)
}

#[test]
fn a_packed_template_names_nothing_but_the_artifact_bucket() {
    assert!(package(&changed(|_| {})).is_ok());
    let attack = |pointer: &'static str, value: Value| {
        changed(move |template| *template.pointer_mut(pointer).unwrap() = value.clone())
    };
    let foreign = || json!("attacker");
    assert_eq!(
        refused(&attack("/Resources/F/Properties/Code/S3Bucket", foreign())),
        Code::CodeOutsidePackage
    );
    assert_eq!(
        refused(&attack("/Resources/M/Properties/DefinitionS3Location/Bucket", foreign())),
        Code::CodeOutsidePackage
    );
    let either = changed(|template| {
        let code = template["Resources"]["F"]["Properties"]["Code"].clone();
        template["Resources"]["F"]["Properties"]["Code"] =
            json!({"Fn::If": ["Never", code, {"S3Bucket": "attacker", "S3Key": "x.zip"}]});
    });
    assert_eq!(refused(&either), Code::CodeOutsidePackage);
    let nested = changed(|template| {
        let url = template["Resources"]["N"]["Properties"]["TemplateURL"]["Fn::Sub"].as_str().unwrap();
        let key = &url[url.find("templates/").unwrap()..];
        template["Resources"]["N"]["Properties"]["TemplateURL"] =
            json!(format!("https://attacker.example/{key}"));
    });
    assert_eq!(refused(&nested), Code::CodeOutsidePackage);
    let versioned =
        changed(|template| template["Resources"]["F"]["Properties"]["Code"]["S3ObjectVersion"] = json!("1"));
    assert_eq!(refused(&versioned), Code::CodeOutsidePackage);
}

#[test]
fn what_is_in_other_buckets_is_refused_in_every_format() {
    let state =
        json!({"service": {"service": "s", "provider": {"region": "us-east-1", "stage": "flotillastage"}}});
    for (kind, property, location, path) in [
        (
            "AWS::CloudFormation::Stack",
            "TemplateURL",
            json!("https://s3.amazonaws.com/b/t.json"),
            "TemplateURL",
        ),
        (
            "AWS::StepFunctions::StateMachine",
            "DefinitionS3Location",
            json!({"Bucket": "b", "Key": "x.json"}),
            "DefinitionS3Location",
        ),
        ("AWS::Glue::Job", "Command", json!({"ScriptLocation": "s3://b/x.py"}), "Command.ScriptLocation"),
        ("AWS::ApiGateway::RestApi", "BodyS3Location", json!({"Bucket": "b", "Key": "k"}), "BodyS3Location"),
    ] {
        let resource = json!({"Type": kind, "Properties": {property: location}});
        let template = json!({"Resources": {"Other": resource}});
        let path = format!("Resources.Other.Properties.{path}");
        let serverless = zip_of(&[
            ("serverless-state.json", state.to_string().as_bytes()),
            ("cloudformation-template-update-stack.json", template.to_string().as_bytes()),
        ]);
        refused_at(&serverless, Code::CodeOutsidePackage, &path);
        // What is left out is in no other place.
        let (none, property) = (json!({"Ref": "AWS::NoValue"}), path.rsplit('.').next().unwrap());
        let left_out = |value: &Value| {
            let value = if kind == "AWS::Glue::Job" { json!({property: value}) } else { value.clone() };
            let mut cdk = assembly::files();
            let owner = path.split('.').nth(3).unwrap();
            cdk.get_mut("Api.template.json").unwrap()["Resources"]["Other"] =
                json!({"Type": kind, "Properties": {owner: value}});
            package(&assembly::zip(&cdk))
        };
        if kind != "AWS::CloudFormation::Stack" {
            left_out(&none).unwrap();
            left_out(&json!({"Fn::If": ["Never", none, none]})).unwrap();
            let either = json!({"Fn::If": ["Never", none, "s3://b/x"]});
            assert_eq!(left_out(&either).unwrap_err().code, Code::CodeOutsidePackage);
        }
        let mut cdk = assembly::files();
        cdk.get_mut("Api.template.json").unwrap()["Resources"]["Other"] = resource;
        let at = format!("Api: {path}");
        let refused = package(&assembly::zip(&cdk)).expect_err("it must be refused");
        assert!(
            refused.path.as_deref() == Some(at.as_str()) || kind == "AWS::CloudFormation::Stack",
            "{refused}"
        );
    }
}

#[test]
fn what_cloudformation_leaves_out_does_not_make_code_inline() {
    let none = || json!({"Ref": "AWS::NoValue"});
    for (kind, property, location) in [
        ("AWS::Lambda::Function", "Code", json!({"S3Bucket": "x", "S3Key": "y", "ZipFile": none()})),
        ("AWS::Lambda::Function", "Code", json!({"S3Bucket": "x", "S3Key": "y", "ImageUri": none()})),
        ("AWS::Serverless::Function", "CodeUri", json!({"Bucket": "x", "Key": "y", "ZipFile": none()})),
    ] {
        let resources = json!({"F": {"Type": kind, "Properties": {property: location}}});
        let template = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources});
        let zip = zip_of(&[("template.json", template.to_string().as_bytes())]);
        assert_eq!(refused(&zip), Code::CodeOutsidePackage, "{kind}");
    }
}

#[test]
fn an_image_of_the_packages_repository_is_one_of_the_package() {
    let image = |uri: Value, kind: &str| {
        let properties = match kind {
            "AWS::Lambda::Function" => json!({"PackageType": "Image", "Code": {"ImageUri": uri}}),
            _ => json!({"PackageType": "Image", "ImageUri": uri}),
        };
        let template = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"F": {"Type": kind, "Properties": properties}}});
        zip_of(&[("template.json", template.to_string().as_bytes())])
    };
    let digest = Digest::of(b"another service's");
    let registry = "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com";
    for uri in [
        json!({"Fn::Sub": format!("{registry}/${{FlotillaAssetsBucket}}@sha256:{digest}")}),
        json!({"Fn::Sub": [format!("{registry}/${{A}}@sha256:{digest}"), {"A": {"Ref": "FlotillaAssetsBucket"}}]}),
        json!({"Fn::Join": ["/", ["111122223333.dkr.ecr.eu-west-1.amazonaws.com", {"Ref": "FlotillaAssetsBucket"}]]}),
    ] {
        for kind in ["AWS::Lambda::Function", "AWS::Serverless::Function"] {
            assert_eq!(refused(&image(uri.clone(), kind)), Code::CodeOutsidePackage, "{uri}");
        }
    }
}

#[test]
fn a_function_has_either_a_zip_or_an_image() {
    let zip = |kind: &str| {
        let properties = json!({"PackageType": kind, "ImageUri": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/x:1", "CodeUri": "src"});
        let template = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": properties}}});
        zip_of(&[("template.json", template.to_string().as_bytes()), ("src/a.js", b"1")])
    };
    assert_eq!(refused(&zip("Zip")), Code::CodeOutsidePackage);
    // SAM takes the image, and nothing else stays in the template.
    let finished = package(&zip("Image")).unwrap();
    assert!(!String::from_utf8_lossy(finished.templates.values().next().unwrap()).contains("CodeUri"));
}

#[test]
fn names_like_those_in_archives_are_files_like_others() {
    let runs = |uri: &str| json!({"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"PackageType": "Image", "Code": {"ImageUri": uri}}}}});
    // Over the limit of a small file, beside an archive of its name.
    let large = vec![b' '; 9 * 1024 * 1024];
    let zip = zip_of(&[
        ("template.json", runs("./images.tar").to_string().as_bytes()),
        ("images.tar", b"x"),
        ("images.tar!/index.json", &large),
    ]);
    assert_eq!(refused(&zip), Code::LimitExceeded);
    // A layout in a folder of such a name, without its blobs.
    let digest = Digest::of(b"manifest");
    let index = json!({"manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{digest}"), "size": 1}]});
    let zip = zip_of(&[
        ("template.json", runs("./x!").to_string().as_bytes()),
        ("x!/index.json", index.to_string().as_bytes()),
    ]);
    assert_eq!(refused(&zip), Code::AssetMissing);
}
