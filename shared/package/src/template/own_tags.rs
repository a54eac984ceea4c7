//! The tags that Flotilla gives: the workload boundary of `infra/account.yaml` compares those of a role with those of a secret, so a template
//! may not set them.

use super::loops;
use flotilla_domain::{Code, Refusal};
use serde_json::Value;

const OWN: &str = "flotilla:";
/// A resource with this tag is open to other services.
const SHARED: &str = "flotilla:shared";

/// Refuses a template that sets tags of Flotilla, or that computes the names of a role's tags.
///
/// # Errors
/// [`Code::TemplateInvalid`], with the place.
pub(super) fn refuse(template: &Value) -> Result<(), Refusal> {
    for (section, within) in [("Resources", "Properties"), ("Globals", "")] {
        refuse_in(template.get(section), section, within)?;
    }
    Ok(())
}

fn refuse_in(entries: Option<&Value>, section: &str, within: &str) -> Result<(), Refusal> {
    for (id, entry) in entries.and_then(Value::as_object).into_iter().flatten() {
        if loops::is_loop(id) {
            refuse_in(entry.get(loops::BODY), &format!("{section}.{id}.{}", loops::BODY), within)?;
            continue;
        }
        let tags = if within.is_empty() { &entry["Tags"] } else { &entry[within]["Tags"] };
        // The tags of a nested stack become those of its roles.
        let is_role =
            ["AWS::IAM::Role", "AWS::CloudFormation::Stack"].map(Value::from).contains(&entry["Type"]);
        let path = format!("{section}.{id}{}{within}.Tags", if within.is_empty() { "" } else { "." });
        // IAM compares the names of tags without regard to case.
        let named = |key: &str| key.to_ascii_lowercase().starts_with(OWN) && key != SHARED;
        let own = match tags {
            Value::Object(tags) => tags.keys().any(|key| named(key)),
            Value::Array(tags) => tags.iter().any(|tag| tag["Key"].as_str().is_some_and(named)),
            _ => false,
        };
        if own {
            let what = format!("the tags that begin with {OWN} are set by Flotilla");
            let fix = format!("remove the tag; only {SHARED} may be set");
            return Err(Refusal::new(Code::TemplateInvalid, what, fix).at(path));
        }
        let computed = tags.is_object()
            || tags.as_array().is_some_and(|tags| tags.iter().any(|tag| !tag["Key"].is_string()));
        if is_role && computed {
            let what = "the names of a role's tags are computed";
            let fix = "write each tag of a role as its Key and Value";
            return Err(Refusal::new(Code::TemplateInvalid, what, fix).at(path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(kind: &str, tags: &Value) -> Option<String> {
        let template = json!({"Resources": {"A": {"Type": kind, "Properties": {"Tags": tags}}}});
        refuse(&template).err().and_then(|refusal| refusal.path)
    }

    #[test]
    fn a_template_sets_no_tag_of_flotilla() {
        let at = Some("Resources.A.Properties.Tags".to_owned());
        assert_eq!(refused("AWS::IAM::Role", &json!([{"Key": "flotilla:service", "Value": "billing"}])), at);
        assert_eq!(refused("AWS::Serverless::Function", &json!({"flotilla:stage": "production"})), at);
        assert_eq!(refused("AWS::IAM::Role", &json!([{"Key": "Flotilla:Service", "Value": "billing"}])), at);
        assert_eq!(refused("AWS::SSM::Parameter", &json!({"flotilla:shared": "true"})), None);
        assert_eq!(refused("AWS::SQS::Queue", &json!([{"Key": "team", "Value": "a"}])), None);
        assert_eq!(refused("AWS::SQS::Queue", &json!(null)), None);
        let globals =
            json!({"Globals": {"Function": {"Tags": {"flotilla:service": "billing"}}}, "Resources": {}});
        assert_eq!(refuse(&globals).unwrap_err().path.as_deref(), Some("Globals.Function.Tags"));
    }

    #[test]
    fn the_names_of_a_roles_tags_are_literal() {
        let computed = json!([{"Key": {"Fn::Sub": "flotilla:${x}"}, "Value": "billing"}]);
        assert!(refused("AWS::IAM::Role", &computed).is_some());
        assert!(refused("AWS::CloudFormation::Stack", &computed).is_some());
        assert!(refused("AWS::IAM::Role", &json!({"Fn::If": ["c", [], []]})).is_some());
        assert_eq!(refused("AWS::SQS::Queue", &computed), None);
    }
}
