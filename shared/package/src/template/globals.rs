//! Names that exist once for all regions: a second region of a profile could not create the resource again.

use super::loops;
use flotilla_domain::release::package::{GlobalName, STAGE_PARAMETER};
use serde_json::Value;
use std::collections::BTreeSet;

/// The property that names a resource which is not regional, with where AWS says so.
const NAMES: &[(&str, &[&str])] = &[
    // IAM User Guide, "IAM is global".
    ("AWS::IAM::Group", &["GroupName"]),
    ("AWS::IAM::InstanceProfile", &["InstanceProfileName"]),
    ("AWS::IAM::ManagedPolicy", &["ManagedPolicyName"]),
    ("AWS::IAM::Role", &["RoleName"]),
    ("AWS::IAM::OIDCProvider", &["Url"]),
    ("AWS::IAM::SAMLProvider", &["Name"]),
    ("AWS::IAM::ServerCertificate", &["ServerCertificateName"]),
    ("AWS::IAM::ServiceLinkedRole", &["AWSServiceName"]),
    ("AWS::IAM::User", &["UserName"]),
    // AWS Cost Management User Guide: budgets are those of an account.
    ("AWS::Budgets::Budget", &["Budget", "BudgetName"]),
    // Amazon ECR Public User Guide: repositories are created in us-east-1.
    ("AWS::ECR::PublicRepository", &["RepositoryName"]),
    // Amazon DynamoDB Developer Guide, "Global tables": its replicas have the name in their regions.
    ("AWS::DynamoDB::GlobalTable", &["TableName"]),
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

/// The names that would be the same in each region. A resource with a condition may exist in one region only, and a name whose value
/// is not known here is left to CloudFormation.
pub fn same_names(template: &Value) -> Vec<GlobalName> {
    let mut found = Vec::new();
    let resources = template.get("Resources").and_then(Value::as_object);
    for entry in loops::resources(resources) {
        let (kind, properties) =
            (entry.resource["Type"].as_str().unwrap_or_default(), &entry.resource["Properties"]);
        if entry.resource.get("Condition").is_some() || properties.get("SetIdentifier").is_some() {
            continue;
        }
        for (way, values) in shared_values(kind, properties) {
            let identifiers = entry.identifiers.clone();
            let mut known = Values { template, identifiers, parameters: BTreeSet::new() };
            if values.into_iter().all(|value| known.is_same(value)) {
                let path = format!("{}.Properties.{way}", entry.path);
                found.push(GlobalName { path, parameters: known.parameters });
            }
        }
    }
    found.truncate(KEPT_MAX);
    found
}

const RECORD: &str = "AWS::Route53::RecordSet";
const RECORDS: &str = "AWS::Route53::RecordSetGroup";

/// What could be one for all regions in a resource: the path of the property, and the values that must not be the same in each region.
fn shared_values<'v>(kind: &str, properties: &'v Value) -> Vec<(String, Vec<&'v Value>)> {
    let mut found = Vec::new();
    let mut add = |way: String, values: Vec<Option<&'v Value>>| {
        found.extend(values.into_iter().collect::<Option<_>>().map(|values| (way, values)));
    };
    let below = |way: &[&str]| way.iter().try_fold(properties, |value, key| value.get(key));
    // Each region may have a zone of its own.
    let zone = properties.get("HostedZoneId").or_else(|| properties.get("HostedZoneName"));
    for (_, way) in NAMES.iter().filter(|(named, _)| *named == kind) {
        let mut values = vec![below(way)];
        values.extend((kind == RECORD).then_some(zone));
        add(way.join("."), values);
    }
    let records = properties.get("RecordSets").and_then(Value::as_array).filter(|_| kind == RECORDS);
    for (n, record) in records.into_iter().flatten().enumerate() {
        if record.get("SetIdentifier").is_none() {
            add(format!("RecordSets.{n}.Name"), vec![zone, record.get("Name")]);
        }
    }
    match kind {
        // AWS WAF Developer Guide: web ACLs for CloudFront are created in us-east-1.
        _ if kind.starts_with("AWS::WAFv2::") && properties["Scope"] == "CLOUDFRONT" => {
            add("Scope".into(), Vec::new());
        }
        // Amazon Cognito Developer Guide, "Using your own domain": CloudFront serves it.
        "AWS::Cognito::UserPoolDomain" if properties.get("CustomDomainConfig").is_some() => {
            add("Domain".into(), vec![properties.get("Domain")]);
        }
        // API Gateway Developer Guide, "Edge-optimized custom domain names": CloudFront serves them. A regional one has RegionalCertificateArn.
        "AWS::ApiGateway::DomainName" if properties.get("CertificateArn").is_some() => {
            add("DomainName".into(), vec![properties.get("DomainName")]);
        }
        // Amazon CloudFront Developer Guide, "Restrictions on Lambda@Edge": the function is in us-east-1.
        "AWS::CloudFront::Distribution" if runs_own_function(properties) => {
            add("DistributionConfig".into(), Vec::new());
        }
        "AWS::Serverless::Api" | "AWS::Serverless::HttpApi" => {
            let record = below(&["Domain", "Route53"]);
            if record.is_some_and(|record| record.get("SetIdentifier").is_none()) {
                let zone = record.and_then(|r| r.get("HostedZoneId").or_else(|| r.get("HostedZoneName")));
                add("Domain.Route53".into(), vec![below(&["Domain", "DomainName"]), zone]);
            }
        }
        _ => {}
    }
    found
}

/// Whether a distribution runs a function that the template makes.
fn runs_own_function(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(key, value)| match (key.as_str(), value) {
            ("LambdaFunctionARN", Value::Object(function)) => {
                function.contains_key("Ref") || function.contains_key("Fn::GetAtt")
            }
            (_, value) => runs_own_function(value),
        }),
        Value::Array(items) => items.iter().any(runs_own_function),
        _ => false,
    }
}

/// What was found out about a value of the template.
struct Values<'t> {
    template: &'t Value,
    /// The identifiers of the loops around it, whose collections are the same in each region.
    identifiers: Vec<&'t str>,
    /// The parameters that are parts of it.
    parameters: BTreeSet<String>,
}

impl Values<'_> {
    /// Whether a value is known to be the same in each region that gives the parameters the same values.
    fn is_same(&mut self, value: &Value) -> bool {
        match value {
            Value::String(text) => !is_resolved(text),
            Value::Number(_) => true,
            Value::Array(items) => !items.is_empty() && items.iter().all(|item| self.is_same(item)),
            Value::Object(object) if object.len() == 1 => {
                object.iter().all(|(function, value)| self.calls_same(function, value))
            }
            _ => false,
        }
    }

    fn calls_same(&mut self, function: &str, value: &Value) -> bool {
        match (function, value) {
            ("Ref", Value::String(name)) => self.refers_same(name),
            ("Fn::Sub", Value::String(text)) => self.substitutes_same(text, &Value::Null),
            ("Fn::Sub", Value::Array(parts)) => match &parts[..] {
                [Value::String(text), given] => self.substitutes_same(text, given),
                _ => false,
            },
            ("Fn::Join", Value::Array(parts)) => parts.iter().all(|part| self.is_same(part)),
            ("Fn::FindInMap", Value::Array(keys)) => {
                let mappings = self.template.get("Mappings");
                let value = keys.iter().try_fold(mappings, |map, key| Some(map?.get(key.as_str()?)));
                // A mapping has values only (AWS CloudFormation User Guide, "Mappings").
                value.flatten().is_some_and(is_scalar)
            }
            _ => false,
        }
    }

    /// Whether what a name refers to is the same in each region: a pseudo parameter, or a parameter that no region reads itself.
    fn refers_same(&mut self, name: &str) -> bool {
        if SAME_EVERYWHERE.contains(&name) || self.identifiers.contains(&name) {
            return true;
        }
        let declared = self.template.get("Parameters").and_then(|all| all.get(name));
        let is_given = declared.is_some_and(|declared| {
            let kind = declared["Type"].as_str().unwrap_or_default();
            let default = declared["Default"].as_str().unwrap_or_default();
            !kind.starts_with("AWS::SSM::") && !is_resolved(default)
        });
        if is_given {
            self.parameters.insert(name.to_owned());
        }
        is_given
    }

    /// Whether all that a text substitutes is the same in each region. `given` has the values of the names that are the text's own.
    fn substitutes_same(&mut self, text: &str, given: &Value) -> bool {
        let names = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
        // Each once, however often it occurs: values may be nested.
        let names: BTreeSet<&str> = names.filter(|name| !name.starts_with('!')).collect();
        !is_resolved(text)
            && names.into_iter().all(|name| match given.get(name) {
                Some(value) => self.is_same(value),
                None => self.refers_same(name),
            })
    }
}

/// Whether a value is a text or number, or a list of them, that no region reads itself.
fn is_scalar(value: &Value) -> bool {
    match value {
        Value::String(text) => !is_resolved(text),
        Value::Number(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(is_scalar),
        _ => false,
    }
}

/// Whether CloudFormation reads a text from SSM or Secrets Manager, which are regional.
fn is_resolved(text: &str) -> bool {
    text.contains("{{resolve:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(kind: &str, properties: Value) -> Vec<String> {
        same_names(&json!({"Resources": {"R": {"Type": kind, "Properties": properties}}}))
            .into_iter()
            .map(|name| name.path)
            .collect()
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

    #[test]
    fn a_name_of_parameters_and_mappings_is_the_same_where_these_are() {
        let of = |name: Value| {
            same_names(&json!({
                "Parameters": {
                    "Name": {"Type": "String", "Default": "data-us-east-1"},
                    "Given": {"Type": "String"},
                    "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/bucket"},
                    "Resolved": {"Type": "String", "Default": "{{resolve:ssm:/bucket}}"},
                },
                "Mappings": {"Names": {"data": {"bucket": "data"}, "us-east-1": {"bucket": "a"},
                    "circle": {"bucket": {"Fn::FindInMap": ["Names", "circle", "bucket"]}}}},
                "Resources": {"R": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}},
            }))
        };
        for (name, parameters) in [
            (json!({"Ref": "Name"}), vec!["Name"]),
            (json!({"Fn::Sub": "${Name}-${Given}"}), vec!["Given", "Name"]),
            (json!({"Fn::Sub": ["${a}-x", {"a": {"Ref": "Given"}}]}), vec!["Given"]),
            (json!({"Fn::FindInMap": ["Names", "data", "bucket"]}), vec![]),
        ] {
            let found = of(name.clone());
            assert_eq!(found.len(), 1, "{name}");
            assert!(found[0].parameters.iter().eq(parameters), "{name}: {found:?}");
        }
        for name in [
            json!({"Ref": "Stored"}),
            json!({"Ref": "Resolved"}),
            json!({"Ref": "Table"}),
            json!({"Fn::Sub": ["${a}", {"a": {"Ref": "AWS::Region"}}]}),
            json!({"Fn::FindInMap": ["Names", {"Ref": "AWS::Region"}, "bucket"]}),
            json!({"Fn::FindInMap": ["Names", "other", "bucket"]}),
            json!({"Fn::FindInMap": ["Names", "circle", "bucket"]}),
        ] {
            assert!(of(name.clone()).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_nested_deeply_is_evaluated_once_at_each_level() {
        let nested = (0..40).fold(
            json!("data"),
            |inner, _| json!({"Fn::Sub": ["${a}${a}${a}${a}${a}${a}${a}${a}", {"a": inner}]}),
        );
        assert_eq!(found("AWS::S3::Bucket", json!({"BucketName": nested})).len(), 1);
    }

    #[test]
    fn what_cloudfront_serves_and_records_of_sam_exist_once() {
        let domain = |properties: Value| found("AWS::ApiGateway::DomainName", properties);
        let edge = json!({"DomainName": "api.example.com", "CertificateArn": "arn"});
        assert_eq!(domain(edge), ["Resources.R.Properties.DomainName"]);
        assert!(domain(json!({"DomainName": "api.example.com", "RegionalCertificateArn": "arn"})).is_empty());
        let own = json!({"Domain": "auth.example.com", "CustomDomainConfig": {"CertificateArn": "arn"}});
        assert_eq!(found("AWS::Cognito::UserPoolDomain", own).len(), 1);
        assert!(found("AWS::Cognito::UserPoolDomain", json!({"Domain": "orders"})).is_empty());
        assert_eq!(found("AWS::DynamoDB::GlobalTable", json!({"TableName": "orders"})).len(), 1);
        let of_sam = |record: Value| {
            let domain = json!({"DomainName": "api.example.com", "Route53": record});
            found("AWS::Serverless::HttpApi", json!({"Domain": domain}))
        };
        assert_eq!(of_sam(json!({"HostedZoneId": "Z1"})), ["Resources.R.Properties.Domain.Route53"]);
        assert!(of_sam(json!({"HostedZoneId": "Z1", "SetIdentifier": "eu"})).is_empty());
        let edge_function = |arn: Value| {
            let behaviour = json!({"LambdaFunctionAssociations": [{"LambdaFunctionARN": arn}]});
            found(
                "AWS::CloudFront::Distribution",
                json!({"DistributionConfig": {"DefaultCacheBehavior": behaviour}}),
            )
        };
        assert_eq!(edge_function(json!({"Ref": "Version"})).len(), 1);
        assert!(edge_function(json!("arn:aws:lambda:us-east-1:111122223333:function:edge:3")).is_empty());
    }

    #[test]
    fn a_name_that_a_loop_makes_is_the_same_where_its_collection_is() {
        let of = |collection: Value| {
            let bucket =
                json!({"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::Sub": "data-${N}"}}});
            same_names(&json!({"Resources": {"Fn::ForEach::B": ["N", collection, {"B${N}": bucket}]}})).len()
        };
        assert_eq!(of(json!(["a", "b"])), 1);
        assert_eq!(of(json!([{"Ref": "AWS::Region"}])), 0);
        assert_eq!(of(json!({"Ref": "Names"})), 0);
    }
}
