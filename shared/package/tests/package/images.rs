//! Functions that run container images.

use crate::support::{described, image_manifest, package, packed, refused_at, zip_of, zip_of_all};
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
    let place = "Resources.A.Properties.ImageUri";
    for (uri, what) in [
        ("api:latest", "exists only on the machine"),
        ("./image.tar", "./image.tar is not a container image in the package"),
        ("ghcr.io/team/api:1", "is in ghcr.io, and Lambda runs images of private registries of Amazon ECR"),
        ("localhost:5000/api", "is in localhost:5000"),
        ("", "ImageUri is empty"),
    ] {
        let refused = refused_at(&image(json!(uri)), Code::CodeOutsidePackage, place);
        assert!(refused.message.contains(what), "{refused}");
    }
    let joined = json!({"Fn::Join": [":", ["api", "latest"]]});
    let refused = refused_at(&image(joined), Code::CodeOutsidePackage, place);
    assert!(refused.message.contains("api:latest exists only on the machine"), "{refused}");
    // SAM ignores the code of a function that runs an image.
    let both = function(json!({"PackageType": "Image", "CodeUri": ".", "ImageUri": {"Ref": "Image"}}));
    assert!(package(&both).unwrap().package.assets.is_empty());
    refused_at(
        &function(json!({"PackageType": "Image"})),
        Code::CodeOutsidePackage,
        "Resources.A.Properties.ImageUri",
    );
}

/// Files with their names.
type Named = Vec<(String, Vec<u8>)>;

/// An image in an OCI image layout: the files of a folder, and the digest of the image.
fn layout(folder: &str, names: &[&str]) -> (Named, Digest) {
    let (config, layer) = (br#"{"architecture": "amd64", "os": "linux"}"#.to_vec(), b"gzip".to_vec());
    let manifest = image_manifest(&config, &layer);
    let mut image = described("application/vnd.oci.image.manifest.v1+json", &manifest);
    let images: Vec<Value> = if names.is_empty() {
        vec![image.clone()]
    } else {
        let named = names.iter().map(|name| {
            image["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            image.clone()
        });
        named.collect()
    };
    let index = json!({"schemaVersion": 2, "manifests": images}).to_string().into_bytes();
    let digest = Digest::of(&manifest);
    let blob = |bytes: Vec<u8>| (format!("{folder}blobs/sha256/{}", Digest::of(&bytes)), bytes);
    (vec![(format!("{folder}index.json"), index), blob(manifest), blob(config), blob(layer)], digest)
}

fn with_template(mut files: Named, resources: Value) -> Vec<u8> {
    let template = json!({"Resources": resources}).to_string().into_bytes();
    files.push(("template.json".into(), template));
    zip_of_all(&files)
}

fn runs(uri: &str) -> Value {
    json!({"A": {"Type": "AWS::Lambda::Function", "Properties": {"PackageType": "Image", "Code": {"ImageUri": uri}}}})
}

#[test]
fn an_image_of_the_package_runs_by_digest_from_the_repository_of_each_region() {
    let (files, digest) = layout("image/", &[]);
    let zip = with_template(files, runs("./image"));
    let finished = package(&zip).unwrap();
    let template: Value = serde_json::from_slice(finished.templates.values().next().unwrap()).unwrap();
    let uri = format!(
        "${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.${{AWS::URLSuffix}}/${{FlotillaAssetsBucket}}@sha256:{digest}"
    );
    assert_eq!(template["Resources"]["A"]["Properties"]["Code"], json!({"ImageUri": {"Fn::Sub": uri}}));
    let package_of = &finished.package;
    assert_eq!(package_of.images().collect::<Vec<_>>(), [&digest]);
    assert_eq!(package_of.assets.len(), 3, "manifest, configuration and layer");
    assert_eq!(package_of.stacks[0].functions[0].asset, digest, "what runs is compared with it");
    assert_eq!(package_of.warnings, []);

    // Packed, it is the same package.
    let repacked = package(&zip_of_all(&packed(&zip))).unwrap();
    assert_eq!((repacked.package.digest, &repacked.templates), (package_of.digest, &finished.templates));
    let without = packed(&zip).into_iter().filter(|(name, _)| !name.ends_with(".blob")).collect::<Vec<_>>();
    assert_eq!(package(&zip_of_all(&without)).unwrap_err().code, Code::AssetMissing);
}

#[test]
fn an_image_is_found_by_its_name_among_saved_ones() {
    for folder in ["images/", "build/images/"] {
        let (files, digest) = layout(folder, &["docker.io/library/api:v1", "api:latest"]);
        let build = if folder.starts_with("build/") { "build/" } else { "" };
        let mut files = files;
        let template = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": {"Type": "AWS::Serverless::Function",
            "Properties": {"PackageType": "Image", "ImageUri": "api:v1"}, "Metadata": {"Dockerfile": "Dockerfile"}}}});
        files.push((format!("{build}template.json"), template.to_string().into_bytes()));
        if !build.is_empty() {
            files.push((
                "flotilla.json".into(),
                br#"{"flotilla": 1, "template": "build/template.json"}"#.to_vec(),
            ));
        }
        let finished = package(&zip_of_all(&files)).unwrap();
        assert_eq!(finished.package.images().collect::<Vec<_>>(), [&digest], "{folder}");
    }
    let (files, _) = layout("images/", &["other:v1"]);
    let refused = refused_at(
        &with_template(files, runs("api:v1")),
        Code::ImageUnsupported,
        "Resources.A.Properties.Code",
    );
    assert!(refused.message.contains("api:v1 is not among other:v1"), "{refused}");
}

#[test]
fn an_image_that_is_not_what_it_says_is_refused() {
    let with = |change: &dyn Fn(&mut Named)| {
        let (mut files, _) = layout("image/", &[]);
        change(&mut files);
        package(&with_template(files, runs("image"))).unwrap_err()
    };
    let changed = with(&|files| files[3].1.push(b'x'));
    assert_eq!(changed.code, Code::ImageUnsupported, "a layer of other bytes: {changed}");
    let changed = with(&|files| files[1].1.push(b' '));
    assert_eq!(changed.code, Code::ImageUnsupported, "a manifest of other bytes: {changed}");
    let missing = with(&|files| drop(files.remove(3)));
    assert_eq!(missing.code, Code::AssetMissing, "{missing}");
    let archive = with_template(vec![("image.tar".into(), b"tar".to_vec())], runs("./image.tar"));
    let refused = package(&archive).unwrap_err();
    assert_eq!((refused.code, refused.path.as_deref()), (Code::ImageUnsupported, Some("image.tar")));
    assert!(refused.fix.contains("flotilla pack"), "{refused}");
}
