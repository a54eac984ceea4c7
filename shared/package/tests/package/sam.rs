//! What `sam build` leaves behind, and what templates of SAM may say.

use crate::support::{files_of_folder, fixture, package, packed, refused_at, template, zip_in_order, zip_of};
use flotilla_domain::Code;
use flotilla_domain::release::package::{AssetKind, PackageFormat, template_key};
use flotilla_package::formats::Finished;
use serde_json::{Value, json};

const TRANSFORM: &str = "AWS::Serverless-2016-10-31";

fn project() -> Vec<(String, Vec<u8>)> {
    files_of_folder(&fixture("sam"))
}

fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    zip_of(&files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>())
}

/// The templates that are nested in the package's own.
fn nested(finished: &Finished) -> Vec<Value> {
    let of_stacks: Vec<_> = finished.package.stacks.iter().map(|stack| stack.template).collect();
    let others = finished.templates.iter().filter(|(digest, _)| !of_stacks.contains(digest));
    others.map(|(_, bytes)| serde_json::from_slice(bytes).expect("JSON")).collect()
}

#[test]
fn a_build_folder_becomes_neutral() {
    let finished = package(&zip(&project())).unwrap();
    let template = template(&finished);
    insta::assert_json_snapshot!(template["Resources"], {
        ".*.Properties.*.Key" => "[key]",
        ".Audit.Properties.TemplateURL" => "[url]",
    }, @r#"
    {
      "Api": {
        "Metadata": {
          "SamResourceId": "Api"
        },
        "Properties": {
          "CodeUri": {
            "Bucket": {
              "Ref": "FlotillaAssetsBucket"
            },
            "Key": "[key]"
          },
          "Environment": {
            "Variables": {
              "GREETING": {
                "Ref": "Greeting"
              },
              "QUEUE": {
                "Fn::GetAtt": [
                  "Audit",
                  "Outputs.QueueUrl"
                ]
              }
            }
          },
          "Events": {
            "Greet": {
              "Properties": {
                "Method": "get",
                "Path": "/greet"
              },
              "Type": "HttpApi"
            }
          },
          "Handler": "app.handler",
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
        "Type": "AWS::Serverless::Function"
      },
      "Audit": {
        "Metadata": {
          "SamResourceId": "Audit"
        },
        "Properties": {
          "Parameters": {
            "FlotillaAssetsBucket": {
              "Ref": "FlotillaAssetsBucket"
            },
            "FlotillaRoleBoundary": {
              "Ref": "FlotillaRoleBoundary"
            },
            "Keep": "7"
          },
          "Tags": [
            {
              "Key": "lambda:createdBy",
              "Value": "SAM"
            }
          ],
          "TemplateURL": "[url]"
        },
        "Type": "AWS::CloudFormation::Stack"
      },
      "Flow": {
        "Properties": {
          "DefinitionSubstitutions": {
            "WorkerArn": {
              "Fn::GetAtt": [
                "Worker",
                "Arn"
              ]
            }
          },
          "DefinitionUri": {
            "Bucket": {
              "Ref": "FlotillaAssetsBucket"
            },
            "Key": "[key]"
          },
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
          },
          "Policies": [
            {
              "LambdaInvokePolicy": {
                "FunctionName": {
                  "Ref": "Worker"
                }
              }
            }
          ]
        },
        "Type": "AWS::Serverless::StateMachine"
      },
      "Shared": {
        "Properties": {
          "CompatibleRuntimes": [
            "python3.12"
          ],
          "ContentUri": {
            "Bucket": {
              "Ref": "FlotillaAssetsBucket"
            },
            "Key": "[key]"
          }
        },
        "Type": "AWS::Serverless::LayerVersion"
      },
      "Worker": {
        "Metadata": {
          "SamResourceId": "Worker"
        },
        "Properties": {
          "AutoPublishAlias": "live",
          "CodeUri": {
            "Bucket": {
              "Ref": "FlotillaAssetsBucket"
            },
            "Key": "[key]"
          },
          "Handler": "worker.handler",
          "Layers": [
            {
              "Ref": "Shared"
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
        "Type": "AWS::Serverless::Function"
      }
    }
    "#);
    let url = template["Resources"]["Audit"]["Properties"]["TemplateURL"]["Fn::Sub"].as_str().unwrap();
    let (at, key) = url.split_at(url.find("templates/").unwrap());
    assert_eq!(at, "https://s3.${AWS::Region}.${AWS::URLSuffix}/${FlotillaAssetsBucket}/");
    assert!(finished.templates.keys().any(|digest| template_key(digest) == key));
    assert_eq!(template["Transform"], TRANSFORM);
}

#[test]
fn a_nested_application_is_given_the_artifact_bucket_and_is_not_read_back() {
    let finished = package(&zip(&project())).unwrap();
    let [audit] = &nested(&finished)[..] else { panic!("one nested template") };
    assert_eq!(audit["Parameters"]["FlotillaAssetsBucket"]["Type"], "String");
    let code = &audit["Resources"]["Auditor"]["Properties"]["Code"];
    assert_eq!(code["S3Bucket"], json!({"Ref": "FlotillaAssetsBucket"}));
    let package = finished.package;
    let warnings: Vec<_> = package.warnings.iter().map(|w| (w.code, w.path.as_str())).collect();
    assert_eq!(warnings, [(Code::NestedUnproven, "Audit/template.yaml")]);
    let stack = &package.stacks[0];
    assert_eq!(package.format, PackageFormat::Sam);
    assert_eq!(stack.capabilities.iter().collect::<Vec<_>>(), ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"]);
    let functions: Vec<_> = stack.functions.iter().map(|f| f.logical_id.as_str()).collect();
    assert_eq!(functions, ["Api", "Worker"]);
    let parameters = ["FlotillaRoleBoundary", "Greeting"].map(|name| (name.to_owned(), true));
    assert_eq!(stack.parameters, parameters.into());
    let kinds: Vec<_> = package.assets.keys().map(|asset| asset.kind).collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == AssetKind::Zip).count(),
        4,
        "three functions and a layer"
    );
    assert_eq!(kinds.iter().filter(|kind| **kind == AssetKind::File).count(), 1, "the state machine");
    assert_eq!(kinds.iter().filter(|kind| **kind == AssetKind::Template).count(), 1);
}

#[test]
fn the_package_is_the_same_however_the_project_was_zipped() {
    let files = project();
    let plain = package(&zip(&files)).unwrap();
    let wrapped: Vec<_> = files.iter().map(|(n, c)| (format!("my-project/{n}"), c.clone())).collect();
    assert_eq!(package(&zip(&wrapped)).unwrap(), plain);
    let backwards: Vec<_> = files.iter().rev().cloned().collect();
    assert_eq!(package(&zip_in_order(&backwards)).unwrap(), plain);
}

#[test]
fn the_build_folder_alone_is_the_same_package_if_it_holds_everything() {
    let inside = |text: &str| text.replace("../../layer", "Shared").replace("../../flow", "flow");
    let build: Vec<(String, Vec<u8>)> = project()
        .into_iter()
        .filter_map(|(name, content)| {
            let moved = name.strip_prefix(".aws-sam/build/").map(str::to_owned).or_else(|| {
                let flow = (name == "flow.asl.json").then(|| name.clone());
                flow.or_else(|| name.strip_prefix("layer/").map(|name| format!("Shared/{name}")))
            })?;
            let content = match moved.as_str() {
                "template.yaml" => inside(&String::from_utf8(content).unwrap()).into_bytes(),
                _ => content,
            };
            Some((moved, content))
        })
        .collect();
    assert_eq!(package(&zip(&build)).unwrap(), package(&zip(&project())).unwrap());
}

#[test]
fn a_package_that_was_packed_is_the_same_package() {
    let files = project();
    let raw = package(&zip(&files)).unwrap();
    assert_eq!(package(&zip(&packed(&zip(&files)))).unwrap(), raw);
}

#[test]
fn the_build_folder_without_what_it_points_to_is_refused_with_what_to_zip() {
    let files: Vec<_> = project()
        .into_iter()
        .filter_map(|(name, content)| Some((name.strip_prefix(".aws-sam/build/")?.to_owned(), content)))
        .collect();
    let refusal = package(&zip(&files)).unwrap_err();
    assert_eq!(refusal.code, Code::AssetMissing);
    assert!(refusal.fix.starts_with("zip the whole project folder"), "{refusal}");
}

fn template_with(resource: Value, globals: Value) -> Vec<u8> {
    let template = json!({"Transform": TRANSFORM, "Globals": globals, "Resources": {"A": resource}});
    zip_of(&[
        ("template.json", template.to_string().as_bytes()),
        ("code/app.py", b"pass"),
        ("code.zip", b"zip"),
        ("schema.graphql", b"type Query { a: Int }"),
    ])
}

fn function(properties: Value) -> Vec<u8> {
    template_with(json!({"Type": "AWS::Serverless::Function", "Properties": properties}), json!({}))
}

#[test]
fn code_that_is_elsewhere_is_refused() {
    for code in [
        json!("s3://bucket/key"),
        json!("https://bucket.s3.amazonaws.com/key"),
        json!({"Bucket": "b", "Key": "k"}),
        json!({"Fn::Sub": "s3://${Bucket}/key"}),
        json!(["code"]),
    ] {
        let zip = function(json!({"CodeUri": code}));
        let refusal = refused_at(&zip, Code::CodeOutsidePackage, "Resources.A.Properties.CodeUri");
        assert!(refusal.fix.contains("not the output of sam package"), "{refusal}");
    }
    refused_at(
        &function(json!({"CodeUri": "nowhere/"})),
        Code::AssetMissing,
        "Resources.A.Properties.CodeUri",
    );
}

#[test]
fn a_single_file_of_code_is_zipped_by_itself() {
    let finished = package(&function(json!({"CodeUri": "code/app.py"}))).unwrap();
    let counts = (finished.package.stacks[0].functions.len(), finished.package.assets.len());
    assert_eq!(counts, (1, 1));
    let folder = package(&function(json!({"CodeUri": "code"}))).unwrap();
    let assets = |finished: &flotilla_package::formats::Finished| finished.package.assets.clone();
    // The folder of the sample has this file only.
    assert_eq!(assets(&finished), assets(&folder));
}

#[test]
fn code_without_a_place_is_the_folder_of_the_template() {
    let finished = package(&function(json!({"Handler": "a"}))).unwrap();
    let counts = (finished.package.stacks[0].functions.len(), finished.package.assets.len());
    assert_eq!(counts, (1, 1));
}

#[test]
fn code_that_is_in_the_template_stays() {
    let finished = package(&function(json!({"InlineCode": "pass"}))).unwrap();
    assert_eq!(template(&finished)["Resources"]["A"]["Properties"]["InlineCode"], "pass");
}

#[test]
fn what_globals_say_of_the_code_is_read_back_with_every_function() {
    let function = json!({"Type": "AWS::Serverless::Function", "Properties": {"Handler": "a"}});
    let zip = template_with(function, json!({"Function": {"CodeUri": "code", "Timeout": 3}}));
    let finished = package(&zip).unwrap();
    assert_eq!(finished.package.stacks[0].functions.len(), 1);
    assert_eq!(template(&finished)["Globals"]["Function"], json!({"Timeout": 3}));
}

#[test]
fn a_graphql_schema_stands_in_the_template() {
    let api = json!({"Type": "AWS::Serverless::GraphQLApi", "Properties": {
        "SchemaUri": "schema.graphql",
        "Functions": {"F": {"CodeUri": "schema.graphql"}},
        "Resolvers": {"Query": {"a": {"CodeUri": "schema.graphql"}}},
    }});
    let finished = package(&template_with(api, json!({}))).unwrap();
    let text = "type Query { a: Int }";
    assert_eq!(
        template(&finished)["Resources"]["A"]["Properties"],
        json!({"SchemaInline": text, "Functions": {"F": {"InlineCode": text}}, "Resolvers": {"Query": {"a": {"InlineCode": text}}}})
    );
}

#[test]
fn an_application_of_the_repository_is_pinned_but_not_proven() {
    let application = |location: Value| {
        template_with(
            json!({"Type": "AWS::Serverless::Application", "Properties": {"Location": location}}),
            json!({}),
        )
    };
    let pinned = json!({"ApplicationId": "arn:aws:serverlessrepo:us-east-1:1:applications/a", "SemanticVersion": "1.0.0"});
    let finished = package(&application(pinned)).unwrap();
    assert_eq!(finished.package.warnings[0].code, Code::NestedUnproven);
    assert!(finished.package.stacks[0].capabilities.contains("CAPABILITY_AUTO_EXPAND"));
    let loose = application(json!({"ApplicationId": "a", "SemanticVersion": {"Ref": "V"}}));
    refused_at(&loose, Code::CodeOutsidePackage, "Resources.A.Properties.Location");
}

#[test]
fn what_sam_makes_counts_among_the_500_resources_of_a_template() {
    let zip = |functions: usize| {
        let function = json!({"Type": "AWS::Serverless::Function", "Properties": {"InlineCode": "1", "Runtime": "nodejs22.x", "Handler": "i.h"}});
        let resources: serde_json::Map<String, Value> =
            (0..functions).map(|n| (format!("F{n}"), function.clone())).collect();
        let template = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources});
        zip_of(&[("template.json", template.to_string().as_bytes())])
    };
    assert!(package(&zip(250)).is_ok());
    let refused = package(&zip(251)).unwrap_err();
    assert_eq!(refused.code, Code::LimitExceeded);
    assert!(refused.message.contains("502"), "{refused}");
}
