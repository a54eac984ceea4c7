//! Layers that are not in the package: each region has its own, and nothing proves that their bytes are the same.

use super::joined::{OWN_ACCOUNT, whole_text};
use regex_lite::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The ARN of a layer's version, with the account that has it and its name.
static LAYER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^arn:[a-z-]+:lambda:[^:]*:(\d{12}):layer:([A-Za-z0-9_-]+):(\d+)$").ok());

/// The layers that functions take by ARN, each once: where the first function names it, and `account:name:version`, without the account if it is
/// the stack's own.
pub fn outside(template: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut add = |layers: Option<&Value>, path: &str| {
        for (n, layer) in layers.and_then(Value::as_array).into_iter().flatten().enumerate() {
            let text = whole_text(layer);
            if let Some(arn) = LAYER.as_ref().and_then(|pattern| pattern.captures(&text)) {
                let own = &arn[1] == OWN_ACCOUNT;
                let account = if own { String::new() } else { format!("{}:", &arn[1]) };
                let shown = format!("{account}{}:{}", &arn[2], &arn[3]);
                found.entry(shown).or_insert_with(|| format!("{path}.{n}"));
            }
        }
    };
    add(template.pointer("/Globals/Function/Layers"), "Globals.Function.Layers");
    for (id, resource) in template.get("Resources").and_then(Value::as_object).into_iter().flatten() {
        if matches!(resource["Type"].as_str(), Some("AWS::Lambda::Function" | "AWS::Serverless::Function")) {
            add(resource.pointer("/Properties/Layers"), &format!("Resources.{id}.Properties.Layers"));
        }
    }
    found.into_iter().map(|(layer, path)| (path, layer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_layer_by_its_arn_is_told_once_and_one_of_the_template_is_not() {
        let vendor = "arn:aws:lambda:us-east-1:017000801446:layer:Powertools:7";
        let by_region =
            json!({"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:017000801446:layer:Powertools:7"});
        let own = json!({"Fn::Sub": "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:layer:shared:2"});
        let function =
            |layers: Value| json!({"Type": "AWS::Lambda::Function", "Properties": {"Layers": layers}});
        let template = json!({
            "Globals": {"Function": {"Layers": ["arn:aws:lambda:eu-west-1:580247275435:layer:Insights:14"]}},
            "Resources": {
                "A": function(json!([{"Ref": "Own"}, vendor])),
                "B": function(json!([by_region, own])),
                "Own": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": "x"}}}});
        let expected = [
            ("Globals.Function.Layers.0", "580247275435:Insights:14"),
            ("Resources.A.Properties.Layers.1", "017000801446:Powertools:7"),
            ("Resources.B.Properties.Layers.1", "shared:2"),
        ];
        assert_eq!(
            outside(&template),
            expected.map(|(path, layer)| (path.to_owned(), layer.to_owned())).into()
        );
    }
}
