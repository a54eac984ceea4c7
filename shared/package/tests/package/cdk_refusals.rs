//! AWS CDK's cloud assembly: what is refused, and where.

use crate::support::assembly::{artifact, changed, refused, resource};
use flotilla_domain::Code;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn what_cannot_be_made_the_same_everywhere_is_refused_with_its_place() {
    refused(Code::ManifestInvalid, |files| {
        files.get_mut("manifest.json").unwrap()["missing"] = json!([{"key": "vpc"}])
    });
    refused(Code::ManifestInvalid, |files| artifact(files, "Api")["displayName"] = json!("9_api"));
    refused(Code::ManifestInvalid, |files| artifact(files, "Api")["displayName"] = json!("Da-ta"));
    refused(Code::ManifestInvalid, |files| {
        artifact(files, "Api")["properties"]["parameters"] = json!({"P": "\u{0}9\u{0}"})
    });
    refused(Code::PlaceholderMisplaced, |files| {
        artifact(files, "Api")["properties"]["tags"] = json!({"flotillastage": "x"})
    });
    refused(Code::TemplateUnsupported, |files| {
        artifact(files, "Api")["metadata"] = json!({"/Api": [{"type": "aws:cdk:asset"}]})
    });
    let outside = |resource: Value| {
        refused(Code::CodeOutsidePackage, move |files| {
            files.get_mut("Api.template.json").unwrap()["Resources"]["Outside"] = resource;
        })
    };
    let refusal = outside(
        json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": "b", "S3Key": "k"}}}),
    );
    assert_eq!(refusal.path.as_deref(), Some("Api: Resources.Outside.Properties.Code"));
    outside(
        json!({"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://example.com/t.json"}}),
    );
    let refusal = changed(|files| artifact(files, "Data")["dependencies"] = json!(["Api"])).unwrap_err();
    assert_eq!(refusal.code, Code::StacksCircular);
}

#[test]
fn a_hostile_assembly_ends_in_a_refusal() {
    for manifest in [
        json!(1),
        json!({"artifacts": []}),
        json!({"artifacts": {"Api": {"type": 1}}}),
        json!({"artifacts": {"Api": {"type": "aws:cloudformation:stack"}}}),
    ] {
        refused(Code::ManifestInvalid, |files| drop(files.insert("manifest.json".into(), manifest)));
    }
    refused(Code::FormatUnknown, |files| {
        drop(files.insert("manifest.json".into(), json!({"name": "a web app"})))
    });
    refused(Code::ManifestInvalid, |files| artifact(files, "Api")["dependencies"] = json!(["Nobody"]));
    refused(Code::AssetMissing, |files| {
        artifact(files, "Api")["properties"]["templateFile"] = json!("../../etc/passwd")
    });
    refused(Code::AssetMissing, |files| drop(files.remove("Api.assets.json")));
    refused(Code::AssetMissing, |files| drop(files.remove("ApiJobsD4F709BB.nested.template.json")));
    refused(Code::ManifestInvalid, |files| {
        drop(files.insert("Api.assets.json".into(), json!({"files": {"a": 1}})))
    });
    // An assembly in itself.
    refused(Code::ManifestInvalid, |files| {
        *artifact(files, "Loop") =
            json!({"type": "cdk:cloud-assembly", "properties": {"directoryName": "."}});
    });
    // A key so short that it stands everywhere.
    refused(Code::ManifestInvalid, |files| {
        let file = &mut files.get_mut("Api.assets.json").unwrap()["files"]["short"];
        *file = json!({"source": {"path": "Api.template.json"}, "destinations": {"d": {"bucketName": "bucket", "objectKey": "s"}}});
    });
    let many: serde_json::Map<_, _> =
        (0..300).map(|n| (n.to_string(), json!({"source": {"path": "x"}, "destinations": {}}))).collect();
    refused(Code::LimitExceeded, |files| files.get_mut("Api.assets.json").unwrap()["files"] = many.into());
}

#[test]
fn a_nested_template_that_nests_itself_is_refused() {
    let refusal = refused(Code::TemplateUnsupported, |files| {
        let nested = resource(&files["Api.template.json"], "JobsNestedStack");
        files.get_mut("ApiJobsD4F709BB.nested.template.json").unwrap()["Resources"]["Again"] = nested;
    });
    assert!(refusal.message.contains("nested"), "{refusal}");
    // Nor does a wide tree of them take for ever.
    refused(Code::LimitExceeded, |files| {
        let nested = resource(&files["Api.template.json"], "JobsNestedStack");
        let resources = &mut files.get_mut("Api.template.json").unwrap()["Resources"];
        for n in 0..300 {
            resources[format!("Again{n}")] = nested.clone();
        }
    });
}

/// All places of a value, by their JSON pointers.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let below = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| places(item, &below(&n.to_string()), all));
        }
        Value::Object(object) => object.iter().for_each(|(key, value)| places(value, &below(key), all)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_spoiled_assembly_makes_it_panic(file in 0_usize..6, place: prop::sample::Index, what in 0_usize..7) {
        let _ = changed(|files| {
            let Some(content) = files.values_mut().nth(file) else { return };
            let mut all = Vec::new();
            places(content, "", &mut all);
            let odd = [json!(null), json!(-1), json!(""), json!("flotillastage"), json!([]), json!({}), json!([[{"Fn::Sub": [1]}]])];
            if let Some(value) = content.pointer_mut(place.get::<String>(&all)) {
                *value = odd[what].clone();
            }
        });
    }
}
