//! Tests of aliases in templates.

use super::*;

fn name() -> AliasName {
    AliasName::parse("live").unwrap()
}

fn service() -> Value {
    json!({
        "Resources": {
            "Orders": {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "a", "Environment": {"Variables": {"OTHER": {"Fn::GetAtt": ["Bills", "Arn"]}, "NAME": {"Ref": "Bills"}}}}},
            "Bills": {"Type": "AWS::Lambda::Function", "Condition": "Pays", "Properties": {"Handler": "b"}},
            "Maker": {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "c"}},
            "Made": {"Type": "Custom::Thing", "Properties": {"ServiceToken": {"Fn::GetAtt": "Maker.Arn"}, "Calls": {"Fn::GetAtt": "Bills.Arn"}}},
            "May": {"Type": "AWS::Lambda::Permission", "Properties": {"FunctionName": {"Ref": "Orders"}, "Action": "lambda:InvokeFunction"}},
            "Files": {"Type": "AWS::S3::Bucket", "DependsOn": ["Log", "May"], "Properties": {"NotificationConfiguration": {"LambdaConfigurations": [{"Event": "s3:ObjectCreated:*", "Function": {"Fn::GetAtt": ["Orders", "Arn"]}}]}}},
            "Lines": {"Type": "AWS::Logs::SubscriptionFilter", "DependsOn": "May", "Properties": {"DestinationArn": {"Fn::GetAtt": ["Orders", "Arn"]}}},
            "Queue": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": {"Fn::GetAtt": ["Orders", "Arn"]}}},
            "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Sub": "/aws/lambda/${Orders}"}}},
            "Url": {"Type": "AWS::Lambda::Url", "DependsOn": "Log", "Properties": {"TargetFunctionArn": {"Ref": "Orders"}}},
            "Async": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": {"FunctionName": {"Ref": "Orders"}, "Qualifier": "$LATEST"}},
            "Method": {"Type": "AWS::ApiGateway::Method", "Properties": {"Integration": {"Uri": {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Orders.Arn}/invocations"}}}},
            "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionSubstitutions": {"Task": {"Fn::GetAtt": ["Orders", "Arn"]}}}},
            "Inline": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"Definition": {"States": {"One": {"Type": "Task", "Resource": {"Fn::GetAtt": ["Orders", "Arn"]}}}}}},
            "Deployed": {"Type": "AWS::ApiGateway::Deployment", "Properties": {}},
            "Stage": {"Type": "AWS::ApiGateway::Stage", "Properties": {"DeploymentId": {"Ref": "Deployed"}}},
            "Policy": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": {"Statement": [{"Effect": "Allow", "Resource": {"Fn::GetAtt": ["Orders", "Arn"]}}, {"Effect": "Allow", "Resource": [{"Fn::Sub": "${Bills.Arn}"}, "x"]}, {"Effect": "Allow", "Resource": "*"}]}}},
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Orders", "Arn"]}}, "Name": {"Value": {"Ref": "Orders"}}, "Exported": {"Value": {"Fn::GetAtt": ["Orders", "Arn"]}, "Export": {"Name": "arn"}}}
    })
}

fn prepared(mut template: Value, name: Option<&AliasName>) -> (Value, Aliases) {
    let aliases = prepare(&mut template, name).unwrap();
    (template, aliases)
}

#[test]
fn every_function_gets_an_alias_and_what_invokes_it_invokes_the_alias() {
    let (template, aliases) = prepared(service(), Some(&name()));
    let shifted: Vec<(&str, &str)> =
        aliases.shifted.iter().map(|a| (a.alias.as_str(), a.function.as_str())).collect();
    assert_eq!(
        shifted,
        [("BillsAliasLive", "Bills"), ("OrdersAliasLive", "Orders")],
        "none of a custom resource"
    );
    let alias = json!({"Ref": "OrdersAliasLive"});
    for path in [
        "/Resources/MayLive/Properties/FunctionName",
        "/Resources/Queue/Properties/FunctionName",
        "/Resources/Machine/Properties/DefinitionSubstitutions/Task",
        "/Resources/Policy/Properties/PolicyDocument/Statement/0/Resource/1",
        "/Resources/Inline/Properties/Definition/States/One/Resource",
        "/Outputs/Arn/Value",
    ] {
        assert_eq!(template.pointer(path), Some(&alias), "{path}");
    }
    let bills = json!({"Ref": "BillsAliasLive"});
    for path in [
        "/Resources/Orders/Properties/Environment/Variables/OTHER",
        "/Resources/Made/Properties/Calls",
        "/Resources/Policy/Properties/PolicyDocument/Statement/1/Resource/1",
    ] {
        assert_eq!(template.pointer(path), Some(&bills), "{path}");
    }
    let uri = template.pointer("/Resources/Method/Properties/Integration/Uri/Fn::Sub").unwrap();
    assert!(uri.as_str().unwrap().ends_with("functions/${OrdersAliasLive}/invocations"), "{uri}");
    // Names stay, and so does what CloudFormation itself invokes.
    for path in [
        "/Resources/May",
        "/Outputs/Exported",
        "/Resources/Orders/Properties/Environment/Variables/NAME",
        "/Resources/Made/Properties/ServiceToken",
        "/Resources/Log",
        "/Outputs/Name",
        "/Resources/Policy/Properties/PolicyDocument/Statement/2",
    ] {
        assert_eq!(template.pointer(path), service().pointer(path), "{path}");
    }
    assert!(template.pointer("/Resources/Deployed").is_none(), "the API is deployed again");
    assert_eq!(
        template.pointer("/Resources/Stage/Properties/DeploymentId/Ref"),
        Some(&json!("DeployedLive"))
    );
    assert_eq!(template.pointer("/Resources/Url/Properties/Qualifier"), Some(&json!("live")));
    assert_eq!(template.pointer("/Resources/Url/DependsOn"), Some(&json!(["Log", "OrdersAliasLive"])));
    // S3 and CloudWatch Logs refuse an alias that they may not invoke.
    assert_eq!(template.pointer("/Resources/Files/DependsOn"), Some(&json!(["Log", "May", "MayLive"])));
    assert_eq!(template.pointer("/Resources/Lines/DependsOn"), Some(&json!(["May", "MayLive"])));
    assert_eq!(template.pointer("/Resources/Async/Properties/Qualifier"), Some(&json!("live")));
    assert_eq!(template.pointer("/Resources/BillsAliasLive/Condition"), Some(&json!("Pays")));
    let named: Vec<&str> = aliases.rewrites.iter().map(|rewrite| rewrite.path.as_str()).collect();
    let told =
        ["Outputs.Arn.Value", "Resources.OrdersAliasLive", "Resources.DeployedLive", "Resources.MayLive"];
    assert!(told.iter().all(|path| named.contains(path)), "{named:?}");
}

#[test]
fn the_parameter_chooses_the_version_of_each_alias() {
    let (template, aliases) = prepared(service(), Some(&name()));
    let version = &aliases.shifted[1].version;
    assert!(version.starts_with("OrdersVersion"), "{version}");
    assert_eq!(
        template.pointer("/Resources/OrdersAliasLive/Properties/FunctionVersion"),
        Some(
            &json!({"Fn::If": ["FlotillaKeepsOrdersAliasLive", {"Fn::Select": ["1", {"Ref": "FlotillaStableVersions"}]}, {"Fn::GetAtt": [version, "Version"]}]})
        )
    );
    assert_eq!(
        template.pointer("/Conditions/FlotillaKeepsOrdersAliasLive"),
        Some(
            &json!({"Fn::Not": [{"Fn::Equals": [{"Fn::Select": ["1", {"Ref": "FlotillaStableVersions"}]}, "-"]}]})
        )
    );
    assert_eq!(template.pointer("/Parameters/FlotillaStableVersions/Default"), Some(&json!("-,-")));
    assert_eq!(template["Resources"][version]["DeletionPolicy"], "RetainExceptOnCreate");
}

#[test]
fn the_same_template_is_changed_once_and_in_the_same_way() {
    let (once, aliases) = prepared(service(), Some(&name()));
    let (again, same) = prepared(once.clone(), Some(&name()));
    assert_eq!((&once, &aliases.shifted), (&again, &same.shifted));
    assert_eq!(prepared(once.clone(), None).0, once, "a package that was packed before");
    let other = |template: &mut Value| template["Resources"]["Orders"]["Properties"]["Handler"] = json!("z");
    let (mut changed, before) = (service(), aliases.shifted[1].version.clone());
    other(&mut changed);
    assert_ne!(prepared(changed, Some(&name())).1.shifted[1].version, before, "another version is published");
    let mut tagged = service();
    tagged["Resources"]["Orders"]["Properties"]["Tags"] = json!([]);
    tagged["Resources"]["Orders"]["DependsOn"] = json!("Log");
    assert_eq!(prepared(tagged, Some(&name())).1.shifted[1].version, before, "Lambda would publish none");
}

#[test]
fn aliases_of_the_template_are_used_as_they_are() {
    let mut template = json!({"Resources": {
        "F": {"Type": "AWS::Lambda::Function", "Properties": {}},
        "V7": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Fn::GetAtt": ["F", "Arn"]}}},
        "Prod": {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "F"}, "FunctionVersion": {"Fn::GetAtt": "V7.Version"}, "Name": "prod"}},
    }});
    let before = template.clone();
    let (_, aliases) = prepared(template.clone(), Some(&name()));
    let expected = FunctionAlias { alias: "Prod".into(), function: "F".into(), version: "V7".into() };
    assert_eq!(aliases.shifted, std::slice::from_ref(&expected));
    assert_eq!(prepared(template.clone(), None).1.shifted, [expected]);
    // Those that something else shifts, or that Lambda would not shift, stay.
    let left = |path: &str, value: Value| {
        let mut template = before.clone();
        template["Resources"]["Prod"][path] = value;
        let (after, aliases) = prepared(template.clone(), None);
        assert_eq!((after, aliases.shifted), (template, Vec::new()), "{path}");
    };
    left("UpdatePolicy", json!({"CodeDeployLambdaAliasUpdate": {}}));
    let own = |name: &str, value: Value| {
        let mut own = before["Resources"]["Prod"]["Properties"].clone();
        own[name] = value;
        own
    };
    left("Properties", own("RoutingConfig", json!({})));
    left("Properties", own("ProvisionedConcurrencyConfig", json!({})));
    left("Properties", own("FunctionVersion", json!("7")));
    template["Resources"].as_object_mut().unwrap().remove("Prod");
    let (_, aliases) = prepared(template, Some(&name()));
    assert_eq!(aliases.shifted[0].version, "V7", "a version of the template is used");
}

#[test]
fn a_function_of_sam_needs_an_alias_of_sam() {
    let mut template = json!({"Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"AutoPublishAlias": "live", "DeploymentPreference": {"Type": "Canary10Percent5Minutes"}}}}});
    assert_eq!(prepare(&mut template.clone(), Some(&name())), Ok(Aliases::default()));
    template["Resources"]["F"]["Properties"] = json!({"AutoPublishAlias": "live"});
    let at_once = prepare(&mut template.clone(), Some(&name())).unwrap();
    assert_eq!((at_once.shifted.len(), at_once.warning.map(|w| w.path)), (0, Some("Resources.F".to_owned())));
    template["Resources"]["F"]["Properties"] = json!({});
    assert_eq!(prepare(&mut template.clone(), None), Ok(Aliases::default()));
    let refusal = prepare(&mut template, Some(&name())).unwrap_err();
    assert_eq!((refusal.code, refusal.path.as_deref()), (Code::TemplateUnsupported, Some("Resources.F")));
}

#[test]
fn functions_that_take_no_part_are_named() {
    assert_eq!(
        prepared(service(), Some(&name())).1.warning,
        None,
        "the one of a custom resource serves CloudFormation"
    );
    assert_eq!(prepared(service(), None).1.warning, None, "nothing is shifted");
    let mut mixed = service();
    mixed["Resources"]["Warm"] = json!({"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Bills"}, "FunctionVersion": "7", "Name": "warm", "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 1}}});
    let warning = prepared(mixed.clone(), Some(&name())).1.warning.unwrap();
    assert_eq!((warning.code, warning.path.as_str()), (Code::FunctionNotShifted, "Resources.Bills"));
    assert!(warning.message.ends_with("is updated: Bills"), "{}", warning.message);
    mixed["Resources"]["Warm"]["UpdatePolicy"] = json!({"CodeDeployLambdaAliasUpdate": {}});
    assert_eq!(prepared(mixed, Some(&name())).1.warning, None, "CodeDeploy shifts it");
}
