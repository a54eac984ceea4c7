//! The place of a local path in a template, and the file that it refers to.

use crate::formats::Folder;
use flotilla_domain::{Code, Refusal};
use serde_json::Value;

/// How deep templates may be nested. Flotilla's own bound.
pub(crate) const DEPTH_MAX: usize = 8;

pub(crate) fn too_deep(name: &str) -> Refusal {
    let what = format!("stacks are nested more than {DEPTH_MAX} deep, or contain themselves");
    Refusal::new(Code::TemplateUnsupported, what, "nest fewer stacks").at(name)
}

/// The place of a property.
pub(crate) struct Place<'p> {
    /// The file of the template.
    pub file: &'p str,
    /// The prefix of shown paths, as in [`super::take`].
    pub at: &'p str,
    /// The path in the template.
    pub path: String,
}

impl Place<'_> {
    /// The place as it is shown to users.
    pub fn shown(&self) -> String {
        placed(self.at, &self.path)
    }

    /// The folder that the template's paths are relative to.
    pub fn base(&self) -> &str {
        self.file.rsplit_once('/').map_or("", |(base, _)| base)
    }

    pub fn below(&self, key: &str) -> Self {
        Place { path: format!("{}.{key}", self.path), ..*self }
    }
}

/// A path, prefixed by `at` if there is one.
pub(crate) fn placed(at: &str, path: &str) -> String {
    if at.is_empty() { path.to_owned() } else { format!("{at}: {path}") }
}

/// The name of the file or folder at a path in a template.
pub(crate) fn resolve(folder: &Folder<'_>, local: &str, place: &Place<'_>) -> Result<String, Refusal> {
    folder.listing.resolve(place.base(), local).map_err(|mut refusal| {
        // `sam build` copies functions, but not all layers and definitions.
        if local.starts_with("../") || format!("/{}", place.file).contains("/.aws-sam/build/") {
            refusal.fix = "zip the whole project folder, so that the package contains .aws-sam/build and the files that its template names by ../../; pack any other folder with --root FOLDER, which contains both".into();
        }
        refusal.at(place.shown())
    })
}

/// The local path that a location holds; other locations are refused.
pub(crate) fn local_path<'v>(value: &'v Value, place: &Place<'_>) -> Result<&'v str, Refusal> {
    const FIX: &str = "upload what the template names by local paths: the build folder of sam build, or the template with its folders, not the output of sam package or aws cloudformation package; code of a vendor can be named in external_code of the service";
    let outside = |what: &str| {
        Refusal::new(Code::CodeOutsidePackage, format!("{} {what}", place.path), FIX).at(place.shown())
    };
    match value {
        Value::String(path) if path.starts_with("s3://") => {
            Err(outside("is already in S3 and not in the package"))
        }
        Value::String(path) if path.starts_with("http://") || path.starts_with("https://") => {
            Err(outside("is a URL and not in the package"))
        }
        Value::String(path) => Ok(path),
        Value::Object(object) if object.keys().any(|key| key == "Ref" || key.starts_with("Fn::")) => {
            Err(outside("is known only during the deployment, so its bytes cannot be proven"))
        }
        Value::Object(object) if ["S3Bucket", "Bucket"].iter().any(|key| object.contains_key(*key)) => {
            Err(outside("is already in S3 and not in the package"))
        }
        _ => Err(outside("is not a path")),
    }
}
