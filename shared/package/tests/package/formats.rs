//! Packages of each format, and what is refused.

use crate::support::{files_of_folder, fixture, package, template, zip_of, zip_of_all, zip_of_folder};
use flotilla_domain::release::package::{Asset, AssetKind, PackageFormat};
use flotilla_domain::{Code, Digest};
use serde_json::{Value, json};

fn native(template: &Value) -> Vec<u8> {
    let template = template.to_string();
    zip_of(&[
        ("flotilla.json", br#"{"flotilla": 1, "template": "template.json"}"#),
        ("template.json", template.as_bytes()),
        ("code/api.zip", b"the code"),
    ])
}

fn function(code: Value) -> Value {
    json!({"Resources": {"Api": {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}}}})
}

#[test]
fn a_serverless_package_becomes_neutral() {
    let finished = package(&zip_of_folder(&fixture("hello/package-staging"))).unwrap();
    let template = template(&finished);
    let code_zip = std::fs::read(fixture("hello/package-staging/hello.zip")).unwrap();
    let digest = Digest::of(&code_zip);
    insta::assert_json_snapshot!(template["Resources"]["GreetLambdaFunction"]["Properties"], {".Code.S3Key" => "[key]"}, @r#"
    {
      "Code": {
        "S3Bucket": {
          "Ref": "FlotillaAssetsBucket"
        },
        "S3Key": "[key]"
      },
      "Environment": {
        "Variables": {
          "PACKAGED_IN": {
            "Ref": "AWS::Region"
          },
          "STAGE": "staging"
        }
      },
      "FunctionName": "hello-staging-greet",
      "Handler": "greet.handler",
      "MemorySize": 128,
      "Role": {
        "Fn::GetAtt": [
          "IamRoleLambdaExecution",
          "Arn"
        ]
      },
      "Runtime": "python3.12",
      "Timeout": 10
    }
    "#);
    assert_eq!(
        template["Resources"]["GreetLambdaFunction"]["Properties"]["Code"]["S3Key"],
        format!("assets/{digest}.zip")
    );
    assert!(!template.to_string().contains("us-east-1"), "no region is left");
    let package = finished.package;
    let stack = &package.stacks[0];
    assert_eq!(package.format, PackageFormat::Serverless);
    assert_eq!(package.made_for.unwrap().as_str(), "staging");
    assert_eq!(stack.capabilities.iter().collect::<Vec<_>>(), ["CAPABILITY_NAMED_IAM"]);
    assert_eq!(stack.tags, [("STAGE".to_owned(), "staging".to_owned())].into());
    assert_eq!(stack.functions[0].asset, digest);
    let asset = Asset { kind: AssetKind::Zip, digest };
    assert_eq!(package.assets.into_iter().collect::<Vec<_>>(), [(asset, code_zip.len() as u64)]);
}

#[test]
fn the_tools_own_bucket_stays_only_where_it_is() {
    let finished = package(&zip_of_folder(&fixture("hello/package-staging"))).unwrap();
    let template = template(&finished);
    for (section, id) in [
        ("Resources", "ServerlessDeploymentBucket"),
        ("Resources", "ServerlessDeploymentBucketPolicy"),
        ("Outputs", "ServerlessDeploymentBucketName"),
    ] {
        assert_eq!(template[section][id]["Condition"], "FlotillaKeepsDeploymentBucket", "{id}");
    }
    assert_eq!(template["Parameters"]["FlotillaKeepDeploymentBucket"]["Default"], "false");
    assert!(finished.package.stacks[0].parameters["FlotillaKeepDeploymentBucket"]);
}

#[test]
fn a_package_that_was_packed_is_the_same_package() {
    for folder in ["hello/package-staging", "hello/package-pr-42"] {
        let zip = zip_of_folder(&fixture(folder));
        assert_eq!(package(&zip_of_all(&crate::support::packed(&zip))).unwrap(), package(&zip).unwrap());
    }
}

#[test]
fn the_stage_is_the_one_that_was_packaged_and_not_the_default() {
    let finished = package(&zip_of_folder(&fixture("hello/package-pr-42"))).unwrap();
    assert_eq!(finished.package.made_for.unwrap().as_str(), "pr-42");
}

#[test]
fn the_folder_may_be_zipped_with_its_name_and_gives_the_same_package() {
    let folder = fixture("hello/package-staging");
    let plain = package(&zip_of_folder(&folder)).unwrap();
    let files: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap())
        .map(|e| {
            (format!(".serverless/{}", e.file_name().to_str().unwrap()), std::fs::read(e.path()).unwrap())
        })
        .collect();
    let nested = zip_of(&files.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect::<Vec<_>>());
    assert_eq!(package(&nested).unwrap(), plain);
}

#[test]
fn what_tools_and_systems_add_to_a_zip_does_not_matter() {
    let files = files_of_folder(&fixture("hello/package-staging"));
    let digest = package(&zip_of_all(&files)).unwrap().package.digest;
    let renamed = |prefix: &str| {
        files.iter().map(|(name, bytes)| (format!("{prefix}{name}"), bytes.clone())).collect::<Vec<_>>()
    };
    assert_eq!(package(&zip_of_all(&renamed("./"))).unwrap().package.digest, digest);
    let mut of_macos = renamed("app/");
    of_macos.push(("__MACOSX/app/._hello.zip".into(), b"x".to_vec()));
    of_macos.push((".DS_Store".into(), b"x".to_vec()));
    assert_eq!(package(&zip_of_all(&of_macos)).unwrap().package.digest, digest);
    let mut twice = files.clone();
    twice.push((format!("./{}", files[0].0), files[0].1.clone()));
    assert_eq!(package(&zip_of_all(&twice)).unwrap_err().code, Code::EntriesInconsistent);
    let backslash = zip_of(&[("app\\template.json", b"{}")]);
    let refused = package(&backslash).unwrap_err();
    assert!(refused.message.contains("Compress-Archive") && refused.fix.contains("7-Zip"), "{refused:?}");
}

#[test]
fn nothing_of_the_state_file_but_its_stage_reaches_the_package() {
    let finished = package(&zip_of_folder(&fixture("hello/package-staging"))).unwrap();
    assert!(!format!("{finished:?}").contains("/build/service"));
}

#[test]
fn a_native_package_names_its_code_by_path() {
    let finished = package(&native(&function(json!("./code/api.zip")))).unwrap();
    let template = template(&finished);
    let digest = Digest::of(b"the code");
    let expected =
        json!({"S3Bucket": {"Ref": "FlotillaAssetsBucket"}, "S3Key": format!("assets/{digest}.zip")});
    assert_eq!(template["Resources"]["Api"]["Properties"]["Code"], expected);
    assert_eq!(template["Parameters"]["FlotillaAssetsBucket"]["Type"], "String");
    assert_eq!(finished.package.made_for, None);
}

#[test]
fn the_digest_depends_on_content_and_not_on_order_or_white_space() {
    let one = zip_of(&[
        ("flotilla.json", br#"{"flotilla": 1, "template": "t.json"}"#),
        ("t.json", br#"{"Resources":{"A":{"Type":"X","Properties":{"a":1,"b":2}},"B":{"Type":"Y"}}}"#),
    ]);
    let two = zip_of(&[
        ("flotilla.json", br#"{"template": "t.json", "flotilla": 1}"#),
        (
            "t.json",
            br#"{ "Resources": {"B": {"Type":"Y"}, "A": {"Properties": {"b":2, "a":1}, "Type":"X"}} }"#,
        ),
    ]);
    let other = zip_of(&[
        ("flotilla.json", br#"{"flotilla": 1, "template": "t.json"}"#),
        ("t.json", br#"{"Resources":{"A":{"Type":"X","Properties":{"a":1,"b":3}},"B":{"Type":"Y"}}}"#),
    ]);
    let digest = |zip: &[u8]| package(zip).unwrap().package.digest;
    assert_eq!(digest(&one), digest(&two));
    assert_ne!(digest(&one), digest(&other));
}

#[track_caller]
fn refused(zip: &[u8], code: Code) -> flotilla_domain::Refusal {
    let refusal = package(zip).expect_err("a refusal");
    assert_eq!(refusal.code, code, "{refusal}");
    assert!(!refusal.fix.is_empty());
    refusal
}

#[test]
fn what_cannot_be_made_neutral_is_refused_with_its_place() {
    refused(&zip_of(&[("readme.txt", b"hi")]), Code::FormatUnknown);
    refused(&native(&function(json!("code/other.zip"))), Code::AssetMissing);
    refused(&native(&function(json!("src/"))), Code::AssetMissing);
    let refusal =
        refused(&native(&function(json!({"S3Bucket": "b", "S3Key": "k.zip"}))), Code::CodeOutsidePackage);
    assert_eq!(refusal.path.as_deref(), Some("Resources.Api.Properties.Code"));
    refused(&native(&json!({"Resources": {}})), Code::TemplateInvalid);
    refused(&native(&json!([1, 2])), Code::TemplateInvalid);
    refused(
        &native(
            &json!({"Resources": {"A": {"Type": "X"}}, "Parameters": {"FlotillaAssetsBucket": {"Type": "String"}}}),
        ),
        Code::TemplateInvalid,
    );
    for manifest in [
        "{",
        "[]",
        r#"{"flotilla": 2, "template": "t"}"#,
        r#"{"flotilla": 1, "template": "t", "x": 1}"#,
        r#"{"flotilla":1,"flotilla":1,"template":"t"}"#,
    ] {
        refused(&zip_of(&[("flotilla.json", manifest.as_bytes())]), Code::ManifestInvalid);
    }
}

#[test]
fn p04_names_that_are_too_long_together_are_refused() {
    let deep = |bytes: usize| json!({"Resources": {"A": {"Type": "X", "Properties": {"k".repeat(bytes): [{"k".repeat(900): 1}]}}}});
    assert!(package(&native(&deep(1_000))).is_ok());
    let refusal = refused(&native(&deep(1_100)), Code::TemplateInvalid);
    assert!(refusal.path.unwrap().starts_with("Resources.A.Properties.kkk"));
}

#[test]
fn a_template_that_is_missing_is_refused_where_it_is_named() {
    let manifest: &[u8] = br#"{"flotilla": 1, "template": "other.json"}"#;
    let refusal = refused(&zip_of(&[("flotilla.json", manifest)]), Code::AssetMissing);
    assert_eq!(refusal.path.as_deref(), Some("flotilla.json"));
}

#[test]
fn p04_a_nul_beside_the_template_is_refused_where_it_stands() {
    let state = br#"{"service": {"provider": {"stage": "dev", "region": "us-east-1", "stackParameters": [
        {"ParameterKey": "P", "ParameterValue": "\u00009\u0000"}]}}}"#;
    let template = br#"{"Parameters": {"P": {"Type": "String"}}, "Resources": {"A": {"Type": "X"}}}"#;
    let files: [(&str, &[u8]); 2] =
        [("serverless-state.json", state), ("cloudformation-template-update-stack.json", template)];
    let refusal = refused(&zip_of(&files), Code::ManifestInvalid);
    assert_eq!(refusal.path.as_deref(), Some("serverless-state.json"));
}

#[test]
fn c25_a_template_over_cloudformations_limit_is_refused() {
    let resources: serde_json::Map<_, _> =
        (0..501).map(|n| (format!("R{n}"), json!({"Type": "X"}))).collect();
    let refusal = refused(&native(&json!({"Resources": resources})), Code::LimitExceeded);
    assert!(refusal.message.contains("resources_max"));
    let big = json!({"Resources": {"A": {"Type": "X", "Properties": {"P": "x".repeat(1_000_001)}}}});
    assert!(refused(&native(&big), Code::LimitExceeded).message.contains("template_bytes_max"));
}

#[test]
fn a_serverless_zip_that_was_zipped_anew_is_refused_before_it_fails_everywhere() {
    let folder = fixture("hello/package-staging");
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        let content =
            if name == "hello.zip" { b"other bytes".to_vec() } else { std::fs::read(entry.path()).unwrap() };
        files.push((name, content));
    }
    let zip = zip_of(&files.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect::<Vec<_>>());
    refused(&zip, Code::ManifestInvalid);
}

fn packed(template: &Value, others: &[(&str, &[u8])]) -> Vec<u8> {
    let template = template.to_string();
    let manifest =
        br#"{"flotilla":1,"template":"t.json","packed":{"format":"sam","rewrites":[],"warnings":[]}}"#;
    let mut files = vec![("flotilla.json", manifest.as_slice()), ("t.json", template.as_bytes())];
    files.extend(others);
    zip_of(&files)
}

#[test]
fn promise_3_being_packed_is_no_way_around_the_package() {
    refused(&packed(&function(json!({"S3Bucket": "any", "S3Key": "x.zip"})), &[]), Code::CodeOutsidePackage);
    let nested = json!({"Resources": {"N": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://elsewhere/t.json"}}}});
    refused(&packed(&nested, &[]), Code::CodeOutsidePackage);
    let key = format!("assets/{}.zip", Digest::of(b"of another service"));
    let code = json!({"S3Bucket": {"Ref": "FlotillaAssetsBucket"}, "S3Key": key});
    refused(&packed(&function(code), &[]), Code::AssetMissing);
}

#[test]
fn p04_packed_templates_that_nest_each_other_are_read_once_each() {
    // Eight layers of ten templates, each of which names all of the next layer.
    let name =
        |layer: usize, n: usize| format!("templates/{}.json", Digest::of(format!("{layer} {n}").as_bytes()));
    let layer = |layer: usize| -> Value {
        let names: serde_json::Map<_, _> = (0..10)
            .map(|n| (format!("N{n}"), json!({"Type": "X", "Properties": {"U": name(layer, n)}})))
            .collect();
        json!({"Resources": names})
    };
    let leaf = json!({"Resources": {"L": {"Type": "X"}}});
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for depth in 0..7 {
        let content = if depth == 6 { leaf.clone() } else { layer(depth + 1) };
        files.extend((0..10).map(|n| (name(depth, n), content.to_string().into_bytes())));
    }
    let others: Vec<(&str, &[u8])> = files.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    package(&packed(&layer(0), &others)).unwrap();
}
