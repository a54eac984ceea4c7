//! The text of templates: encodings, mistakes and how they are named.

use crate::support::{package, refused_at, zip_of};
use flotilla_domain::Code;

#[test]
fn p04_a_small_file_that_means_a_large_template_is_refused() {
    let yaml = format!(
        "Resources:\n  A:\n    Type: T\n    Properties:\n      a: &a {}\n      b: [*a, *a, *a]\n",
        "x".repeat(300_000)
    );
    refused_at(&zip_of(&[("template.yaml", yaml.as_bytes())]), Code::LimitExceeded, "template.yaml");
}

#[test]
fn utf_16_is_named_as_such_also_without_its_mark() {
    for name in ["template.json", "template.yaml"] {
        let bytes: Vec<u8> = r#"{"Resources": {}}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let refused = refused_at(&zip_of(&[(name, &bytes)]), Code::TemplateInvalid, name);
        assert!(refused.message.contains("UTF-16"), "{refused}");
    }
}

#[test]
fn utf_16_is_named_in_the_files_of_tools_too() {
    let bytes: Vec<u8> = r#"{"service": {}}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let of_cdk = [("manifest.json", &bytes[..]), ("cdk.out", b"{}")];
    for (zip, path) in [
        (zip_of(&[("serverless-state.json", &bytes)]), "serverless-state.json"),
        (zip_of(&of_cdk), "manifest.json"),
    ] {
        let refused = refused_at(&zip, Code::ManifestInvalid, path);
        assert!(refused.message.contains("UTF-16"), "{refused}");
    }
}

#[test]
fn a_mistake_in_yaml_is_named_with_its_line() {
    let zip = zip_of(&[("template.yaml", b"Resources:\n  A:\n    Type: T\n    Type: U\n")]);
    let refusal = refused_at(&zip, Code::TemplateInvalid, "template.yaml");
    assert!(
        refusal.message.ends_with(
            "the key \"Type\" of line 3 occurs twice (aws and sam take the last one) at line 4 column 5"
        ),
        "{refusal}"
    );
}

#[test]
fn a_key_that_occurs_twice_in_json_is_named_with_both_lines() {
    let text = b"{\n  \"Resources\": {\n    \"A\": {\"Type\": \"T\"},\n    \"A\": {\"Type\": \"T\"}\n  }\n}";
    let refusal = refused_at(&zip_of(&[("template.json", text)]), Code::TemplateInvalid, "template.json");
    assert!(refusal.message.contains("the key \"A\" of line 3 occurs twice"), "{refusal}");
    assert!(refusal.message.ends_with("at line 4 column 5"), "{refusal}");
}

#[test]
fn yaml_in_braces_is_read_as_aws_and_sam_read_it() {
    let text = b"{Resources: {A: {Type: 'AWS::SQS::Queue', Properties: {DelaySeconds: 5,},},},}";
    package(&zip_of(&[("template.yaml", text)])).unwrap();
    let refusal = refused_at(
        &zip_of(&[("template.json", b"{\"Resources\": ")]),
        Code::TemplateInvalid,
        "template.json",
    );
    assert!(refusal.message.contains("not valid JSON: EOF"), "{refusal}");
}
