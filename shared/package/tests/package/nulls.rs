//! Nulls in templates, which CloudFormation refuses.

use crate::cloudformation::with;
use crate::support::{package, refused_at, zip_of};
use flotilla_domain::Code;
use serde_json::json;

#[test]
fn a_null_is_found_before_cloudformation_refuses_it_unless_a_transform_sees_it_first() {
    let topic =
        json!({"T": {"Type": "AWS::SNS::Topic", "Properties": {"Tags": [{"Key": "a", "Value": null}]}}});
    refused_at(&with(topic.clone(), &[]), Code::TemplateInvalid, "Resources.T.Properties.Tags.0.Value");
    let good = json!({"T": {"Type": "AWS::SNS::Topic", "Metadata": {"Note": null}}});
    for (section, entry, path) in [
        ("Outputs", json!({"Value": null}), "Outputs.A.Value"),
        ("Conditions", json!(null), "Conditions.A"),
        ("Mappings", json!({"Region": {"Ami": null}}), "Mappings.A.Region.Ami"),
    ] {
        let template = json!({"Resources": good, section: {"A": entry}}).to_string();
        refused_at(&zip_of(&[("template.json", template.as_bytes())]), Code::TemplateInvalid, path);
    }
    package(&with(good, &[])).unwrap();
    let transformed = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": topic});
    package(&zip_of(&[("template.json", transformed.to_string().as_bytes())])).unwrap();
}

#[test]
fn a_section_with_nothing_but_comments_is_left_out() {
    let yaml = |sections: &str| format!("{sections}Resources:\n  T:\n    Type: AWS::SNS::Topic\n");
    let pack = |text: &str| package(&zip_of(&[("template.yaml", text.as_bytes())])).unwrap();
    let empty = yaml("Parameters:\n  # none yet\nOutputs:\nTransform: AWS::Serverless-2016-10-31\n");
    assert_eq!(pack(&empty).templates, pack(&yaml("Transform: AWS::Serverless-2016-10-31\n")).templates);
    refused_at(&zip_of(&[("template.yaml", b"Resources:\n")]), Code::TemplateInvalid, "template.yaml");
}
