//! AWS CDK's cloud assembly: what becomes of it.

use crate::support::assembly::{
    artifact, assembly, changed, files, refused, resource, template, zip, zip_below,
};
use crate::support::{package, packed, zip_of_all};
use flotilla_domain::Code;
use flotilla_domain::release::package::{AssetKind, PackageFormat, template_key};
use flotilla_package::formats::Finished;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn an_apps_stacks_come_in_order_with_their_tags() {
    let package = assembly().package;
    assert_eq!(package.format, PackageFormat::Cdk);
    assert_eq!(package.made_for, None);
    let stacks: Vec<_> = package
        .stacks
        .iter()
        .map(|s| json!({"after": s.after.iter().map(|p| p.as_str()).collect::<Vec<_>>(), "capabilities": s.capabilities,
            "parameters": s.parameters, "part": s.part.as_ref().unwrap().as_str(), "tags": s.tags}))
        .collect();
    insta::assert_json_snapshot!(stacks, @r#"
    [
      {
        "after": [],
        "capabilities": [],
        "parameters": {},
        "part": "Data",
        "tags": {
          "stage": "${FlotillaStage}",
          "team": "shop"
        }
      },
      {
        "after": [
          "Data"
        ],
        "capabilities": [
          "CAPABILITY_IAM"
        ],
        "parameters": {
          "FlotillaRoleBoundary": true,
          "FlotillaStackNameOfData": false,
          "FlotillaStage": false
        },
        "part": "Api",
        "tags": {
          "team": "shop"
        }
      }
    ]
    "#);
    let kinds: Vec<AssetKind> = package.assets.keys().map(|asset| asset.kind).collect();
    assert_eq!(
        kinds,
        [AssetKind::Zip, AssetKind::Zip, AssetKind::Template],
        "no template of a stack, and each once"
    );
}

#[test]
fn code_and_nested_templates_are_named_by_their_digests() {
    let finished = assembly();
    let api = template(&finished, "Api");
    insta::assert_json_snapshot!(resource(&api, "Greet8")["Properties"], {".Code.S3Key" => "[key]"}, @r#"
    {
      "Code": {
        "S3Bucket": {
          "Ref": "FlotillaAssetsBucket"
        },
        "S3Key": "[key]"
      },
      "Environment": {
        "Variables": {
          "STAGE": {
            "Ref": "FlotillaStage"
          },
          "TABLE": {
            "Fn::ImportValue": {
              "Fn::Sub": "${FlotillaStackNameOfData}:ExportsOutputRefTableCD117FA1D18A8047"
            }
          }
        }
      },
      "Handler": "index.handler",
      "Role": {
        "Fn::GetAtt": [
          "GreetServiceRole9E6A0978",
          "Arn"
        ]
      },
      "Runtime": "nodejs22.x"
    }
    "#);
    insta::assert_json_snapshot!(resource(&api, "JobsNestedStack")["Properties"], {".TemplateURL" => "[url]"}, @r#"
    {
      "Parameters": {
        "FlotillaAssetsBucket": {
          "Ref": "FlotillaAssetsBucket"
        },
        "FlotillaRoleBoundary": {
          "Ref": "FlotillaRoleBoundary"
        },
        "FlotillaStackNameOfData": {
          "Ref": "FlotillaStackNameOfData"
        }
      },
      "TemplateURL": "[url]"
    }
    "#);
    let url = resource(&api, "JobsNestedStack")["Properties"]["TemplateURL"]["Fn::Sub"]
        .as_str()
        .unwrap()
        .to_owned();
    let key =
        url.strip_prefix("https://s3.${AWS::Region}.${AWS::URLSuffix}/${FlotillaAssetsBucket}/").unwrap();
    let (_, nested) = finished.templates.iter().find(|(digest, _)| template_key(digest) == key).unwrap();
    let nested: Value = serde_json::from_slice(nested).unwrap();
    insta::assert_json_snapshot!(nested["Parameters"], @r#"
    {
      "FlotillaAssetsBucket": {
        "Description": "The artifact bucket of this region; given by Flotilla.",
        "Type": "String"
      },
      "FlotillaRoleBoundary": {
        "Default": "",
        "Description": "The permissions boundary of the roles; given by Flotilla.",
        "Type": "String"
      },
      "FlotillaStackNameOfData": {
        "Description": "The name of this stage's stack Data; given by Flotilla.",
        "Type": "String"
      }
    }
    "#);
    let warnings: Vec<Code> = finished.package.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(warnings, [Code::NestedUnproven]);
}

#[test]
fn names_of_other_stacks_become_parameters_and_exports_keep_their_names() {
    let finished = assembly();
    insta::assert_json_snapshot!(template(&finished, "Data")["Outputs"], @r#"
    {
      "ExportsOutputFnGetAttTableCD117FA1ArnE2C8C204": {
        "Export": {
          "Name": {
            "Fn::Sub": "${AWS::StackName}:ExportsOutputFnGetAttTableCD117FA1ArnE2C8C204"
          }
        },
        "Value": {
          "Fn::GetAtt": [
            "TableCD117FA1",
            "Arn"
          ]
        }
      },
      "ExportsOutputRefTableCD117FA1D18A8047": {
        "Export": {
          "Name": {
            "Fn::Sub": "${AWS::StackName}:ExportsOutputRefTableCD117FA1D18A8047"
          }
        },
        "Value": {
          "Ref": "TableCD117FA1"
        }
      }
    }
    "#);
    let rewrites: Vec<String> =
        finished.package.rewrites.iter().map(|r| format!("{}: {} -> {}", r.path, r.from, r.to)).collect();
    insta::assert_json_snapshot!(rewrites, @r#"
    [
      "Api/JobsNestedStackJobsNestedStackResource4FE929C3: Resources.JobB9D00F9F.Properties.Environment.Variables.TABLE.Fn::ImportValue: shop-flotillastage-Data -> FlotillaStackNameOfData",
      "Api/JobsNestedStackJobsNestedStackResource4FE929C3: Resources.JobServiceRole4F432993.Properties.PermissionsBoundary: none -> FlotillaRoleBoundary",
      "Api: Resources.Greet8553ACA9.Properties.Environment.Variables.STAGE: flotillastage -> FlotillaStage",
      "Api: Resources.Greet8553ACA9.Properties.Environment.Variables.TABLE.Fn::ImportValue: shop-flotillastage-Data -> FlotillaStackNameOfData",
      "Api: Resources.GreetServiceRole9E6A0978.Properties.PermissionsBoundary: none -> FlotillaRoleBoundary",
      "Api: Resources.GreetServiceRoleDefaultPolicy97567763.Properties.PolicyDocument.Statement.0.Resource.0.Fn::ImportValue: shop-flotillastage-Data -> FlotillaStackNameOfData",
      "Api: Resources.GreetServiceRoleDefaultPolicy97567763.Properties.PolicyDocument.Statement.1.Resource.0.Fn::ImportValue: shop-flotillastage-Data -> FlotillaStackNameOfData",
      "Data: Outputs.ExportsOutputFnGetAttTableCD117FA1ArnE2C8C204.Export.Name: shop-flotillastage-Data -> AWS::StackName",
      "Data: Outputs.ExportsOutputRefTableCD117FA1D18A8047.Export.Name: shop-flotillastage-Data -> AWS::StackName"
    ]
    "#);
}

#[test]
fn nothing_of_cdks_own_is_left() {
    for bytes in assembly().templates.into_values() {
        let text = String::from_utf8(bytes).unwrap();
        for left in ["BootstrapVersion", "Rules", "cdk-hnb659fds", "flotillastage", "current_account"] {
            assert!(!text.contains(left), "{left}: {text}");
        }
    }
}

#[test]
fn two_syntheses_of_one_app_are_one_package() {
    let mut again = files();
    let manifest = again.get_mut("manifest.json").unwrap();
    manifest["artifacts"]["Tree"] = json!({"type": "cdk:tree", "properties": {"file": "tree.json"}});
    again.insert("tree.json".into(), json!({"path": "/home/somebody/app"}));
    let one = assembly();
    let two = package(&zip(&again)).unwrap();
    assert_eq!(one.package.digest, two.package.digest);
    let in_project = zip_below(&files(), "cdk.out/");
    assert_eq!(package(&in_project).unwrap().package.digest, one.package.digest);
}

#[test]
fn an_assembly_that_was_packed_is_the_same_package() {
    let mut files = packed(&zip(&files()));
    assert_eq!(package(&zip_of_all(&files)).unwrap(), assembly());
    files.retain(|(name, _)| !name.starts_with("assets/"));
    assert_eq!(package(&zip_of_all(&files)).unwrap_err().code, Code::AssetMissing);
}

#[test]
fn one_cdk_stage_is_taken_without_its_name_and_several_are_refused() {
    let stage = |names: &[&str]| {
        let (mut all, mut stages) = (BTreeMap::new(), json!({}));
        for name in names {
            let folder = format!("assembly-{name}");
            stages[&folder] = json!({"type": "cdk:cloud-assembly", "properties": {"directoryName": folder, "displayName": name}});
            for (file, mut content) in files() {
                for stack in ["Api", "Data"] {
                    if file == "manifest.json" {
                        content["artifacts"][stack]["displayName"] = json!(format!("{name}/{stack}"));
                    }
                }
                let text = content.to_string().replace(r#""asset."#, r#""../asset."#);
                all.insert(format!("{folder}/{file}"), serde_json::from_str(&text).unwrap());
            }
        }
        all.insert("manifest.json".into(), json!({"version": "55.0.0", "artifacts": stages}));
        package(&zip(&all))
    };
    let parts = |finished: Finished| -> Vec<String> {
        finished.package.stacks.iter().map(|stack| stack.part.as_ref().unwrap().to_string()).collect()
    };
    for name in ["Prod", "flotillastage"] {
        assert_eq!(parts(stage(&[name]).unwrap()), ["Data", "Api"], "{name}");
    }
    let refusal = stage(&["dev", "prod"]).unwrap_err();
    assert_eq!(refusal.code, Code::ManifestInvalid);
    assert!(refusal.message.contains("dev, prod"), "{refusal}");
}

#[test]
fn an_explicit_environment_is_made_neutral_and_several_are_refused() {
    let place = |files: &mut BTreeMap<String, Value>, id: &str, place: &str| {
        artifact(files, id)["environment"] = json!(format!("aws://123456789012/{place}"));
    };
    let finished = changed(|files| {
        place(files, "Api", "eu-west-1");
        place(files, "Data", "eu-west-1");
        for (_, file) in files.iter_mut().filter(|(name, _)| *name != "manifest.json") {
            let bucket = r#"{"Fn::Sub":"cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}"#;
            let literal = "cdk-hnb659fds-assets-123456789012-eu-west-1";
            let text = file.to_string().replace(bucket, &format!("{literal:?}"));
            let text = text.replace("cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}", literal);
            *file = serde_json::from_str(&text).unwrap();
        }
        files.get_mut("Data.template.json").unwrap()["Outputs"]["Place"] = json!({"Value":
            {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::cdk-hnb659fds-assets-123456789012-eu-west-1/*", "eu-west-1"]]}});
    })
    .unwrap();
    assert_eq!(template(&finished, "Api")["Resources"], template(&assembly(), "Api")["Resources"]);
    insta::assert_json_snapshot!(template(&finished, "Data")["Outputs"]["Place"], @r#"
    {
      "Value": {
        "Fn::Join": [
          "",
          [
            "arn:",
            {
              "Ref": "AWS::Partition"
            },
            {
              "Fn::Sub": ":s3:::${FlotillaAssetsBucket}/*"
            },
            {
              "Ref": "AWS::Region"
            }
          ]
        ]
      }
    }
    "#);
    let refusal = refused(Code::TemplateUnsupported, |files| {
        place(files, "Api", "eu-west-1");
        place(files, "Data", "us-east-1");
    });
    assert!(refusal.fix.contains("leave env out"), "{}", refusal.fix);
}

#[test]
fn a_weak_reference_gets_the_name_of_this_stages_stack() {
    let finished = changed(|files| {
        let weak = json!({"Fn::GetStackOutput": {"StackName": "shop-flotillastage-Data", "Region": {"Ref": "AWS::Region"}, "OutputName": "X"}});
        files.get_mut("Api.template.json").unwrap()["Outputs"]["Weak"] = json!({"Value": weak});
        artifact(files, "Api")["dependencies"] = json!(["Api.assets"]);
    })
    .unwrap();
    assert_eq!(
        template(&finished, "Api")["Outputs"]["Weak"]["Value"]["Fn::GetStackOutput"]["StackName"],
        json!({"Ref": "FlotillaStackNameOfData"})
    );
    assert_eq!(finished.package.stacks[1].after.len(), 1, "who refers to a stack comes after it");
    let elsewhere = |change: Value| {
        refused(Code::TemplateUnsupported, move |files| {
            files.get_mut("Api.template.json").unwrap()["Resources"]["Elsewhere"] = change;
        })
    };
    elsewhere(json!({"Type": "Custom::CrossRegionExportReader"}));
    elsewhere(
        json!({"Type": "X", "Properties": {"Fn::GetStackOutput": {"StackName": "a", "Region": "eu-west-1", "OutputName": "X"}}}),
    );
    elsewhere(
        json!({"Type": "X", "Properties": {"Fn::GetStackOutput": {"StackName": "a", "RoleArn": "r", "OutputName": "X"}}}),
    );
}

#[test]
fn what_cdk_does_beside_the_template_is_said() {
    let finished = changed(|files| {
        let api = artifact(files, "Api");
        api["properties"]["terminationProtection"] = json!(true);
        api["properties"]["notificationArns"] = json!(["arn:aws:sns:us-east-1:123456789012:x"]);
        api["properties"]["parameters"] = json!({"Size": "3"});
        let tag = "a".repeat(64);
        files.get_mut("Api.assets.json").unwrap()["dockerImages"] = json!({"i": {"source": {"directory": "asset.i"},
            "destinations": {"d": {"repositoryName": "images", "imageTag": tag}}}});
        let template = files.get_mut("Api.template.json").unwrap();
        template["Parameters"]["Size"] = json!({"Type": "Number"});
        template["Resources"]["Image"] = json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": {"ImageUri":
            {"Fn::Sub": format!("${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.${{AWS::URLSuffix}}/images:{tag}")}}}});
    })
    .unwrap();
    let mut codes: Vec<Code> = finished.package.warnings.iter().map(|warning| warning.code).collect();
    codes.sort();
    assert_eq!(
        codes,
        [
            Code::OutsideCloudformation,
            Code::ImageOutsidePackage,
            Code::BelongsInProfile,
            Code::NestedUnproven
        ]
    );
    assert_eq!(template(&finished, "Api")["Parameters"]["Size"]["Default"], "3");
}

#[test]
fn what_a_nested_stack_needs_is_needed_of_the_outer_one() {
    let finished = changed(|files| {
        let resources = files.get_mut("Api.template.json").unwrap()["Resources"].as_object_mut().unwrap();
        resources.retain(|id, _| id.starts_with("JobsNestedStack"));
        files.get_mut("Api.template.json").unwrap().as_object_mut().unwrap().remove("Outputs");
    })
    .unwrap();
    let api = &finished.package.stacks[1];
    assert_eq!(api.capabilities.iter().collect::<Vec<_>>(), ["CAPABILITY_IAM"]);
}

#[test]
fn a_stack_without_resources_is_left_out_with_a_warning() {
    let add = |files: &mut BTreeMap<String, Value>, template: Value| {
        let environment = artifact(files, "Data")["environment"].clone();
        *artifact(files, "Empty") = json!({"type": "aws:cloudformation:stack", "environment": environment,
            "properties": {"templateFile": "Empty.template.json"}, "displayName": "Empty"});
        artifact(files, "Api")["dependencies"].as_array_mut().unwrap().push(json!("Empty"));
        files.insert("Empty.template.json".into(), template);
    };
    let finished = changed(|files| add(files, json!({"Description": "nothing"}))).unwrap();
    let parts: Vec<&str> =
        finished.package.stacks.iter().map(|s| s.part.as_ref().unwrap().as_str()).collect();
    assert_eq!(parts, ["Data", "Api"]);
    assert!(!finished.package.stacks[1].after.iter().any(|part| part.as_str() == "Empty"));
    let warned = |w: &&flotilla_domain::release::package::Warning| w.code == Code::StackEmpty;
    assert_eq!(finished.package.warnings.iter().find(warned).unwrap().path, "Empty");
    let full = changed(|files| add(files, json!({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}))).unwrap();
    assert_eq!(full.package.stacks.len(), 3);
}
