//! Names a REST API's deployment after its content instead of the time of packaging.

use crate::json::canonical;
use flotilla_domain::Digest;
use serde_json::{Map, Value};

/// The logical id that the Serverless Framework gives the deployment; milliseconds follow.
const PREFIX: &str = "ApiGatewayDeployment";

/// Renames `ApiGatewayDeployment<milliseconds>`. API Gateway redeploys when the logical id changes, which must happen
/// when the API has changed, and not each time the service is packaged.
pub fn name_by_content(template: &mut Value) {
    let Some(resources) = template.get_mut("Resources").and_then(Value::as_object_mut) else { return };
    let is_timed = |id: &str| {
        id.strip_prefix(PREFIX).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let Some(old) = resources.keys().find(|id| is_timed(id)).cloned() else { return };
    let mut api: Map<String, Value> = resources
        .iter()
        .filter(|(_, resource)| {
            resource["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::ApiGateway::"))
        })
        .map(|(id, resource)| (id.clone(), resource.clone()))
        .collect();
    // Stages and other resources refer to the deployment; its new name must not depend on itself.
    let mut content = Value::Object(std::mem::take(&mut api));
    rename(&mut content, &old, PREFIX);
    let new = format!("{PREFIX}{}", &Digest::of(&canonical(&content)).to_string()[..16]);
    rename(template, &old, &new);
}

/// Renames a resource and every reference to it.
pub fn rename(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text == old => *text = new.to_owned(),
        Value::String(text) => {
            for end in ["}", "."] {
                let (from, to) = (format!("${{{old}{end}"), format!("${{{new}{end}"));
                if text.contains(&from) {
                    *text = text.replace(&from, &to);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, old, new)),
        Value::Object(object) => {
            if let Some(resource) = object.remove(old) {
                object.insert(new.to_owned(), resource);
            }
            object.values_mut().for_each(|value| rename(value, old, new));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(time: &str, path: &str) -> Value {
        let id = format!("ApiGatewayDeployment{time}");
        json!({"Resources": {
            "Method": {"Type": "AWS::ApiGateway::Method", "Properties": {"Path": path}},
            id.clone(): {"Type": "AWS::ApiGateway::Deployment", "DependsOn": ["Method"]},
            "Plan": {"Type": "AWS::ApiGateway::UsagePlan", "DependsOn": id, "Properties": {"D": {"Ref": id}, "S": {"Fn::Sub": format!("${{{id}}}")}}},
        }})
    }

    #[test]
    fn when_it_was_packaged_does_not_matter_and_what_it_deploys_does() {
        let renamed = |time: &str, path: &str| {
            let mut template = template(time, path);
            name_by_content(&mut template);
            template
        };
        assert_eq!(renamed("1795217466497", "a"), renamed("1795217466999", "a"));
        assert_ne!(renamed("1795217466497", "a"), renamed("1795217466497", "b"));
        let text = renamed("1795217466497", "a").to_string();
        assert!(
            !text.contains("1795217466497") && text.matches("ApiGatewayDeployment").count() == 4,
            "{text}"
        );
    }

    #[test]
    fn a_template_without_one_stays_as_it_is() {
        let mut template = json!({"Resources": {"ApiGatewayDeploymentOfMine": {"Type": "X"}}});
        name_by_content(&mut template);
        assert_eq!(template, json!({"Resources": {"ApiGatewayDeploymentOfMine": {"Type": "X"}}}));
    }
}
