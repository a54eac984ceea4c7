//! A stack's outputs, rendered from its template: not AWS's values, but reproducible texts that differ between stacks
//! and regions.

use crate::state::State;
use flotilla_domain::{Digest, Site};
use serde_json::Value;
use std::collections::BTreeMap;

/// The outputs of a stack that runs this template.
pub(crate) fn outputs(
    state: &State,
    (site, stack): &(Site, String),
    template: Option<&Digest>,
) -> BTreeMap<String, String> {
    let bytes = template.and_then(|digest| state.templates.get(digest)).cloned().unwrap_or_default();
    let template: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let outputs = template["Outputs"].as_object().cloned().unwrap_or_default();
    outputs.into_iter().map(|(name, output)| (name, render(&output["Value"], site, stack))).collect()
}

fn render(value: &Value, site: &Site, stack: &str) -> String {
    let (reference, attribute) = (&value["Ref"], &value["Fn::GetAtt"]);
    if let Some(text) = value.as_str() {
        text.to_owned()
    } else if let Some(name) = reference.as_str() {
        refer(name, site, stack)
    } else if let [Value::String(id), Value::String(name)] = attribute.as_array().map_or(&[][..], |v| v) {
        format!("arn:{}:{stack}/{id}/{name}", site.region)
    } else if let Some(pattern) = value["Fn::Sub"].as_str() {
        substitute(pattern, site, stack)
    } else {
        value.to_string()
    }
}

/// The value of `Ref`: a resource's name, or a pseudo parameter.
fn refer(name: &str, site: &Site, stack: &str) -> String {
    match name {
        "AWS::Region" => site.region.to_string(),
        "AWS::AccountId" => site.account.to_string(),
        "AWS::StackName" => stack.to_owned(),
        name => format!("{stack}/{name}"),
    }
}

/// Replaces `${…}` by values.
fn substitute(pattern: &str, site: &Site, stack: &str) -> String {
    let mut parts = pattern.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once('}') {
        Some((name, rest)) => text + &refer(name, site, stack) + rest,
        None => text + part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_output_is_the_same_each_time_and_another_in_another_region() {
        let render = |value: Value, region: &str| {
            let site = Site::parse(&format!("111122223333/{region}")).expect("a site");
            render(&value, &site, "orders-staging")
        };
        assert_eq!(render(json!("text"), "eu-west-1"), "text");
        assert_eq!(render(json!({"Ref": "App"}), "eu-west-1"), "orders-staging/App");
        let url = json!({"Fn::Sub": "https://${Api}.${AWS::Region}.example/"});
        assert_eq!(render(url, "us-east-1"), "https://orders-staging/Api.us-east-1.example/");
        let arn = json!({"Fn::GetAtt": ["App", "Arn"]});
        assert_eq!(render(arn.clone(), "eu-west-1"), "arn:eu-west-1:orders-staging/App/Arn");
        assert_ne!(render(arn.clone(), "us-east-1"), render(arn, "eu-west-1"));
    }
}
