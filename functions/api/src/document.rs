//! The OpenAPI document: what the routes say of themselves, completed with what holds for all of them.
//!
//! Path parameters, errors and signing are the same everywhere, so they are added here, once, and no route can forget them.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a name or id looks like, by the name of the path parameter or of the string in a request's body: its description and pattern. The
/// patterns restate the rules of `shared/domain/src/names.rs` and `ids.rs`; a test compares them.
pub const NAMES: [(&str, &str, &str); 13] = [
    ("service", "Name of a service.", "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"),
    ("stage", "Name of a stage.", "^[a-z]([a-z0-9-]{0,46}[a-z0-9])?$"),
    ("from", "Name of a stage.", "^[a-z]([a-z0-9-]{0,46}[a-z0-9])?$"),
    ("to", "Name of a stage.", "^[a-z]([a-z0-9-]{0,46}[a-z0-9])?$"),
    ("confirm", "Name of a stage.", "^[a-z]([a-z0-9-]{0,46}[a-z0-9])?$"),
    ("profile", "Name of a profile.", "^[a-z]([a-z0-9-]{0,46}[a-z0-9])?$"),
    ("account", "ID of an AWS account.", "^[0-9]{12}$"),
    ("release", "ID of a release.", "^rel_[0-7][0-9A-HJKMNP-TV-Z]{25}$"),
    ("rollout", "ID of a rollout.", "^rlo_[0-7][0-9A-HJKMNP-TV-Z]{25}$"),
    ("set", "ID of a set.", "^set_[0-7][0-9A-HJKMNP-TV-Z]{25}$"),
    ("package", "SHA-256 of a package.", DIGEST),
    ("plan", "SHA-256 of a plan.", DIGEST),
    ("because", "Reason.", "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,500}$"),
];

/// A SHA-256 in hexadecimal digits.
const DIGEST: &str = "^[0-9a-f]{64}$";

/// The operations whose body may be left out, by `operationId`.
const OPTIONAL_BODIES: [&str; 5] =
    ["cancel_rollout", "retry_rollout", "redeploy_consumers", "cancel_set", "roll_back_set"];

/// Descriptions of the tags, in the order of the document.
const TAGS: [(&str, &str); 9] = [
    ("services", "Services, their stages, releases, uploads and configuration."),
    ("rollouts", "Rollouts: started, followed, controlled."),
    ("previews", "Previews, and the removal of stages."),
    ("sets", "Several services that are promoted or rolled back as one."),
    ("gates", "Plans, approvals and freezes."),
    ("configuration", "Services, profiles, accounts and grants."),
    ("access", "Who the caller is, and what it may do."),
    ("audit", "Who did what."),
    ("health", "The health of the API."),
];

/// Completes the document that the routes generate.
pub fn complete(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let mut bodies = BTreeSet::new();
    let mut used = BTreeSet::new();
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.insert("/openapi.json".into(), json!({"get": of_the_document()}));
        for (path, methods) in paths.iter_mut() {
            for (method, operation) in methods.as_object_mut().into_iter().flatten() {
                complete_operation(path, method, operation);
                bodies.extend(body_schema(operation).map(str::to_owned));
                used.extend(operation["tags"][0].as_str().map(str::to_owned));
            }
        }
    }
    for schema in bodies {
        limit_names(&schema, &mut document["components"]["schemas"][schema.as_str()]);
    }
    document["components"]["securitySchemes"] = json!({"sigv4": {
        "type": "apiKey", "in": "header", "name": "Authorization",
        "description": "AWS Signature Version 4 of an IAM principal, for the service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    }});
    document["security"] = json!([{"sigv4": []}]);
    let tags = TAGS.iter().filter(|(name, _)| used.contains(*name));
    document["tags"] = tags.map(|(name, text)| json!({"name": name, "description": text})).collect();
    document
}

fn of_the_document() -> Value {
    let schema = json!({"type": "object"});
    json!({
        "tags": ["health"],
        "operationId": "openapi",
        "summary": "Describes the API: this document.",
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}}},
    })
}

fn complete_operation(path: &str, method: &str, operation: &mut Value) {
    if operation["operationId"].as_str().is_some_and(|id| OPTIONAL_BODIES.contains(&id)) {
        operation["requestBody"]["required"] = false.into();
    }
    let names: Vec<&str> =
        path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
    let own = operation["parameters"].as_array().cloned().unwrap_or_default();
    let of_path = names.iter().map(|name| path_parameter(path, name));
    let parameters: Vec<Value> = of_path.chain(own.into_iter().map(limit_parameter)).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let changes = method != "get";
    let mut problems = vec![
        ("400", "The request is invalid."),
        ("403", "The caller is unknown or lacks the role."),
        ("503", "An internal error occurred; the request can be repeated."),
    ];
    if !names.is_empty() || changes || !operation["responses"]["404"].is_null() {
        problems.push(("404", "What the request names does not exist."));
    }
    if changes {
        problems.push(("409", "The current state does not allow the request; `current` has it."));
        problems.push(("422", "The request is refused; `code` and `fix` say why and what to do."));
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
        let done = if status == "202" { "Accepted." } else { "Done." };
        response["description"] = done.into();
    }
    for (status, text) in problems {
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let content = json!({"application/problem+json": {"schema": schema}});
        responses.insert(status.into(), json!({"description": text, "content": content}));
    }
    responses.insert("429".into(), too_many_requests());
}

/// What API Gateway answers by itself when it throttles.
fn too_many_requests() -> Value {
    let schema = json!({"type": "object", "properties": {"message": {"type": "string"}}});
    json!({
        "description": "API Gateway throttles: send the request again later.",
        "content": {"application/json": {"schema": schema}},
    })
}

/// A parameter of a path; `id` is that of what the path begins with.
fn path_parameter(path: &str, name: &str) -> Value {
    let kind = match name {
        "id" if path.starts_with("/v1/sets/") => "set",
        "id" => "rollout",
        other => other,
    };
    let (description, pattern) = rule(kind).unwrap_or(("", "^.{1,200}$"));
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": {"type": "string", "pattern": pattern},
    })
}

/// Gives a parameter of a query the pattern of what it names. Those of the audit's times are not names.
fn limit_parameter(mut parameter: Value) -> Value {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    if matches!(name.as_str(), "from" | "to") {
        parameter["schema"]["format"] = "date-time".into();
    } else if let Some((_, pattern)) = rule(&name) {
        parameter["schema"]["pattern"] = pattern.into();
    }
    parameter
}

fn rule(name: &str) -> Option<(&'static str, &'static str)> {
    NAMES.iter().find(|(known, ..)| *known == name).map(|(_, description, pattern)| (*description, *pattern))
}

/// The schema of an operation's body. Those of configurations have patterns and templates where requests have names.
fn body_schema(operation: &Value) -> Option<&str> {
    let schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()?;
    let name = schema.rsplit('/').next()?;
    (!name.ends_with("Config") && !name.ends_with("Doc")).then_some(name)
}

/// Gives the names and ids of a request's body their patterns.
fn limit_names(body: &str, schema: &mut Value) {
    let properties = schema["properties"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let limited: Map<String, Value> = properties
        .into_iter()
        .map(|(name, mut property)| {
            let kinds = [json!("string"), json!(["string", "null"])];
            // A rollback leads to a release, everything else to a stage.
            let kind = if (body, name.as_str()) == ("RollBack", "to") { "release" } else { &name };
            if let Some((_, pattern)) = rule(kind).filter(|_| kinds.contains(&property["type"])) {
                // An optional reason may be empty: it counts as none.
                let is_optional = name == "because" && property["type"].is_array();
                let pattern = if is_optional { pattern.replace("{1,", "{0,") } else { pattern.to_owned() };
                property["pattern"] = pattern.into();
            }
            if name == "allow" {
                property["maxItems"] = 200.into();
                // A name that is given twice counts once.
                property["uniqueItems"] = false.into();
                property["items"]["pattern"] =
                    "^[A-Za-z0-9]{1,255}(@[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2})?$".into();
            }
            (name, property)
        })
        .collect();
    if !limited.is_empty() {
        schema["properties"] = limited.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::{
        AccountId, Digest, ProfileName, ReleaseId, RolloutId, ServiceName, SetId, StageName, Timestamp,
    };
    use regex_lite::Regex;

    /// Whether the type of this name accepts a text.
    fn accepts(name: &str, text: &str) -> bool {
        match name {
            "service" => ServiceName::parse(text).is_ok(),
            "profile" => ProfileName::parse(text).is_ok(),
            "stage" | "from" | "to" | "confirm" => StageName::parse(text).is_ok(),
            "account" => AccountId::parse(text).is_ok(),
            "release" => ReleaseId::parse(text).is_ok(),
            "rollout" => RolloutId::parse(text).is_ok(),
            "set" => SetId::parse(text).is_ok(),
            _ => Digest::parse_hex(text).is_ok(),
        }
    }

    #[test]
    fn a_pattern_matches_what_its_type_accepts_and_nothing_else() {
        let at = Timestamp::UNIX_EPOCH;
        let mut samples = vec![
            String::new(),
            "orders".into(),
            "o".into(),
            "-orders".into(),
            "orders-".into(),
            "Orders".into(),
            "1orders".into(),
            "or.ders".into(),
            "111122223333".into(),
            "11112222333".into(),
            "rel_8ZZZZZZZZZZZZZZZZZZZZZZZZZ".into(),
            "rlo_0000000000000000000000000I".into(),
            "rlo_0".into(),
            "set_01k9z3m4000000000000000000".into(),
            ReleaseId::derive(at, &["x"]).to_string(),
            RolloutId::derive(at, &["x"]).to_string(),
            SetId::derive(at, &["x"]).to_string(),
            Digest::of(b"x").to_string(),
            Digest::of(b"x").to_string().to_uppercase(),
        ];
        samples.extend((46..=66).map(|length| "a".repeat(length)));
        for (name, _, pattern) in NAMES.iter().filter(|(name, ..)| *name != "because") {
            let pattern = Regex::new(pattern).expect("a pattern");
            let accepted = samples.iter().filter(|text| accepts(name, text)).count();
            assert!(accepted > 0 && accepted < samples.len(), "{name}: the samples decide nothing");
            for text in &samples {
                assert_eq!(pattern.is_match(text), accepts(name, text), "{name}: {text:?}");
            }
        }
    }
}
