//! CloudFormation templates: reading, checking and neutralising them, and what they need for a deployment.

pub mod aliases;
pub mod asset_tokens;
pub mod codedeploy;
pub mod documents;
mod globals;
mod images;
mod joined;
mod keep;
pub mod layers;
mod literals;
mod loops;
mod name_lengths;
mod needs;
mod own_tags;
mod pins;
mod placeholders;
pub mod rest_deployment;
pub mod roles;
mod sam;
pub mod stage_ids;

pub use globals::same_names;
pub use images::{image_digest, is_in_repository};
pub use literals::{MadeFor, Neutralised, neutralise};
pub use name_lengths::long_names;
pub use needs::{Needs, needs};
pub use sam::resources_made;

use crate::json::parse_strict;
use crate::text::{OCCURS_TWICE, is_utf16};
use crate::{Limits, yaml};
use flotilla_domain::code::TEXT_BYTES_MAX;
use flotilla_domain::release::package::{ASSETS_BUCKET_PARAMETER, GIVEN_PREFIX};
use flotilla_domain::{Code, Refusal};
use serde_json::{Map, Value, json};

/// Parses a template, JSON or YAML, and checks its structure and CloudFormation's quotas.
///
/// # Errors
/// [`Code::TemplateInvalid`] or [`Code::LimitExceeded`], with the place.
pub fn read(bytes: &[u8], file: &str, limits: &Limits) -> Result<Value, Refusal> {
    let mut template = parse(bytes, file, limits)?;
    drop_empty_sections(&mut template);
    check(&template, file, limits)?;
    Ok(template)
}

/// Like [`read`], for a template that is already neutral and so may declare the parameters that Flotilla gives.
///
/// # Errors
/// Those of [`read`].
pub fn read_packed(bytes: &[u8], file: &str, limits: &Limits) -> Result<Value, Refusal> {
    let template = parse(bytes, file, limits)?;
    check_shape(&template, file, limits)?;
    Ok(template)
}

/// Parses a template or a part of one, JSON or YAML, without checking its structure.
///
/// # Errors
/// [`Code::TemplateInvalid`] or [`Code::LimitExceeded`], with the place.
pub fn parse(bytes: &[u8], file: &str, limits: &Limits) -> Result<Value, Refusal> {
    if bytes.len() as u64 > limits.template_bytes_max {
        return Err(over_size(bytes.len(), file, limits));
    }
    let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let value = if is_utf16(bytes) {
        Err(format!("{file} is UTF-16; save it as UTF-8"))
    } else if is_json {
        // As the AWS CLI and SAM do, which also read a YAML collection in braces. YAML's error names both lines of a key that occurs twice.
        parse_strict(bytes).or_else(|error| match yaml::parse_strict(bytes) {
            Err(e) if error.to_string().contains(OCCURS_TWICE) => {
                Err(format!("{file} is not valid JSON: {e}"))
            }
            read => read.map_err(|_| format!("{file} is not valid JSON: {error}")),
        })
    } else {
        yaml::parse_strict(bytes).map_err(|e| format!("{file} is not valid YAML: {e}"))
    };
    let checked = value.and_then(|value| check_text(&value).map(|()| value));
    checked.map_err(|what| {
        Refusal::new(
            Code::TemplateInvalid,
            what,
            "correct the file that the tool packages, there, and package again",
        )
        .at(file)
    })
}

/// Drops sections that are null: `Parameters:` with nothing but comments below says nothing, and `sam deploy` takes it.
pub fn drop_empty_sections(template: &mut Value) {
    if let Value::Object(sections) = template {
        sections.retain(|name, section| name == "Resources" || !section.is_null());
    }
}

/// The refusal of a template that is too large for CloudFormation.
pub fn over_size(bytes: usize, file: &str, limits: &Limits) -> Refusal {
    crate::zip_file::over("template_bytes_max", limits.template_bytes_max, bytes as u64).at(file)
}

/// Checks a template's structure and CloudFormation's quotas.
///
/// # Errors
/// Those of [`read`].
pub fn check(template: &Value, file: &str, limits: &Limits) -> Result<(), Refusal> {
    check_shape(template, file, limits)?;
    if template.pointer(&format!("/Parameters/{ASSETS_BUCKET_PARAMETER}")).is_some() {
        let what = format!("the template declares {ASSETS_BUCKET_PARAMETER}, which Flotilla declares itself");
        return Err(
            Refusal::new(Code::TemplateInvalid, what, "remove the parameter from the template").at(file)
        );
    }
    Ok(())
}

fn check_shape(template: &Value, file: &str, limits: &Limits) -> Result<(), Refusal> {
    let invalid = |what: String| {
        Refusal::new(
            Code::TemplateInvalid,
            what,
            "package a template as the CloudFormation User Guide describes it, \"Template anatomy\"",
        )
        .at(file)
    };
    let resources = section(template, "Resources").map_err(&invalid)?;
    if resources.is_empty() {
        return Err(invalid("the template has no Resources".into()));
    }
    loops::check(resources, template.get("Transform"))?;
    if let Some(made) = resources.keys().find(|id| id.starts_with("Fn::") && !loops::is_loop(id)) {
        let what =
            format!("{made} creates resources that are not in the template, so their code cannot be proven");
        let fix = "list the resources explicitly, or generate the template before packaging";
        return Err(Refusal::new(Code::TemplateUnsupported, what, fix).at(format!("Resources.{made}")));
    }
    for part in ["Resources", "Parameters"] {
        let named = section(template, part).map_err(&invalid)?;
        let bad = named
            .keys()
            .filter(|id| !loops::is_loop(id))
            .find(|id| id.is_empty() || id.len() > 255 || !id.bytes().all(|b| b.is_ascii_alphanumeric()));
        if let Some(bad) = bad {
            let shown: String = bad.chars().take(64).collect();
            return Err(invalid(format!(
                "{part}: {shown:?} is not a valid logical id (1 to 255 letters and digits)"
            )));
        }
    }
    own_tags::refuse(template)?;
    if let Some(way) = too_long(template, &mut Vec::new(), 0) {
        let what = "the path of a value is too long to be shown (more than 2,000 bytes)";
        return Err(Refusal::new(Code::TemplateInvalid, what, "use shorter names").at(way));
    }
    for (id, resource) in resources.iter().filter(|(id, _)| !loops::is_loop(id)) {
        if !resource.get("Type").is_some_and(Value::is_string) {
            return Err(invalid(format!("Resources.{id} has no Type")));
        }
    }
    // A transform sees the template before CloudFormation does, and may drop them.
    if let Some(path) = null_of(template).filter(|_| template.get("Transform").is_none()) {
        let what = format!("{path} is null, and CloudFormation accepts no null values");
        return Err(Refusal::new(Code::TemplateInvalid, what, "give it a value, or remove it").at(path));
    }
    let parameters = section(template, "Parameters").map_err(&invalid)?;
    let counts = [
        ("resources_max", limits.resources_max, resources.len()),
        ("parameters_max", limits.parameters_max - 1, parameters.len()),
        ("mappings_max", limits.mappings_max, section(template, "Mappings").map_err(&invalid)?.len()),
        ("outputs_max", limits.outputs_max, section(template, "Outputs").map_err(&invalid)?.len()),
        (
            "names_bytes_max",
            limits.names_bytes_max,
            resources.keys().chain(parameters.keys()).map(String::len).sum(),
        ),
    ];
    for (limit, max, found) in counts {
        if found > max {
            return Err(crate::zip_file::over(limit, max as u64, found as u64).at(file));
        }
    }
    Ok(())
}

/// The path of the first null that CloudFormation would refuse.
fn null_of(template: &Value) -> Option<String> {
    let entries = |section: &'static str| {
        let entries = template.get(section).and_then(Value::as_object).into_iter().flatten();
        entries.map(move |(id, entry)| (section, id, entry))
    };
    let mut all =
        ["Resources", "Outputs", "Conditions", "Mappings", "Parameters"].into_iter().flat_map(entries);
    all.find_map(|(section, id, entry)| {
        let way = match entry {
            Value::Object(attributes) => attributes
                .iter()
                .filter(|(attribute, _)| *attribute != "Metadata")
                .find_map(|(attribute, value)| null_in(value).map(|way| format!(".{attribute}{way}"))),
            other => null_in(other),
        };
        way.map(|way| format!("{section}.{id}{way}"))
    })
}

/// The path of the first null in a value, each part after a dot.
fn null_in(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| null_in(item).map(|way| format!(".{index}{way}"))),
        Value::Object(object) => {
            object.iter().find_map(|(key, value)| null_in(value).map(|way| format!(".{key}{way}")))
        }
        _ => None,
    }
}

/// Refuses texts with a NUL character, which [`asset_tokens`] uses.
fn check_text(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) if text.contains('\u{0}') => Err("a text contains a NUL character".into()),
        Value::Array(items) => items.iter().try_for_each(check_text),
        Value::Object(object) => object.values().try_for_each(check_text),
        _ => Ok(()),
    }
}

/// The path of the first value whose path has more bytes than a refusal shows. Every walk over a template builds such
/// paths, so their length must be bounded.
fn too_long<'t>(value: &'t Value, way: &mut Vec<&'t str>, bytes: usize) -> Option<String> {
    if bytes > TEXT_BYTES_MAX {
        return Some(way.join("."));
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| too_long(item, way, bytes)),
        Value::Object(object) => object.iter().find_map(|(key, value)| {
            way.push(key);
            let found = too_long(value, way, bytes + key.len() + 1);
            way.pop();
            found
        }),
        _ => None,
    }
}

/// A section of a template; empty if it is missing.
fn section<'t>(template: &'t Value, name: &str) -> Result<&'t Map<String, Value>, String> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match template.get(name) {
        None => Ok(&EMPTY),
        Some(Value::Object(section)) => Ok(section),
        Some(_) => Err(format!("{name} is not an object")),
    }
}

/// Whether a template, or a part of one, refers to a parameter.
pub fn mentions(value: &Value, parameter: &str) -> bool {
    match value {
        Value::String(text) => text == parameter || text.contains(&format!("${{{parameter}}}")),
        Value::Array(items) => items.iter().any(|item| mentions(item, parameter)),
        Value::Object(object) => object.values().any(|value| mentions(value, parameter)),
        _ => false,
    }
}

/// Whether a template uses the region's artifact bucket, or declares that it will.
pub fn uses_assets_bucket(template: &Value) -> bool {
    let is_declared =
        template.get("Parameters").is_some_and(|all| all.get(ASSETS_BUCKET_PARAMETER).is_some());
    is_declared || mentions(template, ASSETS_BUCKET_PARAMETER)
}

/// Removes the declarations of parameters whose values Flotilla gives, and to which nothing refers any more.
pub fn undeclare_unused(template: &mut Value) {
    let declared = template.get("Parameters").and_then(Value::as_object).into_iter().flatten();
    let given: Vec<String> =
        declared.map(|(name, _)| name.clone()).filter(|name| name.starts_with(GIVEN_PREFIX)).collect();
    for name in given.iter().filter(|name| !mentions(template, name)).collect::<Vec<_>>() {
        undeclare(template, name);
    }
}

/// Removes the declaration of a parameter.
pub fn undeclare(template: &mut Value, parameter: &str) {
    let Some(Value::Object(parameters)) = template.get_mut("Parameters") else { return };
    parameters.remove(parameter);
    if parameters.is_empty() {
        template.as_object_mut().map(|template| template.remove("Parameters"));
    }
}

/// Declares a parameter whose value Flotilla gives.
pub fn declare(template: &mut Value, parameter: &str, declaration: Value) {
    let parameters = template.as_object_mut().map(|t| t.entry("Parameters").or_insert_with(|| json!({})));
    if let Some(Value::Object(parameters)) = parameters {
        parameters.insert(parameter.into(), declaration);
    }
}

/// Declares the parameter that names the region's artifact bucket.
pub fn declare_assets_bucket(template: &mut Value) {
    let description = "The artifact bucket of this region; given by Flotilla.";
    declare(template, ASSETS_BUCKET_PARAMETER, json!({"Type": "String", "Description": description}));
}
