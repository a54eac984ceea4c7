//! Packages of 500 resources, as the packaging tools would write them.

use flotilla_package::formats::Files;
use flotilla_package::listing::{FileInfo, Listing};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// CloudFormation's quota.
const RESOURCES: usize = 500;
/// Each function has a role, a log group, a version and a method that calls it.
const FUNCTIONS: usize = RESOURCES / 5;
const REGION: &str = "eu-west-1";
const ACCOUNT: &str = "111122223333";

/// A package's listing and small files.
pub struct Sample {
    pub listing: Listing,
    pub files: Files,
}

fn sample(files: impl IntoIterator<Item = (String, Value)>, assets: Vec<String>) -> Sample {
    let files: Files =
        files.into_iter().map(|(name, value)| (name, value.to_string().into_bytes())).collect();
    let info = |bytes| FileInfo { bytes, executable: false };
    let small = files.iter().map(|(name, content)| (name.clone(), info(content.len() as u64)));
    let large = assets.into_iter().map(|name| (name, info(1_000_000)));
    Sample { listing: Listing { files: small.chain(large).collect(), ..Listing::default() }, files }
}

/// A template with literals of a region and an account, and the placeholder of the stage. `code` says where the
/// code of a function lies.
pub fn template(code: impl Fn(usize) -> Value) -> Value {
    let mut resources = Map::new();
    for n in 0..FUNCTIONS {
        let name = format!("orders-flotillastage-handler{n:03}");
        let log = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{name}");
        resources.insert(
            format!("Handler{n:03}LogGroup"),
            json!({
                "Type": "AWS::Logs::LogGroup",
                "Properties": {"LogGroupName": format!("/aws/lambda/{name}"), "RetentionInDays": 30},
            }),
        );
        resources.insert(format!("Handler{n:03}Role"), json!({
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com"]}, "Action": ["sts:AssumeRole"]},
                ]},
                "Policies": [{"PolicyName": format!("orders-flotillastage-{n:03}"), "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": [format!("{log}:*"), format!("{log}:*:*")]},
                        {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], "Resource": [
                            {"Fn::Sub": format!("arn:${{AWS::Partition}}:dynamodb:{REGION}:${{AWS::AccountId}}:table/orders-flotillastage")},
                            {"Fn::GetAtt": ["Handler000LogGroup", "Arn"]},
                        ]},
                    ],
                }}],
            },
        }));
        resources.insert(format!("Handler{n:03}Function"), json!({
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": code(n),
                "FunctionName": name,
                "Handler": format!("src/handlers/handler{n:03}.main"),
                "Runtime": "nodejs22.x",
                "MemorySize": 512,
                "Timeout": 29,
                "Environment": {"Variables": {
                    "STAGE": "flotillastage",
                    "TABLE": "orders-flotillastage",
                    "ENDPOINT": "flotillaparam-Endpoint",
                    "QUEUE_URL": format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/orders-flotillastage-{n:03}"),
                    "NODE_OPTIONS": "--enable-source-maps",
                }},
                "Role": {"Fn::GetAtt": [format!("Handler{n:03}Role"), "Arn"]},
            },
            "DependsOn": [format!("Handler{n:03}LogGroup")],
        }));
        resources.insert(format!("Handler{n:03}Permission"), json!({
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Fn::GetAtt": [format!("Handler{n:03}Function"), "Arn"]},
                "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, format!(":execute-api:{REGION}:{ACCOUNT}:"), {"Ref": "Handler000LogGroup"}, "/*/*"]]},
            },
        }));
        resources.insert(format!("Handler{n:03}Alarm"), json!({
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmDescription": format!("Handler {n} fails: see the log group of orders-flotillastage in {REGION}"),
                "AlarmActions": [format!("arn:aws:sns:{REGION}:{ACCOUNT}:alarms")],
                "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": format!("Handler{n:03}Function")}}],
                "MetricName": "Errors", "Namespace": "AWS/Lambda", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Statistic": "Sum",
            },
        }));
    }
    json!({"AWSTemplateFormatVersion": "2010-09-09", "Description": "Orders", "Resources": resources})
}

/// What osls writes.
pub fn serverless() -> Sample {
    let folder = "serverless/orders/flotillastage/1795217466497-2026-11-20";
    let code = |n: usize| json!({"S3Bucket": "deployment", "S3Key": format!("{folder}/handler{n:03}.zip")});
    let provider = json!({"name": "aws", "stage": "staging", "region": REGION});
    let state = json!({
        "service": {"service": "orders", "provider": provider},
        "package": {"artifactDirectoryName": folder},
    });
    let files =
        [("serverless-state.json", state), ("cloudformation-template-update-stack.json", template(code))];
    let assets = (0..FUNCTIONS).map(|n| format!("handler{n:03}.zip")).collect();
    sample(files.map(|(name, value)| (name.to_owned(), value)), assets)
}

/// What `cdk synth` writes of an app with so many stacks.
pub fn cdk(stacks: usize) -> Sample {
    const BUCKET: &str = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}";
    let key = |n: usize| format!("{n:064x}.zip");
    let code = |n: usize| json!({"S3Bucket": {"Fn::Sub": BUCKET}, "S3Key": key(n)});
    let asset = |n: usize| {
        let to = json!({"here": {"bucketName": BUCKET, "objectKey": key(n)}});
        let source = json!({"path": format!("asset.{n:064x}"), "packaging": "zip"});
        (format!("{n:064x}"), json!({"source": source, "destinations": to}))
    };
    let known: Map<String, Value> = (0..FUNCTIONS).map(asset).collect();
    let known = json!({"version": "55.0.0", "files": known});
    let template = template(code);
    let mut artifacts = Map::new();
    let mut files = vec![("cdk.out".to_owned(), json!({"version": "55.0.0"}))];
    for n in 0..stacks {
        let (stack, assets) = (format!("Orders{n}"), format!("Orders{n}.assets"));
        let (template_file, assets_file) = (format!("{stack}.template.json"), format!("{assets}.json"));
        artifacts.insert(
            assets.clone(),
            json!({"type": "cdk:asset-manifest", "properties": {"file": assets_file}}),
        );
        let properties =
            json!({"templateFile": template_file, "stackName": format!("orders-flotillastage-{n}")});
        let artifact = json!({
            "type": "aws:cloudformation:stack",
            "environment": format!("aws://{ACCOUNT}/{REGION}"),
            "properties": properties,
            "dependencies": [assets],
            "displayName": stack,
        });
        artifacts.insert(stack, artifact);
        files.extend([(template_file, template.clone()), (assets_file, known.clone())]);
    }
    files.push(("manifest.json".into(), json!({"version": "55.0.0", "artifacts": artifacts})));
    let assets = (0..FUNCTIONS).map(|n| format!("asset.{n:064x}/index.js")).collect();
    sample(files, assets)
}

/// A template as people write it: block style, and short tags where there are some.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    write_yaml(value, 0, &mut out);
    out
}

fn write_yaml(value: &Value, depth: usize, out: &mut String) {
    let short = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
    match (short, value) {
        (Some((function, Value::String(text))), _) if function == "Ref" || function == "Fn::Sub" => {
            let _ = writeln!(out, " !{} {}", function.trim_start_matches("Fn::"), json!(text));
        }
        (_, Value::Object(object)) => {
            out.push('\n');
            for (key, value) in object {
                let _ = write!(out, "{:1$}{key}:", "", depth * 2);
                write_yaml(value, depth + 1, out);
            }
        }
        (_, Value::Array(items)) => {
            out.push('\n');
            for item in items {
                let _ = write!(out, "{:1$}-", "", depth * 2);
                write_yaml(item, depth + 1, out);
            }
        }
        (_, Value::String(text)) if text.chars().all(char::is_alphabetic) && !text.is_empty() => {
            let _ = writeln!(out, " {text}");
        }
        (_, scalar) => {
            let _ = writeln!(out, " {scalar}");
        }
    }
}
