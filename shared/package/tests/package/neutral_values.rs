//! What is packaged in one region and deployed there has the values that the tool wrote.

use flotilla_domain::{AccountId, Region};
use flotilla_package::template::{MadeFor, neutralise};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "111122223333";
const STAGE: &str = "flotillastage";

/// Texts in which regions, accounts and stages stand alone, between hyphens, in ARNs and URLs, in words, and in what belongs to one region.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        REGION,
        ACCOUNT,
        STAGE,
        "eu-west-1",
        "orders",
        "a",
        "Z",
        "7",
        "-",
        "-",
        ".",
        "/",
        ":",
        "_",
        " ",
        "$",
        "{",
        "}",
        "${",
        "${x}",
        "é",
        "arn:aws:sqs:",
        "arn:aws:acm:us-east-1:111122223333:certificate/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
        "us-east-1_aBcDeFgHi",
        "https://sqs.us-east-1.amazonaws.com/",
        "us-east-1a",
        "subnet-0123456789abcdef0",
        "{{resolve:ssm:/x}}",
    ]);
    prop::collection::vec(part, 0..7).prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => text().prop_map(Value::from),
        1 => Just(json!(true)),
        1 => any::<i32>().prop_map(Value::from),
        1 => text().prop_map(|text| json!({"Fn::Sub": text.replace("${x}", "<").replace("${", "$ {").replace("<", "${AWS::Region}")})),
        1 => Just(json!({"Ref": "AWS::AccountId"})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[A-Z][a-z]{1,6}", inner.clone()), 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
            prop::collection::vec(inner, 1..4).prop_map(|parts| json!({"Fn::Join": ["-", parts]})),
        ]
    })
}

/// What CloudFormation makes of a value in the region, account and stage that it was packaged for.
fn deployed(value: &Value) -> Value {
    let given = |name: &str| match name {
        "AWS::Region" => Some(REGION),
        "AWS::AccountId" => Some(ACCOUNT),
        "FlotillaStage" => Some(STAGE),
        _ => None,
    };
    match value {
        Value::Array(items) => items.iter().map(deployed).collect(),
        Value::Object(object) => {
            let only = object.iter().next().filter(|_| object.len() == 1);
            match only.map(|(key, value)| (key.as_str(), value)) {
                Some(("Ref", Value::String(name))) if given(name).is_some() => given(name).into(),
                Some(("Fn::Sub", Value::String(text))) => substituted(text, given).into(),
                Some(("Fn::Join", Value::Array(parts))) => {
                    joined(&parts.iter().map(deployed).collect::<Vec<_>>())
                }
                _ => object
                    .iter()
                    .map(|(key, value)| (key.clone(), deployed(value)))
                    .collect::<Map<_, _>>()
                    .into(),
            }
        }
        other => other.clone(),
    }
}

/// `Fn::Join` of texts; of anything else it stays.
fn joined(parts: &[Value]) -> Value {
    let texts = |parts: &[Value]| {
        parts.iter().map(|part| part.as_str().map(ToOwned::to_owned)).collect::<Option<Vec<_>>>()
    };
    match parts {
        [Value::String(between), Value::Array(items)] => texts(items).map(|texts| texts.join(between).into()),
        _ => None,
    }
    .unwrap_or_else(|| json!({"Fn::Join": parts}))
}

/// `Fn::Sub`, whose texts here have closed braces only.
fn substituted<'t>(text: &'t str, given: impl Fn(&str) -> Option<&'t str>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once("${").and_then(|(b, r)| Some((b, r.split_once('}')?)))
    {
        out += before;
        match given(name) {
            Some(value) => out += value,
            None => out += &format!("${{{name}}}"),
        }
        rest = after;
    }
    out + rest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn packing_for_a_region_and_deploying_there_changes_no_value(properties in prop::collection::vec(("[A-Z][a-z]{1,6}", value()), 1..5)) {
        let properties: Map<String, Value> = properties.into_iter().collect();
        let mut template = json!({"Resources": {"R": {"Type": "AWS::Test::Thing", "Properties": properties}}});
        let before = deployed(&template);
        let made_for = MadeFor { region: Region::parse(REGION).ok(), account: AccountId::parse(ACCOUNT).ok() };
        prop_assume!(neutralise(&mut template, &made_for).is_ok());
        prop_assert_eq!(deployed(&template["Resources"]), before["Resources"].clone());
    }
}
