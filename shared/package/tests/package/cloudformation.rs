//! Plain templates with local paths, as `aws cloudformation package` would be given them.

use crate::support::{
    files_of_folder, fixture, package, refused_at, template, zip_in_order, zip_of, zip_of_folder,
};
use flotilla_domain::release::package::PackageFormat;
use flotilla_domain::{Code, Digest};
use serde_json::{Value, json};

#[test]
fn a_template_with_short_tags_and_folders_becomes_neutral() {
    let finished = package(&zip_of_folder(&fixture("cloudformation"))).unwrap();
    let template = template(&finished);
    insta::assert_json_snapshot!(template, {
        ".Resources.Greet.Properties.Code.S3Key" => "[key]",
        ".Resources.Topics.Properties.TemplateURL" => "[url]",
    }, @r#"
    {
      "AWSTemplateFormatVersion": "2010-09-09",
      "Conditions": {
        "FlotillaRoleBoundaryIsGiven": {
          "Fn::Not": [
            {
              "Fn::Equals": [
                {
                  "Ref": "FlotillaRoleBoundary"
                },
                ""
              ]
            }
          ]
        },
        "Owned": {
          "Fn::Not": [
            {
              "Fn::Equals": [
                {
                  "Ref": "Owner"
                },
                ""
              ]
            }
          ]
        }
      },
      "Description": "What Flotilla's tests know of plain CloudFormation",
      "Outputs": {
        "Function": {
          "Export": {
            "Name": {
              "Fn::Sub": "${AWS::StackName}-greet"
            }
          },
          "Value": {
            "Ref": "Greet"
          }
        }
      },
      "Parameters": {
        "FlotillaAssetsBucket": {
          "Description": "The artifact bucket of this region; given by Flotilla.",
          "Type": "String"
        },
        "FlotillaRoleBoundary": {
          "Default": "",
          "Description": "The permissions boundary of the roles; given by Flotilla.",
          "Type": "String"
        },
        "Owner": {
          "Default": "000123456789",
          "Type": "String"
        }
      },
      "Resources": {
        "Greet": {
          "Properties": {
            "Code": {
              "S3Bucket": {
                "Ref": "FlotillaAssetsBucket"
              },
              "S3Key": "[key]"
            },
            "Environment": {
              "Variables": {
                "OWNER": {
                  "Fn::If": [
                    "Owned",
                    {
                      "Ref": "Owner"
                    },
                    "nobody"
                  ]
                },
                "TOPIC": {
                  "Fn::GetAtt": [
                    "Topics",
                    "Outputs.TopicArn"
                  ]
                }
              }
            },
            "Handler": "greet.handler",
            "Role": {
              "Fn::GetAtt": [
                "Role",
                "Arn"
              ]
            },
            "Runtime": "python3.12"
          },
          "Type": "AWS::Lambda::Function"
        },
        "Role": {
          "Properties": {
            "AssumeRolePolicyDocument": {
              "Statement": [
                {
                  "Action": "sts:AssumeRole",
                  "Effect": "Allow",
                  "Principal": {
                    "Service": "lambda.amazonaws.com"
                  }
                }
              ],
              "Version": "2012-10-17"
            },
            "ManagedPolicyArns": [
              {
                "Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
              }
            ],
            "PermissionsBoundary": {
              "Fn::If": [
                "FlotillaRoleBoundaryIsGiven",
                {
                  "Ref": "FlotillaRoleBoundary"
                },
                {
                  "Ref": "AWS::NoValue"
                }
              ]
            }
          },
          "Type": "AWS::IAM::Role"
        },
        "Topics": {
          "Properties": {
            "Parameters": {
              "FlotillaAssetsBucket": {
                "Ref": "FlotillaAssetsBucket"
              },
              "FlotillaRoleBoundary": {
                "Ref": "FlotillaRoleBoundary"
              },
              "Name": {
                "Fn::Join": [
                  "-",
                  [
                    {
                      "Ref": "AWS::StackName"
                    },
                    "topics"
                  ]
                ]
              }
            },
            "TemplateURL": "[url]"
          },
          "Type": "AWS::CloudFormation::Stack"
        }
      }
    }
    "#);
    let package = finished.package;
    assert_eq!(package.format, PackageFormat::Cloudformation);
    let stack = &package.stacks[0];
    // The nested template names its role.
    assert_eq!(stack.capabilities.iter().collect::<Vec<_>>(), ["CAPABILITY_NAMED_IAM"]);
    assert_eq!(stack.functions.len(), 1);
    let warnings: Vec<_> = package.warnings.iter().map(|w| (w.code, w.path.as_str())).collect();
    assert_eq!(warnings, [(Code::NestedUnproven, "nested/topics.yaml")]);
}

#[test]
fn the_package_is_the_same_however_the_folder_was_zipped() {
    let files = files_of_folder(&fixture("cloudformation"));
    let plain = package(&zip_in_order(&files)).unwrap();
    let wrapped: Vec<_> = files.iter().rev().map(|(n, c)| (format!("folder/{n}"), c.clone())).collect();
    assert_eq!(package(&zip_in_order(&wrapped)).unwrap(), plain);
}

pub fn with(resources: Value, files: &[(&str, &[u8])]) -> Vec<u8> {
    let template = json!({ "Resources": resources }).to_string();
    let mut all = vec![("template.json", template.as_bytes())];
    all.extend(files);
    zip_of(&all)
}

#[test]
fn every_property_with_a_path_gets_its_form_of_a_location() {
    let file = ("file.txt", &b"text"[..]);
    let key = format!("assets/{}", Digest::of(b"text"));
    let bucket = json!({"Ref": "FlotillaAssetsBucket"});
    let pair = json!({"Bucket": bucket, "Key": key});
    let uri = json!({"Fn::Sub": format!("s3://${{FlotillaAssetsBucket}}/{key}")});
    for (kind, property, expected) in [
        ("AWS::ApiGateway::RestApi", "BodyS3Location", &pair),
        ("AWS::ApiGatewayV2::Api", "BodyS3Location", &pair),
        ("AWS::StepFunctions::StateMachine", "DefinitionS3Location", &pair),
        ("AWS::AppSync::GraphQLSchema", "DefinitionS3Location", &uri),
        ("AWS::AppSync::Resolver", "CodeS3Location", &uri),
        ("AWS::AppSync::FunctionConfiguration", "RequestMappingTemplateS3Location", &uri),
        (
            "AWS::ElasticBeanstalk::ApplicationVersion",
            "SourceBundle",
            &json!({"S3Bucket": bucket, "S3Key": key}),
        ),
    ] {
        let resource = |value: Value| json!({"A": {"Type": kind, "Properties": {property: value}}});
        let finished = package(&with(resource(json!("./file.txt")), &[file])).unwrap();
        assert_eq!(&template(&finished)["Resources"]["A"]["Properties"][property], expected, "{kind}");
        let path = format!("Resources.A.Properties.{property}");
        refused_at(&with(resource(json!("s3://b/k")), &[file]), Code::CodeOutsidePackage, &path);
        refused_at(&with(resource(json!("other.txt")), &[file]), Code::AssetMissing, &path);
    }
    let job =
        json!({"A": {"Type": "AWS::Glue::Job", "Properties": {"Command": {"ScriptLocation": "file.txt"}}}});
    let finished = package(&with(job, &[file])).unwrap();
    assert_eq!(template(&finished)["Resources"]["A"]["Properties"]["Command"]["ScriptLocation"], uri);
    let empty = json!({"A": {"Type": "AWS::Glue::Job", "Properties": {"Command": {"ScriptLocation": ""}}}});
    let finished = package(&with(empty, &[])).unwrap();
    assert_eq!(template(&finished)["Resources"]["A"]["Properties"]["Command"]["ScriptLocation"], "");
}

#[test]
fn inline_code_stays_and_images_are_warned_of() {
    let code = |code: Value| json!({"A": {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}}});
    let inline = json!({"ZipFile": "pass"});
    let finished = package(&with(code(inline.clone()), &[])).unwrap();
    assert_eq!(template(&finished)["Resources"]["A"]["Properties"]["Code"], inline);
    let finished = package(&with(code(json!({"ImageUri": {"Ref": "Image"}})), &[])).unwrap();
    assert_eq!(finished.package.warnings[0].code, Code::ImageOutsidePackage);
}

fn nesting(url: &str) -> Value {
    json!({"N": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}})
}

#[test]
fn nested_templates_may_not_be_elsewhere_or_contain_themselves() {
    let path = "Resources.N.Properties.TemplateURL";
    refused_at(&with(nesting("https://s3.amazonaws.com/b/k"), &[]), Code::CodeOutsidePackage, path);
    refused_at(&with(nesting("none.yaml"), &[]), Code::AssetMissing, path);
    refused_at(&with(nesting("template.json"), &[]), Code::TemplateUnsupported, "template.json");
    let bad = json!({"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "x"}}}});
    let refusal = refused_at(
        &with(nesting("n/t.json"), &[("n/t.json", bad.to_string().as_bytes())]),
        Code::AssetMissing,
        "n/t.json: Resources.F.Properties.Code",
    );
    assert!(refusal.message.contains("x is not in the package"));
}

#[test]
fn templates_that_nest_each_other_often_are_read_once() {
    let mut files = Vec::new();
    for n in 0..8 {
        let inner = match n {
            7 => json!({"T": {"Type": "AWS::SNS::Topic"}}),
            n => (0..100)
                .map(|id| (format!("N{id}"), nesting(&format!("{}.json", n + 1))["N"].clone()))
                .collect(),
        };
        files.push((format!("{n}.json"), json!({ "Resources": inner }).to_string()));
    }
    let files: Vec<_> = files.iter().map(|(n, c)| (n.as_str(), c.as_bytes())).collect();
    let finished = package(&with(nesting("0.json"), &files)).unwrap();
    assert_eq!(finished.templates.len(), 9);
}

#[test]
fn what_placeholders_ask_for_is_handed_down_to_every_depth() {
    let inner = json!({"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "flotillastage-flotillaparam-Name"}}}});
    let middle = json!({ "Resources": nesting("inner.json") });
    let files = [("middle.json", middle.to_string()), ("inner.json", inner.to_string())]
        .map(|(n, c)| (n, c.into_bytes()));
    let files: Vec<_> = files.iter().map(|(n, c)| (*n, c.as_slice())).collect();
    let finished = package(&with(nesting("middle.json"), &files)).unwrap();
    let outer = template(&finished);
    let given = ["FlotillaAssetsBucket", "FlotillaStage", "Name"]
        .map(|name| (name.to_owned(), json!({ "Ref": name })));
    let given: Value = given.into_iter().collect();
    assert_eq!(outer["Resources"]["N"]["Properties"]["Parameters"], given);
    let parameters = &finished.package.stacks[0].parameters;
    assert_eq!(*parameters, [("FlotillaStage".to_owned(), false), ("Name".to_owned(), false)].into());
}

#[test]
fn a_stack_set_cannot_reach_the_package() {
    let set = |url: &str| json!({"S": {"Type": "AWS::CloudFormation::StackSet", "Properties": {"TemplateURL": url}}});
    let plain = json!({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}).to_string();
    assert!(package(&with(set("t.json"), &[("t.json", plain.as_bytes())])).is_ok());
    let code = json!({"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "c"}}}})
        .to_string();
    let zip = with(set("t.json"), &[("t.json", code.as_bytes()), ("c/a.py", b"")]);
    refused_at(&zip, Code::TemplateUnsupported, "Resources.S.Properties.TemplateURL");
}

fn include(location: &str) -> Value {
    json!({"Name": "AWS::Include", "Parameters": {"Location": location}})
}

#[test]
fn included_files_stand_in_the_template() {
    let template_file = json!({
        "Transform": [include("all.yaml"), "Macro"],
        "Resources": {
            "Fn::Transform": include("parts/topic.yaml"),
            "B": {"Type": "AWS::SNS::Topic", "Properties": {"Tags": [{"Fn::Transform": include("parts/tag.json")}]}},
        },
    });
    let finished = package(&zip_of(&[
        ("template.json", template_file.to_string().as_bytes()),
        ("all.yaml", b"Outputs: {Name: {Value: !Ref A}}"),
        ("parts/topic.yaml", b"A:\n  Type: AWS::SNS::Topic\n  Properties:\n    Fn::Transform: {Name: AWS::Include, Parameters: {Location: name.yaml}}\n"),
        ("parts/name.yaml", b"TopicName: !Sub '${AWS::StackName}-a'"),
        ("parts/tag.json", br#"{"Key": "a", "Value": "b"}"#),
    ]))
    .unwrap();
    let mut template = template(&finished);
    template.as_object_mut().unwrap().remove("Parameters");
    assert_eq!(
        template,
        json!({
            "Transform": "Macro",
            "Outputs": {"Name": {"Value": {"Ref": "A"}}},
            "Resources": {
                "A": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::Sub": "${AWS::StackName}-a"}}},
                "B": {"Type": "AWS::SNS::Topic", "Properties": {"Tags": [{"Key": "a", "Value": "b"}]}},
            },
        })
    );
}

#[test]
fn p04_includes_are_bounded_and_local() {
    let topic =
        |include: Value| json!({"A": {"Type": "T", "Properties": {"Fn::Transform": include, "X": 1}}});
    let path = "Resources.A.Properties.Fn::Transform";
    refused_at(&with(topic(include("s3://b/k")), &[]), Code::CodeOutsidePackage, path);
    refused_at(&with(topic(json!({"Name": "AWS::Include"})), &[]), Code::CodeOutsidePackage, path);
    refused_at(&with(topic(include("a")), &[("a", b"X: 2")]), Code::TemplateInvalid, path);
    refused_at(&with(topic(include("a")), &[("a", b"[1]")]), Code::TemplateInvalid, path);
    let own = include("a").to_string();
    let itself = format!("{{\"B\": {{\"Fn::Transform\": {own}}}}}");
    let refusal = package(&with(topic(include("a")), &[("a", itself.as_bytes())])).unwrap_err();
    assert!(refusal.message.contains("include each other"), "{refusal}");
    let big = format!("B: {}", "x".repeat(600_000));
    let two = json!({"A": {"Type": "T", "Properties": [{"Fn::Transform": include("a")}, {"Fn::Transform": include("a")}]}});
    let refusal = refused_at(&with(two, &[("a", big.as_bytes())]), Code::LimitExceeded, "template.json");
    assert!(refusal.message.contains("template_bytes_max"));
}

#[test]
fn a_template_that_takes_the_tags_of_another_service_is_refused() {
    let tags = json!([{"Key": "flotilla:service", "Value": "billing"}]);
    let role = json!({"Role": {"Type": "AWS::IAM::Role", "Properties": {"Tags": tags}}});
    refused_at(&with(role, &[]), Code::TemplateInvalid, "Resources.Role.Properties.Tags");
}
