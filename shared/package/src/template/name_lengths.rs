//! The lengths of names that a template gives to resources.

use flotilla_domain::release::limited_name::LimitedName;
use flotilla_domain::release::package::STAGE_PARAMETER;
use serde_json::Value;
use std::collections::BTreeMap;

/// The property that names a resource, and the most characters that it may have (AWS CloudFormation Template Reference, and the API reference
/// of each service).
const NAMES: &[(&str, &str, usize)] = &[
    ("AWS::ApiGatewayV2::Api", "Name", 128),
    ("AWS::CloudWatch::Alarm", "AlarmName", 255),
    ("AWS::Cognito::UserPool", "UserPoolName", 128),
    ("AWS::DynamoDB::GlobalTable", "TableName", 255),
    ("AWS::DynamoDB::Table", "TableName", 255),
    ("AWS::ECS::Cluster", "ClusterName", 255),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "Name", 32),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "Name", 32),
    ("AWS::Events::EventBus", "Name", 256),
    ("AWS::Events::Rule", "Name", 64),
    ("AWS::IAM::Group", "GroupName", 128),
    ("AWS::IAM::InstanceProfile", "InstanceProfileName", 128),
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName", 128),
    ("AWS::IAM::Role", "RoleName", 64),
    ("AWS::IAM::User", "UserName", 64),
    ("AWS::Kinesis::Stream", "Name", 128),
    ("AWS::KinesisFirehose::DeliveryStream", "DeliveryStreamName", 64),
    ("AWS::Lambda::Function", "FunctionName", 64),
    ("AWS::Pipes::Pipe", "Name", 64),
    ("AWS::RDS::DBCluster", "DBClusterIdentifier", 63),
    ("AWS::RDS::DBInstance", "DBInstanceIdentifier", 63),
    ("AWS::S3::Bucket", "BucketName", 63),
    ("AWS::SNS::Topic", "TopicName", 256),
    ("AWS::SQS::Queue", "QueueName", 80),
    ("AWS::Scheduler::Schedule", "Name", 64),
    ("AWS::Serverless::Function", "FunctionName", 64),
    ("AWS::Serverless::StateMachine", "Name", 80),
    ("AWS::StepFunctions::StateMachine", "StateMachineName", 80),
];

/// The longest names of stages, regions and stacks: see [`flotilla_domain::StageName`]; `ap-southeast-2`; CloudFormation's `CreateStack`.
const LONGEST: (usize, usize, usize) = (48, 14, 128);
/// Digits of an account id, and the shortest partition, `aws`.
const ACCOUNT: usize = 12;
const PARTITION: usize = 3;
/// Most names that are kept.
const KEPT_MAX: usize = 50;

/// The names that are too long in some deployment. A resource with a condition may not exist where its name is too long, and a name with values
/// that are not known here is left to CloudFormation.
pub fn long_names(template: &Value) -> Vec<LimitedName> {
    let mut found: BTreeMap<_, LimitedName> = BTreeMap::new();
    for (id, resource) in template.get("Resources").and_then(Value::as_object).into_iter().flatten() {
        let Some(kind) = resource["Type"].as_str().filter(|_| resource.get("Condition").is_none()) else {
            continue;
        };
        let Some((_, property, max)) = NAMES.iter().find(|(named, ..)| *named == kind) else { continue };
        let Some(name) = resource["Properties"].get(property) else { continue };
        let Some(length) = Length::of(name) else { continue };
        let longest = length.literal
            + length.stages * LONGEST.0
            + length.regions * LONGEST.1
            + length.stacks * LONGEST.2;
        if longest > *max {
            let name = LimitedName {
                path: format!("Resources.{id}.Properties.{property}"),
                max: *max,
                literal: length.literal,
                stages: length.stages,
                regions: length.regions,
                stacks: length.stacks,
            };
            // Of names that grow in the same way, the longest is the first that is too long.
            let alike = found
                .entry((name.max, name.stages, name.regions, name.stacks))
                .or_insert_with(|| name.clone());
            if alike.literal < name.literal {
                *alike = name;
            }
        }
    }
    found.into_values().take(KEPT_MAX).collect()
}

#[derive(Default)]
struct Length {
    literal: usize,
    stages: usize,
    regions: usize,
    stacks: usize,
}

impl Length {
    /// The length of a value; `None` if it cannot be known here.
    fn of(value: &Value) -> Option<Self> {
        let mut length = Self::default();
        length.add(value)?;
        Some(length)
    }

    fn add(&mut self, value: &Value) -> Option<()> {
        match value {
            Value::String(text) => self.add_text(text),
            Value::Number(number) => self.add_text(&number.to_string()),
            Value::Object(object) if object.len() == 1 => match object.iter().next()? {
                (key, Value::String(name)) if key == "Ref" => self.add_reference(name),
                (key, Value::String(text)) if key == "Fn::Sub" => self.add_substituted(text),
                (key, Value::Array(parts)) if key == "Fn::Join" => {
                    let [Value::String(between), Value::Array(parts)] = parts.as_slice() else { return None };
                    self.literal += between.chars().count() * parts.len().saturating_sub(1);
                    parts.iter().try_for_each(|part| self.add(part))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn add_text(&mut self, text: &str) -> Option<()> {
        self.literal += text.chars().count();
        (!text.contains("{{resolve:")).then_some(())
    }

    /// Adds a text with `${Name}` and `${!Literal}`, which stands for `${Literal}`.
    fn add_substituted(&mut self, text: &str) -> Option<()> {
        let mut rest = text;
        while let Some((before, from)) = rest.split_once("${") {
            self.add_text(before)?;
            let (name, after) = from.split_once('}')?;
            match name.strip_prefix('!') {
                Some(literal) => self.literal += literal.chars().count() + 3,
                None => self.add_reference(name.trim())?,
            }
            rest = after;
        }
        self.add_text(rest)
    }

    fn add_reference(&mut self, name: &str) -> Option<()> {
        match name {
            STAGE_PARAMETER => self.stages += 1,
            "AWS::Region" => self.regions += 1,
            "AWS::StackName" => self.stacks += 1,
            "AWS::AccountId" => self.literal += ACCOUNT,
            "AWS::Partition" => self.literal += PARTITION,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(kind: &str, property: &str, name: Value) -> Vec<[usize; 5]> {
        let template = json!({"Resources": {"R": {"Type": kind, "Properties": {property: name}}}});
        let found = long_names(&template);
        assert!(found.iter().all(|name| name.path == format!("Resources.R.Properties.{property}")));
        found.iter().map(|n| [n.max, n.literal, n.stages, n.regions, n.stacks]).collect()
    }

    #[test]
    fn a_name_that_some_stage_makes_too_long_is_kept() {
        let long = "x".repeat(17);
        for name in [
            json!({"Fn::Sub": format!("{long}${{FlotillaStage}}")}),
            json!({"Fn::Join": ["-", [&long[1..], {"Ref": "FlotillaStage"}]]}),
            json!({"Fn::Join": ["", [&long, {"Fn::Sub": "${ FlotillaStage }"}]]}),
        ] {
            assert_eq!(found("AWS::IAM::Role", "RoleName", name), [[64, 17, 1, 0, 0]]);
        }
        let all = json!({"Fn::Sub": "${AWS::StackName}-${AWS::Region}-${AWS::AccountId}-${!x}"});
        assert_eq!(found("AWS::S3::Bucket", "BucketName", all), [[63, 3 + 12 + 4, 0, 1, 1]]);
        assert_eq!(
            found("AWS::Lambda::Function", "FunctionName", json!("x".repeat(65))),
            [[64, 65, 0, 0, 0]]
        );
    }

    #[test]
    fn of_names_that_grow_alike_the_longest_is_kept() {
        let role = |fixed: usize| json!({"Type": "AWS::IAM::Role", "Properties": {"RoleName": {"Fn::Sub": format!("{}${{FlotillaStage}}", "x".repeat(fixed))}}});
        let template = json!({"Resources": {"A": role(20), "B": role(22), "C": role(21)}});
        let found: Vec<_> = long_names(&template).into_iter().map(|name| (name.path, name.literal)).collect();
        assert_eq!(found, [("Resources.B.Properties.RoleName".to_owned(), 22)]);
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            json!({"Fn::Sub": "orders-${FlotillaStage}"}),
            json!({"Ref": "Name"}),
            json!({"Fn::Sub": ["${a}", {"a": "x"}]}),
            json!({"Fn::Sub": "orders-${Name}-${FlotillaStage}-and-much-more-than-fits"}),
            json!({"Fn::Sub": "${FlotillaStage"}),
            json!(format!("{{{{resolve:ssm:/{}}}}}", "x".repeat(80))),
            json!({"Fn::If": ["C", "x".repeat(80), "b"]}),
        ] {
            assert!(found("AWS::IAM::Role", "RoleName", name.clone()).is_empty(), "{name}");
        }
        assert!(found("AWS::SSM::Parameter", "Name", json!("x".repeat(200))).is_empty());
        let conditional = json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Condition": "C",
            "Properties": {"RoleName": "x".repeat(65)}}}});
        assert!(long_names(&conditional).is_empty());
    }
}
