//! Flotilla's own format: a `flotilla.json` that names a template with local code paths.
//!
//! ```json
//! { "flotilla": 1, "template": "template.json" }
//! ```
//!
//! In the template a function's `Code` and a layer's `Content` are the path of a zip in the package, as
//! `aws cloudformation package` reads them too.

use super::{Draft, DraftStep, Files, file, find};
use crate::Limits;
use crate::json::parse_strict;
use crate::template;
use crate::zip_file::Directory;
use flotilla_domain::package::PackageFormat;
use flotilla_domain::{Code, Refusal, StageName};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The manifest's name.
pub const MANIFEST: &str = "flotilla.json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The version of this format: 1.
    flotilla: u32,
    /// The template's path.
    template: String,
    /// The one stage whose names are baked in, if so.
    stage: Option<String>,
}

/// Makes the draft, once the template is among the files.
pub fn draft(
    directory: &Directory,
    folder: &str,
    files: &Files,
    limits: &Limits,
) -> Result<DraftStep, Refusal> {
    let manifest = manifest(file(files, MANIFEST))?;
    let name = manifest.template;
    find(directory, folder, &name)?;
    let Some(bytes) = files.get(&name) else { return Ok(DraftStep::Need(name)) };
    let template = template::read(bytes, &name, limits)?;
    let uses = template::take_code_locations(&template, code_file)?;
    let mut entries = BTreeMap::new();
    for code_use in &uses {
        entries.insert(code_use.file.clone(), find(directory, folder, &code_use.file)?.name.clone());
    }
    if entries.len() > limits.assets_max {
        return Err(crate::zip_file::over("assets_max", limits.assets_max as u64, entries.len() as u64));
    }
    let made_for =
        manifest.stage.as_deref().map(StageName::parse).transpose().map_err(|e| invalid(e.to_string()))?;
    Ok(DraftStep::Done(Box::new(Draft {
        format: PackageFormat::Native,
        template,
        uses,
        key_literals: BTreeMap::new(),
        made_for,
        warnings: Vec::new(),
        entries,
    })))
}

fn manifest(bytes: &[u8]) -> Result<Manifest, Refusal> {
    let value = parse_strict(bytes).map_err(|e| invalid(e.to_string()))?;
    let manifest: Manifest = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
    if manifest.flotilla != 1 {
        return Err(invalid(format!("version {} of the format is not known", manifest.flotilla)));
    }
    Ok(manifest)
}

fn invalid(what: String) -> Refusal {
    let fix = r#"write {"flotilla": 1, "template": "template.json"}; "stage" is the only other field"#;
    Refusal::new(Code::ManifestInvalid, format!("flotilla.json: {what}"), fix).at(MANIFEST)
}

/// A path is a file of the package; inline code is none; any other place is outside.
fn code_file(code: &Value) -> Result<Option<String>, Refusal> {
    match code {
        Value::String(path) if path.ends_with(".zip") => Ok(Some(path.trim_start_matches("./").to_owned())),
        Value::String(path) => Err(Refusal::new(
            Code::TemplateUnsupported,
            format!("{path:?} is not a zip"),
            "zip the code into a file of the package and name that",
        )),
        code if code.get("ZipFile").is_some() => Ok(None),
        _ => Err(Refusal::new(
            Code::CodeOutsidePackage,
            "the code is taken from a bucket that is not the package's",
            "put the zip into the package and name its path",
        )),
    }
}
