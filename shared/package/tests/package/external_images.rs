//! Images in repositories of others, which the service's configuration names.

use crate::support::{
    Parts, assembly, image_manifest, package, package_pulling, packed_with, zip_of, zip_of_all,
};
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::{Code, Digest};
use flotilla_package::formats::ExternalPolicy;
use serde_json::{Value, json};

const API: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/api";

fn listed(uri: &str) -> ExternalPolicy {
    ExternalPolicy::Listed { code: Vec::new(), images: vec![ImageRepository::parse(uri).unwrap()] }
}

/// An image of one layer: its digest and its parts.
fn image() -> (Digest, Parts) {
    let (config, layer) = (b"{}".to_vec(), b"gzip".to_vec());
    let manifest = image_manifest(&config, &layer);
    let digest = Digest::of(&manifest);
    (digest, [config, layer, manifest].map(|part| (Digest::of(&part), part)).into())
}

fn lambda(uri: Value) -> Value {
    json!({"Type": "AWS::Lambda::Function", "Properties": {"PackageType": "Image", "Code": {"ImageUri": uri}}})
}

fn sam(uri: Value) -> Value {
    json!({"Type": "AWS::Serverless::Function", "Properties": {"PackageType": "Image", "ImageUri": uri}})
}

fn zip(resources: Value) -> Vec<u8> {
    let template = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources});
    zip_of(&[("template.json", template.to_string().as_bytes())])
}

/// A package of the Serverless Framework or osls, whose function runs the image that the framework has pushed.
fn serverless(uri: &str) -> Vec<u8> {
    let state = json!({"service": {"service": "s", "provider": {"region": "us-east-1", "stage": "flotillastage"}},
        "package": {"artifactDirectoryName": "x"}});
    let template = json!({"Resources": {"A": lambda(json!(uri))}});
    zip_of(&[
        ("serverless-state.json", state.to_string().as_bytes()),
        ("cloudformation-template-update-stack.json", template.to_string().as_bytes()),
    ])
}

#[test]
fn an_image_of_a_listed_repository_becomes_a_part_of_the_package() {
    let (digest, parts) = image();
    let end = format!("/api@sha256:{digest}");
    let literal = json!(format!("{API}@sha256:{digest}"));
    let by_sub =
        json!({"Fn::Sub": format!("${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.amazonaws.com{end}")});
    let joined = json!({"Fn::Join": ["", [{"Ref": "AWS::AccountId"}, ".dkr.ecr.", {"Ref": "AWS::Region"}, ".", {"Ref": "AWS::URLSuffix"}, end]]});
    let mut cdk = assembly::files();
    cdk.get_mut("Api.template.json").unwrap()["Resources"]["A"] = lambda(joined.clone());
    let outer = json!({"Resources": {"Nested": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "nested.json"}}}});
    let nested = json!({"Resources": {"A": lambda(by_sub.clone())}});
    let in_nested = zip_of(&[
        ("template.json", outer.to_string().as_bytes()),
        ("nested.json", nested.to_string().as_bytes()),
    ]);
    let staged = "111122223333.dkr.ecr.us-east-1.amazonaws.com/serverless-s-flotillastage";
    for (zip, repository, path) in [
        (zip(json!({"A": lambda(literal.clone())})), API, "Resources.A.Properties.Code"),
        (zip(json!({"A": lambda(by_sub)})), API, "Resources.A.Properties.Code"),
        (zip(json!({"A": lambda(joined)})), API, "Resources.A.Properties.Code"),
        (zip(json!({"A": sam(literal)})), API, "Resources.A.Properties.ImageUri"),
        (in_nested, API, "nested.json: Resources.A.Properties.Code"),
        (assembly::zip(&cdk), API, "Api: Resources.A.Properties.Code"),
        (serverless(&format!("{staged}@sha256:{digest}")), staged, "Resources.A.Properties.Code"),
    ] {
        let kept = package(&zip).unwrap();
        let warned = |package: &flotilla_domain::release::package::Package| {
            let warnings =
                package.warnings.iter().filter(|warning| warning.code == Code::ImageOutsidePackage);
            warnings
                .map(|warning| warning.path.clone())
                .filter(|warned| warned.contains(".A."))
                .collect::<Vec<_>>()
        };
        assert_eq!(warned(&kept.package), [path], "without the list it stays where it is");
        let raw = package_pulling(&zip, &listed(repository), &parts).unwrap().package;
        assert_eq!(warned(&raw), [""; 0]);
        for (kind, of) in [(AssetKind::ImageManifest, &digest), (AssetKind::ImageBlob, &Digest::of(b"gzip"))]
        {
            assert!(raw.assets.contains_key(&Asset { kind, digest: *of }), "{:?}", raw.assets);
        }
        assert!(raw.rewrites.iter().any(|rewrite| rewrite.path == path && rewrite.from == repository));

        // Packed before the list is known, it is the same package.
        let packed = packed_with(&zip, &ExternalPolicy::Kept);
        let again = package_pulling(&zip_of_all(&packed), &listed(repository), &parts).unwrap().package;
        assert_eq!((again.digest, &again.stacks), (raw.digest, &raw.stacks), "{path}");
        assert_eq!(warned(&again), [""; 0], "{path}");
    }
}

#[test]
fn an_image_that_no_registry_of_ecr_has_is_refused_in_a_serverless_package_too() {
    for uri in ["orders:latest", "ghcr.io/team/orders:1"] {
        let refused = package(&serverless(uri)).unwrap_err();
        assert_eq!(
            (refused.code, refused.path.as_deref()),
            (Code::CodeOutsidePackage, Some("Resources.A.Properties.Code"))
        );
    }
}

#[test]
fn other_images_stay_where_they_are() {
    let (digest, parts) = image();
    for uri in [format!("{API}-2@sha256:{digest}"), format!("{API}:latest")] {
        let finished = package_pulling(&zip(json!({"A": lambda(json!(uri))})), &listed(API), &parts).unwrap();
        assert!(finished.package.assets.is_empty(), "{uri}");
        assert_eq!(finished.package.warnings[0].code, Code::ImageOutsidePackage, "{uri}");
    }
}

#[test]
fn a_file_of_the_package_cannot_stand_for_the_manifest() {
    let (digest, parts) = image();
    let uri = format!("{API}@sha256:{digest}");
    let template = json!({"Resources": {
        "A": lambda(json!(uri)),
        "B": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": uri}},
    }});
    let other = json!({"Resources": {"C": {"Type": "AWS::SNS::Topic"}}}).to_string();
    let zip = zip_of(&[("template.json", template.to_string().as_bytes()), (&uri, other.as_bytes())]);
    let finished = package_pulling(&zip, &listed(API), &parts).unwrap();
    let blob = Asset { kind: AssetKind::ImageBlob, digest: Digest::of(b"gzip") };
    assert!(finished.package.assets.contains_key(&blob));
}

#[test]
fn an_image_that_is_too_large_or_is_none_is_refused() {
    let refused = |manifest: Value| {
        let manifest = manifest.to_string().into_bytes();
        let digest = Digest::of(&manifest);
        let zip = zip(json!({"A": lambda(json!(format!("{API}@sha256:{digest}")))}));
        let refusal =
            package_pulling(&zip, &listed(API), &[(digest, manifest)].into()).expect_err("a refusal");
        assert_eq!(refusal.path, Some(format!("{API}@sha256:{digest}")));
        refusal.code
    };
    let part = |kind: &str, size: u64| json!({"mediaType": kind, "digest": format!("sha256:{}", Digest::of(b"x")), "size": size});
    let config = part("application/vnd.oci.image.config.v1+json", 2);
    let layer = part("application/vnd.oci.image.layer.v1.tar+gzip", 3_000_000_000);
    assert_eq!(refused(json!({"config": config, "layers": [layer]})), Code::LimitExceeded);
    assert_eq!(refused(json!({"manifests": []})), Code::ImageUnsupported);
}

#[test]
fn images_that_are_too_large_together_are_refused_and_shared_layers_count_once() {
    let (base, own) = ([1_200_000_000, 100_000_000, 100_000_000], [1_200_000_000; 3]);
    for (sizes, shared, fits) in [(base, true, true), (own, false, false)] {
        let (mut parts, mut functions) = (Parts::new(), serde_json::Map::new());
        for (n, size) in sizes.into_iter().enumerate() {
            let layer = if shared && n == 2 { 1 } else { n };
            let mut part = |kind: &str, bytes: String, size: u64| {
                let digest = Digest::of(bytes.as_bytes());
                parts.insert(digest, bytes.into_bytes());
                json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": format!("sha256:{digest}"), "size": size})
            };
            let config = part("config.v1+json", format!("config {n}"), 2);
            let layer = part("layer.v1.tar+gzip", format!("layer {layer}"), size);
            let manifest = json!({"config": config, "layers": [layer]}).to_string().into_bytes();
            let digest = Digest::of(&manifest);
            functions.insert(format!("F{n}"), lambda(json!(format!("{API}@sha256:{digest}"))));
            parts.insert(digest, manifest);
        }
        let packed = package_pulling(&zip(functions.into()), &listed(API), &parts);
        let refused = packed.err().map(|refused| refused.message);
        assert_eq!(refused.is_none(), fits, "{refused:?}");
        assert!(refused.is_none_or(|refused| refused.contains("unpacked_bytes_max")));
    }
}

#[test]
fn the_manifests_that_are_read_are_bounded() {
    let (mut parts, mut functions) = (Parts::new(), serde_json::Map::new());
    for n in 0..=flotilla_package::Limits::DEFAULT.manifests_max {
        let manifest = image_manifest(b"{}", format!("layer {n}").as_bytes());
        let digest = Digest::of(&manifest);
        functions.insert(format!("F{n}"), lambda(json!(format!("{API}@sha256:{digest}"))));
        parts.insert(digest, manifest);
    }
    let refused = package_pulling(&zip(functions.into()), &listed(API), &parts).unwrap_err();
    assert_eq!(refused.code, Code::LimitExceeded);
    assert!(refused.message.contains("manifests_max"), "{refused}");
}
