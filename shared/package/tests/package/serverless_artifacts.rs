//! Zips that another tool built, as states of the Serverless Framework name them.

use crate::support::{package, zip_of};
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::{Code, Digest, Refusal};
use serde_json::json;

const FOLDER: &str = "serverless/shop/flotillastage/1796094212064-2026-12-01T03:03:32.064Z";

/// A project as osls 3.77 packages it with `package.artifact: target/app.jar`: the path is in the copy of `serverless.yml` only.
fn project(key: &str, files: &[(&str, &[u8])]) -> Result<Vec<Digest>, Refusal> {
    let state = json!({
        "service": {
            "service": "shop",
            "provider": {"region": "us-east-1", "stage": "flotillastage"},
            "functions": {"hello": {"handler": "com.shop.Handler", "package": {}}},
            "initialServerlessConfig": {"package": {"artifact": "target/app.jar", "artifactDirectoryName": FOLDER}},
        },
        "package": {"artifactDirectoryName": FOLDER, "artifact": "app.jar"},
    });
    let code = json!({"S3Bucket": {"Ref": "ServerlessDeploymentBucket"}, "S3Key": key});
    let template = json!({"Resources": {
        "ServerlessDeploymentBucket": {"Type": "AWS::S3::Bucket"},
        "HelloLambdaFunction": {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}},
    }});
    let (state, template) = (state.to_string(), template.to_string());
    let own: [(&str, &[u8]); 2] = [
        (".serverless/serverless-state.json", state.as_bytes()),
        (".serverless/cloudformation-template-update-stack.json", template.as_bytes()),
    ];
    let finished = package(&zip_of(&[&own, files].concat()))?;
    Ok(finished
        .package
        .assets
        .keys()
        .map(|Asset { kind, digest }| (kind, digest))
        .filter(|(kind, _)| **kind == AssetKind::Zip)
        .map(|(_, digest)| *digest)
        .collect())
}

#[test]
fn the_zip_of_the_whole_service_is_taken_from_its_path() {
    let key = format!("{FOLDER}/app.jar");
    let both: [(&str, &[u8]); 2] = [("app.jar", b"another"), ("target/app.jar", b"built")];
    assert_eq!(project(&key, &both).unwrap(), [Digest::of(b"built")]);
    let refused = project(&key, &both[..1]).unwrap_err();
    assert_eq!(refused.code, Code::AssetMissing);
    assert!(refused.message.contains("target/app.jar"), "{refused}");
}

#[test]
fn a_key_of_something_else_is_code_outside_of_the_package() {
    let files: [(&str, &[u8]); 1] = [("target/app.jar", b"built")];
    // A layer that did not change has the key of an older package of the service.
    let older = "serverless/shop/flotillastage/1700000000000-2023-11-14T22:13:20.000Z/app.jar";
    assert_eq!(project(older, &files).unwrap(), [Digest::of(b"built")]);
    assert_eq!(project("other/prefix/app.jar", &files).unwrap_err().code, Code::CodeOutsidePackage);
}
