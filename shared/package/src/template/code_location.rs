//! Where a template takes code from, and where it shall take it from.

use flotilla_domain::package::{ASSETS_BUCKET_PARAMETER, asset_key};
use flotilla_domain::{Code, Digest, Refusal};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A resource that runs or holds a file of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeUse {
    /// The resource's logical id.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// The property that names the code.
    property: &'static str,
    /// The file in the package.
    pub file: String,
}

impl CodeUse {
    /// Whether it is a Lambda function, whose code can be read back.
    pub fn is_function(&self) -> bool {
        self.resource_type == "AWS::Lambda::Function"
    }
}

/// The property that holds the code of a type of resource.
fn code_property(resource_type: &str) -> Option<&'static str> {
    match resource_type {
        "AWS::Lambda::Function" => Some("Code"),
        "AWS::Lambda::LayerVersion" => Some("Content"),
        _ => None,
    }
}

/// Finds all code that a template takes from files. `file_of` reads one code property: the file it
/// means, `None` for inline code, or why it cannot be had.
///
/// # Errors
/// What `file_of` refuses, with the place.
pub fn take_code_locations(
    template: &Value,
    mut file_of: impl FnMut(&Value) -> Result<Option<String>, Refusal>,
) -> Result<Vec<CodeUse>, Refusal> {
    let mut uses = Vec::new();
    for (id, resource) in template.get("Resources").and_then(Value::as_object).into_iter().flatten() {
        let resource_type = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        let Some(property) = code_property(resource_type) else { continue };
        let path = format!("Resources.{id}.Properties.{property}");
        let Some(code) = resource.get("Properties").and_then(|p| p.get(property)) else {
            let what = format!("{id} is a {resource_type} without {property}");
            return Err(Refusal::new(Code::TemplateInvalid, what, "give the function its code").at(path));
        };
        if code.get("ImageUri").is_some() {
            let what =
                format!("{id} runs a container image; images are not in the package and cannot be proven");
            return Err(
                Refusal::new(Code::CodeOutsidePackage, what, "package the function as a zip").at(path)
            );
        }
        if let Some(file) = file_of(code).map_err(|refusal| refusal.at(path))? {
            uses.push(CodeUse {
                logical_id: id.clone(),
                resource_type: resource_type.into(),
                property,
                file,
            });
        }
    }
    Ok(uses)
}

/// Points every use to its asset: bucket by parameter, key by digest.
pub fn point_to_assets(
    template: &mut Value,
    uses: &[CodeUse],
    digests: &BTreeMap<String, Digest>,
) -> BTreeSet<Digest> {
    let mut used = BTreeSet::new();
    for code_use in uses {
        let Some(digest) = digests.get(&code_use.file) else { continue };
        let location = json!({"S3Bucket": {"Ref": ASSETS_BUCKET_PARAMETER}, "S3Key": asset_key(digest)});
        if let Some(code) = template
            .get_mut("Resources")
            .and_then(|r| r.get_mut(&code_use.logical_id))
            .and_then(|r| r.get_mut("Properties"))
            .and_then(|p| p.get_mut(code_use.property))
        {
            *code = location;
            used.insert(*digest);
        }
    }
    used
}
