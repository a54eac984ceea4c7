//! CloudFormation templates: what they need, and how they become the same for every region and bucket.

mod code_location;
mod needs;
mod region;

pub use code_location::{CodeUse, point_to_assets, take_code_locations};
pub use needs::{Needs, needs};
pub use region::neutralise_region;

use crate::Limits;
use crate::json::parse_strict;
use flotilla_domain::package::ASSETS_BUCKET_PARAMETER;
use flotilla_domain::{Code, Refusal};
use serde_json::{Map, Value, json};

/// Reads a template and checks its shape and CloudFormation's quotas.
///
/// # Errors
/// [`Code::TemplateInvalid`] or [`Code::LimitExceeded`], with the place.
pub fn read(bytes: &[u8], file: &str, limits: &Limits) -> Result<Value, Refusal> {
    let invalid = |what: String| Refusal::new(Code::TemplateInvalid, what, "fix the template").at(file);
    if bytes.len() as u64 > limits.template_bytes_max {
        return Err(crate::zip_file::over(
            "template_bytes_max",
            limits.template_bytes_max,
            bytes.len() as u64,
        )
        .at(file));
    }
    let template = parse_strict(bytes).map_err(|e| invalid(format!("{file} is not valid JSON: {e}")))?;
    let resources = section(&template, "Resources").map_err(&invalid)?;
    if resources.is_empty() {
        return Err(invalid("the template has no Resources".into()));
    }
    for part in ["Resources", "Parameters"] {
        let named = section(&template, part).map_err(&invalid)?;
        let bad = named
            .keys()
            .find(|id| id.is_empty() || id.len() > 255 || !id.bytes().all(|b| b.is_ascii_alphanumeric()));
        if let Some(bad) = bad {
            let shown: String = bad.chars().take(64).collect();
            return Err(invalid(format!("{part}: {shown:?} is no logical id (1 to 255 letters and digits)")));
        }
    }
    for (id, resource) in resources {
        if !resource.get("Type").is_some_and(Value::is_string) {
            return Err(invalid(format!("Resources.{id} has no Type")));
        }
    }
    let parameters = section(&template, "Parameters").map_err(&invalid)?;
    let counts = [
        ("resources_max", limits.resources_max, resources.len()),
        ("parameters_max", limits.parameters_max - 1, parameters.len()),
        ("outputs_max", limits.outputs_max, section(&template, "Outputs").map_err(&invalid)?.len()),
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
    if template.pointer(&format!("/Parameters/{ASSETS_BUCKET_PARAMETER}")).is_some() {
        return Err(invalid(format!(
            "the template declares {ASSETS_BUCKET_PARAMETER}, which Flotilla gives itself"
        )));
    }
    Ok(template)
}

/// A section of a template, empty if it is left out.
fn section<'t>(template: &'t Value, name: &str) -> Result<&'t Map<String, Value>, String> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match template.get(name) {
        None => Ok(&EMPTY),
        Some(Value::Object(section)) => Ok(section),
        Some(_) => Err(format!("{name} is not an object")),
    }
}

/// Declares the parameter that names the region's artifact bucket.
pub fn declare_assets_bucket(template: &mut Value) {
    let parameters = template.as_object_mut().map(|t| t.entry("Parameters").or_insert_with(|| json!({})));
    if let Some(Value::Object(parameters)) = parameters {
        let declaration = json!({"Type": "String", "Description": "The artifact bucket of this region; given by Flotilla."});
        parameters.insert(ASSETS_BUCKET_PARAMETER.into(), declaration);
    }
}
