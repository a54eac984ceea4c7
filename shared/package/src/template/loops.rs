//! Loops, `Fn::ForEach` of `AWS::LanguageExtensions`: CloudFormation makes their resources when the stack is deployed (AWS CloudFormation
//! User Guide, "Fn::ForEach").
//!
//! A loop of the section `Resources` is `Fn::ForEach::<name>: [identifier, collection, {logical id: resource}]`, and may contain others.

use flotilla_domain::{Code, Refusal};
use serde_json::{Map, Value};

const LOOP: &str = "Fn::ForEach::";
/// The place of what is repeated.
pub(super) const BODY: usize = 2;
/// Deepest loop that CloudFormation accepts.
const DEPTH_MAX: usize = 5;

/// Types whose resources have code, permissions or stacks of their own, which Flotilla has to know one by one.
const ONE_BY_ONE: [&str; 12] = [
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGatewayV2::Api",
    "AWS::AppSync::",
    "AWS::CloudFormation::",
    "AWS::CodeCommit::Repository",
    "AWS::CodeDeploy::",
    "AWS::ElasticBeanstalk::",
    "AWS::Glue::",
    "AWS::IAM::",
    "AWS::Lambda::",
    "AWS::Serverless::",
    "AWS::StepFunctions::",
];

/// Whether the name of an entry is that of a loop.
pub(super) fn is_loop(id: &str) -> bool {
    id.starts_with(LOOP)
}

/// A resource, or one that loops repeat.
pub(super) struct Entry<'t> {
    /// Where it is in the template.
    pub path: String,
    /// The resource.
    pub resource: &'t Value,
    /// The identifiers of the loops around it whose collections are literal.
    pub identifiers: Vec<&'t str>,
    /// How many the loops make of it; 1 for a collection that is known only during the deployment.
    pub count: usize,
}

/// The resources of a section, with those in loops.
pub(super) fn resources(section: Option<&Map<String, Value>>) -> Vec<Entry<'_>> {
    let mut found = Vec::new();
    if let Some(section) = section {
        collect(section, "Resources", &[], 1, &mut found);
    }
    found
}

fn collect<'t>(
    entries: &'t Map<String, Value>,
    path: &str,
    identifiers: &[&'t str],
    count: usize,
    found: &mut Vec<Entry<'t>>,
) {
    for (id, entry) in entries {
        let path = format!("{path}.{id}");
        let parts = entry.as_array().filter(|_| is_loop(id));
        let Some([Value::String(identifier), collection, Value::Object(body)]) = parts.map(Vec::as_slice)
        else {
            let identifiers = identifiers.to_vec();
            found.push(Entry { path, resource: entry, identifiers, count });
            continue;
        };
        let literal = collection.as_array().filter(|items| items.iter().all(Value::is_string));
        let mut inner = identifiers.to_vec();
        inner.extend(literal.map(|_| identifier.as_str()));
        let items = literal.map_or(1, Vec::len);
        // The check of the loops bounds the depth.
        collect(body, &format!("{path}.{BODY}"), &inner, count.saturating_mul(items), found);
    }
}

/// Refuses loops that Flotilla cannot deploy.
///
/// # Errors
/// [`Code::TemplateUnsupported`] or [`Code::TemplateInvalid`], with the place.
pub(super) fn check(resources: &Map<String, Value>, transform: Option<&Value>) -> Result<(), Refusal> {
    let expands = |name: &Value| name == "AWS::LanguageExtensions";
    let is_declared = transform.is_some_and(|transform| match transform {
        Value::Array(all) => all.iter().any(expands),
        one => expands(one),
    });
    let first = resources.keys().find(|id| is_loop(id));
    if let Some(first) = first.filter(|_| !is_declared) {
        let what = format!("{first} needs the transform AWS::LanguageExtensions");
        let fix = "add Transform: AWS::LanguageExtensions to the template";
        return Err(Refusal::new(Code::TemplateInvalid, what, fix).at(format!("Resources.{first}")));
    }
    check_entries(resources, "Resources", 0)
}

fn check_entries(entries: &Map<String, Value>, path: &str, depth: usize) -> Result<(), Refusal> {
    for (id, entry) in entries {
        let path = format!("{path}.{id}");
        if is_loop(id) {
            let parts = entry.as_array().filter(|parts| parts.len() == BODY + 1 && depth < DEPTH_MAX);
            let Some(body) = parts.and_then(|parts| parts[BODY].as_object()) else {
                let what = format!("{id} is not a loop of an identifier, a collection and resources");
                let fix = "correct it: see the CloudFormation User Guide, \"Fn::ForEach\"";
                return Err(Refusal::new(Code::TemplateInvalid, what, fix).at(path));
            };
            check_entries(body, &format!("{path}.{BODY}"), depth + 1)?;
        } else if depth > 0 {
            check_resource(entry, path)?;
        } else {
            check_properties(entry, path)?;
        }
    }
    Ok(())
}

fn is_one_by_one(kind: &str) -> bool {
    let matches = |known: &str| if known.ends_with("::") { kind.starts_with(known) } else { kind == known };
    ONE_BY_ONE.into_iter().any(matches)
}

/// Checks a resource outside of loops: a loop in its properties makes properties that are not in the template.
fn check_properties(resource: &Value, path: String) -> Result<(), Refusal> {
    let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
    if is_one_by_one(kind) && has_loop(resource) {
        let what = format!(
            "a loop makes properties of a resource of the type {kind}, so its code and roles cannot be proven"
        );
        return Err(
            Refusal::new(Code::TemplateUnsupported, what, "write these properties without a loop").at(path)
        );
    }
    Ok(())
}

fn has_loop(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(key, value)| is_loop(key) || has_loop(value)),
        Value::Array(items) => items.iter().any(has_loop),
        _ => false,
    }
}

/// Checks a resource that a loop repeats.
fn check_resource(resource: &Value, path: String) -> Result<(), Refusal> {
    let Some(kind) = resource.get("Type").and_then(Value::as_str) else {
        let what = "a resource of the loop has no Type";
        return Err(Refusal::new(Code::TemplateInvalid, what, "give it one").at(path));
    };
    // CloudFormation puts the values of the collection into both forms.
    if ["${", "&{"].iter().any(|mark| kind.contains(mark)) {
        let what = format!(
            "the loop repeats resources of the type {kind}, which is known only during the deployment"
        );
        let fix = "write the type without the loop's identifier, in a loop for each type";
        return Err(Refusal::new(Code::TemplateUnsupported, what, fix).at(path));
    }
    if is_one_by_one(kind) {
        let what = format!(
            "the loop repeats resources of the type {kind}: what a loop creates is not in the template, so their code and roles cannot be proven"
        );
        let fix = "write these resources without a loop; loops of other types, such as topics and alarms, are deployed";
        return Err(Refusal::new(Code::TemplateUnsupported, what, fix).at(path));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(resources: &Value) -> Option<(Code, String)> {
        let transform = json!(["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]);
        let refusal = check(resources.as_object().unwrap(), Some(&transform)).err()?;
        Some((refusal.code, refusal.path.unwrap()))
    }

    fn repeated(kind: &str) -> Value {
        json!({"Fn::ForEach::Topics": ["Name", ["A", "B"], {"Topic${Name}": {"Type": kind}}]})
    }

    #[test]
    fn loops_without_code_are_accepted_and_nested_ones_too() {
        assert_eq!(code(&repeated("AWS::SNS::Topic")), None);
        assert_eq!(code(&json!({"Fn::ForEach::Outer": ["X", ["A"], repeated("AWS::SQS::Queue")]})), None);
    }

    #[test]
    fn what_has_code_permissions_or_stacks_is_refused_where_it_stands() {
        let place = "Resources.Fn::ForEach::Topics.2.Topic${Name}".to_owned();
        for kind in [
            "AWS::Lambda::Function",
            "AWS::Serverless::Function",
            "AWS::IAM::Role",
            "AWS::CloudFormation::Stack",
            "AWS::ApiGateway::RestApi",
            "AWS::StepFunctions::StateMachine",
        ] {
            assert_eq!(code(&repeated(kind)), Some((Code::TemplateUnsupported, place.clone())), "{kind}");
            let outer = json!({"Fn::ForEach::Outer": ["X", ["A"], repeated(kind)]});
            assert_eq!(code(&outer).unwrap().0, Code::TemplateUnsupported, "{kind}");
        }
        assert_eq!(code(&repeated("AWS::ApiGateway::RestApiX")), None);
        for kind in ["${Name}", "&{Name}", "AWS::${Name}", "AWS::SNS::&{Name}"] {
            assert_eq!(code(&repeated(kind)), Some((Code::TemplateUnsupported, place.clone())), "{kind}");
        }
    }

    #[test]
    fn a_loop_makes_no_properties_of_what_has_code_or_permissions() {
        let of = |kind: &str| {
            let looped =
                json!({"Fn::ForEach::Code": ["P", ["Code"], {"${P}": {"S3Bucket": "b", "S3Key": "k"}}]});
            json!({"A": {"Type": kind, "Properties": looped}})
        };
        for kind in ["AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Serverless::Function"] {
            assert_eq!(code(&of(kind)), Some((Code::TemplateUnsupported, "Resources.A".into())), "{kind}");
        }
        assert_eq!(code(&of("AWS::SNS::Topic")), None);
    }

    #[test]
    fn a_loop_of_another_form_or_without_its_transform_is_refused() {
        for bad in [
            json!({"Fn::ForEach::A": {}}),
            json!({"Fn::ForEach::A": ["X", ["A"]]}),
            json!({"Fn::ForEach::A": ["X", ["A"], "Y"]}),
            json!({"Fn::ForEach::A": ["X", ["A"], {"R": {}}]}),
            json!({"Fn::ForEach::A": ["X", ["A"], {"R": "AWS::SNS::Topic"}]}),
        ] {
            assert_eq!(code(&bad).unwrap().0, Code::TemplateInvalid, "{bad}");
        }
        let mut deep = repeated("AWS::SNS::Topic");
        for _ in 0..DEPTH_MAX {
            deep = json!({"Fn::ForEach::A": ["X", ["A"], deep]});
        }
        assert_eq!(code(&deep).unwrap().0, Code::TemplateInvalid);
        let resources = repeated("AWS::SNS::Topic");
        for transform in [None, Some(json!("AWS::Serverless-2016-10-31")), Some(json!(["Other"]))] {
            let refusal = check(resources.as_object().unwrap(), transform.as_ref()).unwrap_err();
            assert!(refusal.message.contains("AWS::LanguageExtensions"), "{refusal}");
        }
    }
}
