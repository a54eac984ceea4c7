//! Tests of the replacement of literals.

use super::*;

fn made_for() -> MadeFor {
    MadeFor {
        region: Some(Region::parse("us-east-1").unwrap()),
        account: Some(AccountId::parse("123456789012").unwrap()),
    }
}

#[track_caller]
fn check(before: Value, after: Value) {
    let mut template = json!({"Resources": {"R": {"Type": "T", "Properties": before}}});
    neutralise(&mut template, &made_for()).unwrap();
    assert_eq!(template["Resources"]["R"]["Properties"], after);
}

#[test]
fn regions_and_accounts_become_references_and_substitutions() {
    check(json!({"R": "us-east-1"}), json!({"R": {"Ref": "AWS::Region"}}));
    check(
        json!({"A": "arn:aws:sns:us-east-1:123456789012:t"}),
        json!({"A": {"Fn::Sub": "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:t"}}),
    );
    check(json!({"A": {"Fn::Sub": "x.us-east-1.${Y}"}}), json!({"A": {"Fn::Sub": "x.${AWS::Region}.${Y}"}}));
    check(
        json!({"A": {"Fn::Sub": ["us-east-1 ${Y}", {"Y": "us-east-1"}]}}),
        json!({"A": {"Fn::Sub": ["${AWS::Region} ${Y}", {"Y": {"Ref": "AWS::Region"}}]}}),
    );
    check(
        json!({"A": {"Fn::Join": [".", ["a", "us-east-1"]]}}),
        json!({"A": {"Fn::Join": [".", ["a", {"Ref": "AWS::Region"}]]}}),
    );
}

#[test]
fn what_names_one_region_in_parts_or_in_another_region_stays_as_a_whole() {
    for same in [
        json!({"Fn::Sub": ["https://cognito-idp.us-east-1.amazonaws.com/${P}", {"P": "us-east-1_aBcDeFgHi"}]}),
        json!("arn:aws:kms:us-west-2:123456789012:key/12345678-1234-1234-1234-123456789012"),
        json!("arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"),
    ] {
        check(json!({"A": same}), json!({"A": same}));
    }
    check(
        json!({"A": "arn:aws:sqs:us-west-2:123456789012:orders"}),
        json!({"A": {"Fn::Sub": "arn:aws:sqs:us-west-2:${AWS::AccountId}:orders"}}),
    );
}

#[test]
fn a_dollar_brace_in_a_literal_stays_a_literal() {
    let join = json!(["", ["${x} ", {"Ref": "AWS::Region"}]]);
    check(json!({"A": "${x} us-east-1"}), json!({"A": {"Fn::Join": join}}));
}

#[test]
fn what_is_no_region_stays() {
    for same in [
        json!({"A": "us-east-10"}),
        json!({"A": "xus-east-1"}),
        json!({"A": "us-east-1a"}),
        json!({"A": "1234567890123"}),
        json!({"A": {"Ref": "us-east-1"}}),
        json!({"Code": {"ZipFile": "r='us-east-1'"}}),
    ] {
        check(same.clone(), same);
    }
}

#[test]
fn a_region_between_hyphens_is_a_part_of_a_name_and_what_names_one_region_stays_as_a_whole() {
    let properties =
        |value: Value| json!({"Resources": {"R": {"Type": "AWS::X::Y", "Properties": {"P": value}}}});
    for (before, after) in [
        (json!("orders-dev-us-east-1"), json!({"Fn::Sub": "orders-dev-${AWS::Region}"})),
        (json!("us-east-1-orders"), json!({"Fn::Sub": "${AWS::Region}-orders"})),
        (
            json!("data-us-east-1.s3.us-east-1.amazonaws.com"),
            json!({"Fn::Sub": "data-${AWS::Region}.s3.${AWS::Region}.amazonaws.com"}),
        ),
        (
            json!("assets-123456789012-us-east-1"),
            json!({"Fn::Sub": "assets-${AWS::AccountId}-${AWS::Region}"}),
        ),
    ] {
        check(json!({"P": before}), json!({"P": after}));
    }
    for whole in [
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_aBcDeFgHi",
        "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012",
        "us-east-1-bos-1a",
    ] {
        let mut template = properties(json!(whole));
        let out = neutralise(&mut template, &made_for()).unwrap();
        assert_eq!(template, properties(json!(whole)));
        assert_eq!((out.rewrites.len(), out.warnings.len()), (0, 1), "{whole}");
    }
}

#[test]
fn what_cloudfront_uses_stays_in_us_east_1() {
    let edge = "arn:aws:lambda:us-east-1:111122223333:function:edge:3";
    let of = |kind: &str| json!({"Resources": {"R": {"Type": kind, "Properties": {"P": edge}}}});
    let mut distribution = of("AWS::CloudFront::Distribution");
    neutralise(&mut distribution, &made_for()).unwrap();
    assert_eq!(distribution, of("AWS::CloudFront::Distribution"));
    let mut alias = of("AWS::Lambda::Alias");
    neutralise(&mut alias, &made_for()).unwrap();
    assert_ne!(alias, of("AWS::Lambda::Alias"));
}

#[test]
fn every_rewrite_and_every_doubt_is_listed_with_its_path() {
    let mut template = json!({"Outputs": {"O": {"Value": "us-east-1"}}, "Resources": {"R": {"Properties": {"AZ": "us-east-1a"}}}});
    let found = neutralise(&mut template, &made_for()).unwrap();
    let rewrite =
        Rewrite { path: "Outputs.O.Value".into(), from: "us-east-1".into(), to: "AWS::Region".into() };
    assert_eq!(found.rewrites, [rewrite]);
    assert_eq!(found.warnings.len(), 1);
    assert_eq!(
        (found.warnings[0].code, found.warnings[0].path.as_str()),
        (Code::RegionStays, "Resources.R.Properties.AZ")
    );
    assert!(found.parameters.is_empty());
}

#[test]
fn the_user_says_which_regions_stay() {
    let template = |keep: Value| {
        json!({
            "Metadata": {"Flotilla": {"KeepRegion": keep}},
            "Resources": {"R": {"Type": "T", "Properties": {"A": "us-east-1", "AB": "us-east-1"}}},
        })
    };
    let mut some = template(json!(["Resources.R.Properties.A"]));
    neutralise(&mut some, &made_for()).unwrap();
    assert_eq!(some["Resources"]["R"]["Properties"], json!({"A": "us-east-1", "AB": {"Ref": "AWS::Region"}}));
    assert_eq!(some.get("Metadata"), None, "what is for us goes");
    let mut all = template(json!(true));
    assert_eq!(neutralise(&mut all, &made_for()).unwrap(), Neutralised::default());
    for bad in [json!(1), json!([1]), json!("x")] {
        assert_eq!(neutralise(&mut template(bad), &made_for()).unwrap_err().code, Code::TemplateInvalid);
    }
}

#[test]
fn the_placeholder_stage_becomes_a_parameter_in_every_form() {
    let mut template = json!({
        "Resources": {"R": {"Type": "T", "Metadata": {"m": "flotillastage"}, "Properties": {
            "Name": "app-flotillastage-api",
            "Stage": "flotillastage",
            "Join": {"Fn::Join": ["-", ["x", "flotillastage", "y-flotillastage"]]},
            "Sub": {"Fn::Sub": "${AWS::Region}/flotillastage*"},
            "Import": {"Fn::ImportValue": "sls-flotillastage-X"},
            "Endpoint": "https://flotillaparam-endpoint/flotillastage",
            "Code": {"ZipFile": "const s = `${flotillastage}`"},
        }}},
        "Outputs": {"O": {"Value": 1, "Export": {"Name": "sls-flotillastage-O"}}},
        "Conditions": {"C": {"Fn::Equals": ["flotillastage", "production"]}},
    });
    let found = neutralise(&mut template, &MadeFor::default()).unwrap();
    let properties = &template["Resources"]["R"]["Properties"];
    assert_eq!(properties["Name"], json!({"Fn::Sub": "app-${FlotillaStage}-api"}));
    assert_eq!(properties["Stage"], json!({"Ref": "FlotillaStage"}));
    assert_eq!(
        properties["Join"],
        json!({"Fn::Join": ["-", ["x", {"Ref": "FlotillaStage"}, {"Fn::Sub": "y-${FlotillaStage}"}]]})
    );
    assert_eq!(properties["Sub"], json!({"Fn::Sub": "${AWS::Region}/${FlotillaStage}*"}));
    assert_eq!(properties["Import"], json!({"Fn::ImportValue": {"Fn::Sub": "sls-${FlotillaStage}-X"}}));
    assert_eq!(properties["Endpoint"], json!({"Fn::Sub": "https://${endpoint}/${FlotillaStage}"}));
    let code = json!(["", ["const s = `${", {"Ref": "FlotillaStage"}, "}`"]]);
    assert_eq!(properties["Code"]["ZipFile"], json!({"Fn::Join": code}));
    assert_eq!(template["Outputs"]["O"]["Export"], json!({"Name": {"Fn::Sub": "sls-${FlotillaStage}-O"}}));
    assert_eq!(template["Conditions"]["C"], json!({"Fn::Equals": [{"Ref": "FlotillaStage"}, "production"]}));
    assert_eq!(found.parameters.iter().collect::<Vec<_>>(), ["FlotillaStage", "endpoint"]);
    assert_eq!(
        template["Parameters"],
        json!({"FlotillaStage": {"Type": "String"}, "endpoint": {"Type": "String"}})
    );
}

#[test]
fn a_placeholder_where_no_parameter_may_stand_is_refused_with_its_path() {
    let resource = |resource: Value| json!({"Resources": {"R": resource}});
    for (template, path) in [
        (json!({"Resources": {"X-flotillastage": {"Type": "T"}}}), "Resources.X-flotillastage"),
        (json!({"Conditions": {"Isflotillastage": true}}), "Conditions.Isflotillastage"),
        (resource(json!({"Type": "flotillastage"})), "Resources.R.Type"),
        (resource(json!({"DependsOn": ["flotillastage"]})), "Resources.R.DependsOn.0"),
        (resource(json!({"Properties": {"flotillastage": 1}})), "Resources.R.Properties.flotillastage"),
        (resource(json!({"Properties": {"A": {"Ref": "flotillastage"}}})), "Resources.R.Properties.A.Ref"),
        (
            resource(json!({"Properties": {"A": {"Fn::Join": ["flotillastage", []]}}})),
            "Resources.R.Properties.A.Fn::Join",
        ),
        (json!({"Mappings": {"M": {"flotillastage": {}}}}), "Mappings.M.flotillastage"),
        (json!({"Parameters": {"P": {"Default": "flotillaparam-x"}}}), "Parameters.P.Default"),
        (json!({"Description": "app flotillastage"}), "Description"),
        (resource(json!({"Properties": {"A": "FLOTILLASTAGE"}})), "Resources.R.Properties.A"),
        (resource(json!({"Properties": {"A": "FlotillaStage-Flotillastage"}})), "Resources.R.Properties.A"),
    ] {
        let refusal = neutralise(&mut template.clone(), &MadeFor::default()).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.path.as_deref()),
            (Code::PlaceholderMisplaced, Some(path)),
            "{template}"
        );
    }
    let taken = resource(json!({"Properties": {"A": "flotillaparam-FlotillaX"}}));
    assert_eq!(neutralise(&mut taken.clone(), &MadeFor::default()).unwrap_err().code, Code::TemplateInvalid);
}

#[test]
fn a_parameter_that_the_template_declares_stays_as_it_is() {
    let mut template = json!({
        "Parameters": {"size": {"Type": "Number", "Default": 1}},
        "Resources": {"R": {"Properties": {"A": "flotillaparam-size"}}},
    });
    neutralise(&mut template, &MadeFor::default()).unwrap();
    assert_eq!(template["Parameters"]["size"], json!({"Type": "Number", "Default": 1}));
}

#[test]
fn a_policy_condition_is_a_value_and_a_resources_condition_a_name() {
    let policy =
        json!({"Statement": [{"Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}]});
    let mut template = json!({"Resources": {"R": {
        "Type": "T", "Condition": "Owned", "Properties": {"PolicyDocument": policy, "Flag": {"Condition": "Owned"}},
    }}});
    neutralise(&mut template, &made_for()).unwrap();
    let statement = &template["Resources"]["R"]["Properties"]["PolicyDocument"]["Statement"][0];
    assert_eq!(statement["Condition"]["StringEquals"]["aws:RequestedRegion"], json!({"Ref": "AWS::Region"}));
}

#[test]
fn a_region_in_the_name_of_a_property_is_told() {
    let condition = json!({"StringEquals": {"cognito-idp.us-east-1.amazonaws.com/x:aud": "a"}});
    let mut template = json!({"Resources": {"R": {"Type": "T", "Properties": {"Condition": condition}}}});
    let found = neutralise(&mut template, &made_for()).unwrap();
    assert_eq!(found.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), [Code::RegionStays]);
}

#[test]
fn an_export_and_its_import_stay_the_same_name() {
    let mut template = json!({
        "Resources": {"R": {"Type": "T", "Properties": {"V": {"Fn::ImportValue": "net:us-east-1:vpc"}}}},
        "Outputs": {"O": {"Value": 1, "Export": {"Name": "net:us-east-1:vpc"}}},
    });
    neutralise(&mut template, &made_for()).unwrap();
    let name = json!({"Fn::Sub": "net:${AWS::Region}:vpc"});
    assert_eq!(template["Resources"]["R"]["Properties"]["V"]["Fn::ImportValue"], name);
    assert_eq!(template["Outputs"]["O"]["Export"]["Name"], name);
}

/// Each of these templates once took time quadratic in its length: minutes for the largest template.
#[test]
fn p04_large_templates_are_made_neutral_in_a_moment() {
    const BYTES: usize = 200_000;
    let template = |properties: Value| json!({"Resources": {"R": {"Type": "T", "Properties": properties}}});
    let mut keep = template(json!("us-east-1 ".repeat(BYTES / 20)));
    let paths: Vec<String> = (0..BYTES / 20).map(|n| format!("R{n}")).collect();
    keep["Metadata"] = json!({"Flotilla": {"KeepRegion": paths}});
    for mut template in [
        template(vec!["us-east-1"; BYTES / 12].into()),
        template(vec!["xus-east-1"; BYTES / 13].into()),
        keep,
    ] {
        neutralise(&mut template, &made_for()).unwrap();
    }
}

#[test]
fn what_is_joined_or_substituted_is_pinned_as_a_whole() {
    let made_for =
        MadeFor { region: Region::parse("us-east-1").ok(), account: AccountId::parse("111122223333").ok() };
    let id = "12345678-1234-1234-1234-123456789012";
    let partition = json!({"Ref": "AWS::Partition"});
    let joined = |rest: String| json!({"Fn::Join": ["", ["arn:", partition, rest]]});
    let pinned = [
        joined(format!(":acm:us-east-1:111122223333:certificate/{id}")),
        joined(format!(":kms:us-east-1:111122223333:key/{id}")),
        joined(":secretsmanager:us-east-1:111122223333:secret:db-AbCdE1".into()),
        json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:acm:us-east-1:${{AWS::AccountId}}:certificate/{id}")}),
        json!({"Fn::Join": ["", ["https://cognito-idp.us-east-1.", {"Ref": "AWS::URLSuffix"}, "/us-east-1_aBcDeFgHi"]]}),
    ];
    for value in pinned {
        let mut template = json!({"Resources": {"A": {"Type": "AWS::X::Y", "Properties": {"P": value}}}});
        let before = template.clone();
        let found = neutralise(&mut template, &made_for).unwrap();
        assert_eq!(template, before, "half of it would be another one's");
        assert_eq!(found.warnings[0].code, Code::RegionStays);
    }
    let mut queue = json!({"Resources": {"A": {"Type": "AWS::X::Y", "Properties": {"P": joined(":sqs:us-east-1:111122223333:orders".into())}}}});
    neutralise(&mut queue, &made_for).unwrap();
    assert!(!queue.to_string().contains("us-east-1"), "{queue}");
    // What CloudFront serves has its certificate in us-east-1.
    let certificate =
        json!({"Fn::Sub": "arn:aws:acm:us-east-1:${AWS::AccountId}:certificate/${Certificate}"});
    for (kind, property, stays) in [
        ("AWS::CloudFront::Distribution", "AcmCertificateArn", true),
        ("AWS::Cognito::UserPoolDomain", "CertificateArn", true),
        ("AWS::ApiGateway::DomainName", "CertificateArn", true),
        ("AWS::ApiGateway::DomainName", "RegionalCertificateArn", false),
    ] {
        let mut template = json!({"Resources": {"A": {"Type": kind, "Properties": {property: certificate}}}});
        neutralise(&mut template, &made_for).unwrap();
        assert_eq!(template.to_string().contains("us-east-1"), stays, "{kind} {property}");
    }
}
