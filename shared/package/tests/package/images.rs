//! Functions that run container images.

use crate::support::{package, refused_at, zip_of};
use flotilla_domain::{Code, Digest};
use serde_json::{Value, json};

fn template_with(function: Value, globals: Value) -> Vec<u8> {
    let template =
        json!({"Transform": "AWS::Serverless-2016-10-31", "Globals": globals, "Resources": {"A": function}});
    zip_of(&[("template.json", template.to_string().as_bytes())])
}

fn function(properties: Value) -> Vec<u8> {
    template_with(json!({"Type": "AWS::Serverless::Function", "Properties": properties}), json!({}))
}

#[test]
fn an_image_of_ecr_is_warned_of_and_one_that_exists_only_locally_is_refused() {
    let image = |uri: Value| function(json!({"PackageType": "Image", "ImageUri": uri}));
    for uri in [
        json!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/api@sha256:1"),
        json!({"Ref": "Image"}),
        json!("{{resolve:ssm:/image}}"),
        json!("flotillaparam-Image"),
    ] {
        let finished = package(&image(uri)).unwrap();
        assert_eq!(finished.package.warnings[0].code, Code::ImageOutsidePackage);
    }
    let digest = Digest::of(b"image");
    let by_digest = format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/api@sha256:{digest}");
    let finished = package(&image(json!(by_digest))).unwrap();
    assert!(finished.package.warnings[0].message.contains("compared with its digest"));
    let functions = &finished.package.stacks[0].functions;
    assert_eq!((functions[0].logical_id.as_str(), functions[0].asset), ("A", digest), "it is read back");
    let uri = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/api:1";
    let bare = json!({"Type": "AWS::Serverless::Function", "Properties": {"Timeout": 3}});
    let of_all = template_with(bare, json!({"Function": {"PackageType": "Image", "ImageUri": uri}}));
    let finished = package(&of_all).unwrap();
    assert_eq!(
        (finished.package.warnings[0].code, finished.package.assets.len()),
        (Code::ImageOutsidePackage, 0)
    );
    refused_at(&image(json!("api:latest")), Code::CodeOutsidePackage, "Resources.A.Properties.CodeUri");
    refused_at(
        &function(json!({"PackageType": "Image"})),
        Code::CodeOutsidePackage,
        "Resources.A.Properties.CodeUri",
    );
}
