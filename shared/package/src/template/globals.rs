//! Names that exist once for all regions: a second region of a profile could not create the resource again.

use flotilla_domain::release::package::STAGE_PARAMETER;
use serde_json::Value;

/// The property that names a resource which is not regional, with where AWS says so.
const NAMES: &[(&str, &[&str])] = &[
    // IAM User Guide, "IAM is global".
    ("AWS::IAM::Group", &["GroupName"]),
    ("AWS::IAM::InstanceProfile", &["InstanceProfileName"]),
    ("AWS::IAM::ManagedPolicy", &["ManagedPolicyName"]),
    ("AWS::IAM::Role", &["RoleName"]),
    ("AWS::IAM::OIDCProvider", &["Url"]),
    ("AWS::IAM::SAMLProvider", &["Name"]),
    ("AWS::IAM::ServiceLinkedRole", &["AWSServiceName"]),
    ("AWS::IAM::User", &["UserName"]),
    // AWS Cost Management User Guide: budgets are those of an account.
    ("AWS::Budgets::Budget", &["Budget", "BudgetName"]),
    // Amazon ECR Public User Guide: repositories are created in us-east-1.
    ("AWS::ECR::PublicRepository", &["RepositoryName"]),
    // AWS Global Accelerator Developer Guide: accelerators are global.
    ("AWS::GlobalAccelerator::Accelerator", &["Name"]),
    // Amazon S3 User Guide, "Bucket naming rules".
    ("AWS::S3::Bucket", &["BucketName"]),
    // Amazon S3 User Guide, "Multi-Region Access Points": a name is unique in an account.
    ("AWS::S3::MultiRegionAccessPoint", &["Name"]),
    // Amazon CloudFront Developer Guide: CloudFront is a global service.
    ("AWS::CloudFront::CachePolicy", &["CachePolicyConfig", "Name"]),
    ("AWS::CloudFront::Distribution", &["DistributionConfig", "Aliases"]),
    ("AWS::CloudFront::Function", &["Name"]),
    ("AWS::CloudFront::KeyValueStore", &["Name"]),
    ("AWS::CloudFront::RealtimeLogConfig", &["Name"]),
    ("AWS::CloudFront::KeyGroup", &["KeyGroupConfig", "Name"]),
    ("AWS::CloudFront::OriginAccessControl", &["OriginAccessControlConfig", "Name"]),
    ("AWS::CloudFront::OriginRequestPolicy", &["OriginRequestPolicyConfig", "Name"]),
    ("AWS::CloudFront::PublicKey", &["PublicKeyConfig", "Name"]),
    ("AWS::CloudFront::ResponseHeadersPolicy", &["ResponseHeadersPolicyConfig", "Name"]),
    // Amazon Route 53 Developer Guide: records of a zone, unless a routing policy tells them apart.
    ("AWS::Route53::RecordSet", &["Name"]),
];

/// Pseudo parameters with the same value in each region.
const SAME_EVERYWHERE: [&str; 4] = ["AWS::AccountId", "AWS::Partition", "AWS::StackName", STAGE_PARAMETER];

/// Most names that are kept.
const KEPT_MAX: usize = 20;

/// The paths of the names that would be the same in each region. A resource with a condition may exist in one region only, and a name whose value
/// is not known here is left to CloudFormation.
pub fn same_names(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (id, resource) in template.get("Resources").and_then(Value::as_object).into_iter().flatten() {
        let (kind, properties) = (resource["Type"].as_str().unwrap_or_default(), &resource["Properties"]);
        if resource.get("Condition").is_some() || properties.get("SetIdentifier").is_some() {
            continue;
        }
        let rows = NAMES.iter().filter(|(named, _)| *named == kind);
        for (_, way) in rows {
            let name = way.iter().try_fold(properties, |value, key| value.get(key));
            // Each region may have a zone of its own.
            let zone = properties.get("HostedZoneId").or_else(|| properties.get("HostedZoneName"));
            let elsewhere = kind == "AWS::Route53::RecordSet" && !zone.is_some_and(is_same);
            if !elsewhere && name.is_some_and(is_same) {
                found.push(format!("Resources.{id}.Properties.{}", way.join(".")));
            }
        }
        if kind == RECORDS {
            found.extend(
                same_records(properties).map(|n| format!("Resources.{id}.Properties.RecordSets.{n}.Name")),
            );
        }
        // AWS WAF Developer Guide: web ACLs for CloudFront are created in us-east-1.
        if kind.starts_with("AWS::WAFv2::") && properties["Scope"] == "CLOUDFRONT" {
            found.push(format!("Resources.{id}.Properties.Scope"));
        }
    }
    found.truncate(KEPT_MAX);
    found
}

const RECORDS: &str = "AWS::Route53::RecordSetGroup";

/// The numbers of the records of a group that would be the same in each region.
fn same_records(group: &Value) -> impl Iterator<Item = usize> {
    let zone = group.get("HostedZoneId").or_else(|| group.get("HostedZoneName"));
    let records = group.get("RecordSets").and_then(Value::as_array).into_iter().flatten().enumerate();
    let is_one = zone.is_some_and(is_same);
    records
        .filter(move |(_, record)| {
            is_one && record.get("SetIdentifier").is_none() && record.get("Name").is_some_and(is_same)
        })
        .map(|(n, _)| n)
}

/// Whether a value is known to be the same in each region.
fn is_same(value: &Value) -> bool {
    match value {
        // SSM and Secrets Manager are regional.
        Value::String(text) => !text.contains("{{resolve:"),
        Value::Number(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(is_same),
        Value::Object(object) => {
            object.len() == 1
                && object.iter().all(|(key, value)| match (key.as_str(), value) {
                    ("Ref", Value::String(name)) => SAME_EVERYWHERE.contains(&name.as_str()),
                    ("Fn::Sub", Value::String(text)) => substitutes_same(text),
                    ("Fn::Join", Value::Array(parts)) => parts.iter().all(is_same),
                    _ => false,
                })
        }
        _ => false,
    }
}

/// Whether all that a text substitutes is the same in each region.
fn substitutes_same(text: &str) -> bool {
    if text.contains("{{resolve:") {
        return false;
    }
    let names = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    let mut names = names.filter(|name| !name.starts_with('!'));
    names.all(|name| SAME_EVERYWHERE.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(kind: &str, properties: Value) -> Vec<String> {
        same_names(&json!({"Resources": {"R": {"Type": kind, "Properties": properties}}}))
    }

    #[test]
    fn a_name_that_is_the_same_in_each_region_is_found() {
        for name in [
            json!("orders-role"),
            json!({"Fn::Sub": "orders-${FlotillaStage}-${AWS::AccountId}-${!x}"}),
            json!({"Fn::Join": ["-", ["orders", {"Ref": "AWS::StackName"}]]}),
        ] {
            assert_eq!(
                found("AWS::IAM::Role", json!({"RoleName": name})),
                ["Resources.R.Properties.RoleName"]
            );
        }
        assert_eq!(found("AWS::WAFv2::WebACL", json!({"Scope": "CLOUDFRONT"})).len(), 1);
        let distribution = json!({"DistributionConfig": {"Aliases": ["www.example.com"]}});
        assert_eq!(found("AWS::CloudFront::Distribution", distribution).len(), 1);
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            json!({"Fn::Sub": "orders-${AWS::Region}"}),
            json!({"Fn::Join": ["-", ["orders", {"Ref": "AWS::Region"}]]}),
            json!({"Ref": "Name"}),
            json!({"Fn::If": ["C", "a", "b"]}),
            json!("{{resolve:ssm:/orders/bucket}}"),
            json!({"Fn::Sub": "{{resolve:ssm:/${FlotillaStage}/bucket}}"}),
        ] {
            assert!(found("AWS::S3::Bucket", json!({"BucketName": name})).is_empty(), "{name}");
        }
        assert!(found("AWS::IAM::Role", json!({})).is_empty());
        assert!(found("AWS::SQS::Queue", json!({"QueueName": "orders"})).is_empty());
        assert!(
            found(
                "AWS::Route53::RecordSet",
                json!({"Name": "a", "SetIdentifier": "eu", "HostedZoneId": "Z1"})
            )
            .is_empty()
        );
        assert!(
            found("AWS::Route53::RecordSet", json!({"Name": "a", "HostedZoneId": {"Ref": "Zone"}}))
                .is_empty()
        );
        assert_eq!(found("AWS::Route53::RecordSet", json!({"Name": "a", "HostedZoneId": "Z1"})).len(), 1);
        let records = |zone: Value| {
            let sets = json!([{"Name": "a", "SetIdentifier": "eu"}, {"Name": "a"}]);
            found(RECORDS, json!({"HostedZoneId": zone, "RecordSets": sets}))
        };
        assert_eq!(records(json!("Z1")), ["Resources.R.Properties.RecordSets.1.Name"]);
        assert!(records(json!({"Ref": "Zone"})).is_empty());
        let conditional = json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Condition": "Home", "Properties": {"RoleName": "a"}}}});
        assert!(same_names(&conditional).is_empty());
    }
}
