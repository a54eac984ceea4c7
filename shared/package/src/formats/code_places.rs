//! Where the code of functions and layers is: in the package, in the template, or in a registry of images. Anything else could not be proven.

use crate::template::{asset_tokens, image_digest, mentions};
use flotilla_domain::config::external_code::ExternalCode;
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::release::package::ASSETS_BUCKET_PARAMETER;
use flotilla_domain::{Code, Refusal};
use serde_json::Value;

/// What becomes of code in buckets, and of images in repositories, that are not Flotilla's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalPolicy {
    /// What is listed becomes a part of the package. Other code is refused; other images stay where they are.
    Listed {
        /// The code in buckets.
        code: Vec<ExternalCode>,
        /// The repositories of images.
        images: Vec<ImageRepository>,
    },
    /// It stays where it is, for a later reader that has the list.
    Kept,
}

impl Default for ExternalPolicy {
    fn default() -> Self {
        Self::Listed { code: Vec::new(), images: Vec::new() }
    }
}

/// The types with code, and where it is.
pub(super) const CODE: [(&str, &str); 5] = [
    ("AWS::Lambda::Function", "Code"),
    ("AWS::Lambda::LayerVersion", "Content"),
    ("AWS::Serverless::Function", "CodeUri"),
    ("AWS::Serverless::WebFunction", "CodeUri"),
    ("AWS::Serverless::LayerVersion", "ContentUri"),
];

/// The properties of a location in S3.
const LOCATION: [&str; 6] = ["S3Bucket", "S3Key", "S3ObjectVersion", "Bucket", "Key", "Version"];

/// A location in S3.
pub(super) struct Location {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

/// Checks the code of a template in which tokens stand for the package's files. `at` prefixes the places of refusals.
///
/// # Errors
/// [`Code::CodeOutsidePackage`] for any other form. CloudFormation leaves out what is `AWS::NoValue` and chooses by `Fn::If`, so a value is
/// accepted only as a whole.
pub(super) fn check(template: &Value, external: &ExternalPolicy, at: &str) -> Result<(), Refusal> {
    for (id, resource) in template.get("Resources").and_then(Value::as_object).into_iter().flatten() {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let Some((kind, property)) = CODE.into_iter().find(|(known, _)| *known == kind) else { continue };
        let properties = &resource["Properties"];
        let refuse = |property: &str, what: &str| {
            let path = format!("Resources.{id}.Properties.{property}");
            let path = if at.is_empty() { path } else { format!("{at}: {path}") };
            let fix = "name the code by a local path, or by the location that flotilla pack writes; code of a vendor can be named in external_code of the service";
            Err(Refusal::new(Code::CodeOutsidePackage, what, fix).at(path))
        };
        let code = &properties[property];
        let image = image_in(kind, property, properties).unwrap_or(&Value::Null);
        if !is_image_taken(image) {
            return refuse(
                image_property(kind, property),
                "the image is named in the repository of the package's images, and is not in the package",
            );
        }
        if !kind.starts_with("AWS::Lambda::") && !code.is_null() && !image.is_null() {
            return refuse(property, "the function has both a zip and a container image");
        }
        let is_object_of = |key: &str| {
            code.get(key).is_some() && !LOCATION.iter().any(|location| code.get(location).is_some())
        };
        let is_known = code.is_null()
            || is_own(code, kind)
            || is_object_of("ZipFile")
            || is_object_of("ImageUri")
            || is_kept(external, code);
        if !is_known {
            return refuse(property, "the code's location is not one of the package");
        }
    }
    Ok(())
}

/// The URI of the image that a function runs. SAM has it beside the code.
fn image_in<'v>(kind: &str, property: &str, properties: &'v Value) -> Option<&'v Value> {
    let owner = if kind.starts_with("AWS::Lambda::") { properties.get(property)? } else { properties };
    owner.get("ImageUri")
}

/// The property of a function that names its image: SAM has one beside the code.
pub(super) fn image_property<'p>(kind: &str, property: &'p str) -> &'p str {
    if kind.starts_with("AWS::Lambda::") { property } else { "ImageUri" }
}

/// [`image_in`], to change it.
pub(super) fn image_in_mut<'v>(
    kind: &str,
    property: &str,
    properties: &'v mut Value,
) -> Option<&'v mut Value> {
    let owner = if kind.starts_with("AWS::Lambda::") { properties.get_mut(property)? } else { properties };
    owner.get_mut("ImageUri")
}

/// Whether code is exactly the location of a file of the package.
fn is_own(code: &Value, kind: &str) -> bool {
    let Some(source) = asset_tokens::source_in(code) else { return false };
    *code
        == match kind {
            "AWS::Lambda::Function" | "AWS::Lambda::LayerVersion" => asset_tokens::s3_bucket_and_key(source),
            _ => asset_tokens::bucket_and_key(source),
        }
}

/// Whether an image is one of the package, or is in another repository than these.
fn is_image_taken(uri: &Value) -> bool {
    match asset_tokens::source_in(uri) {
        Some(source) => *uri == asset_tokens::image_uri(source),
        None => !mentions(uri, ASSETS_BUCKET_PARAMETER),
    }
}

/// Whether a template has code that stays in the bucket, or an image that stays in the repository, that it names, and that a later reader may
/// take from there.
pub(super) fn has_kept(external: &ExternalPolicy, template: &Value) -> bool {
    let mut resources =
        template.get("Resources").and_then(Value::as_object).into_iter().flatten().map(|(_, it)| it);
    resources.any(|resource| {
        let of_kind = CODE.into_iter().find(|(kind, _)| resource["Type"] == *kind);
        of_kind.is_some_and(|(kind, property)| {
            let properties = &resource["Properties"];
            let image = image_in(kind, property, properties).filter(|uri| !asset_tokens::has_token(uri));
            is_kept(external, &properties[property]) || image.and_then(image_digest).is_some()
        })
    })
}

/// Whether code stays in the bucket that it names.
pub(super) fn is_kept(external: &ExternalPolicy, code: &Value) -> bool {
    *external == ExternalPolicy::Kept && location(code).is_some()
}

/// The location that code has in S3, if it can be told without deploying it.
pub(super) fn location(code: &Value) -> Option<Location> {
    if let Value::String(uri) = code {
        let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
        return Some(Location { bucket: bucket.into(), key: key.into(), version: None });
    }
    let names = [["S3Bucket", "S3Key", "S3ObjectVersion"], ["Bucket", "Key", "Version"]];
    let [bucket, key, version] = names.into_iter().find(|[bucket, ..]| code.get(bucket).is_some())?;
    let version = match code.get(version) {
        Some(version) => Some(text(version)?),
        None => None,
    };
    Some(Location { bucket: text(code.get(bucket)?)?, key: text(code.get(key)?)?, version })
}

/// A text, alone or with the region in it.
fn text(value: &Value) -> Option<String> {
    const REGION: &str = "${AWS::Region}";
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(function) => match function.iter().next()? {
            (name, Value::String(text)) if name == "Fn::Sub" => {
                text.replace(REGION, ExternalCode::REGION_MARK)
            }
            (name, Value::Array(parts)) if name == "Fn::Join" && parts.first()? == "" => {
                let parts = parts.get(1)?.as_array()?.iter();
                parts
                    .map(|part| match part {
                        Value::String(text) => Some(text.as_str()),
                        part => (part["Ref"] == "AWS::Region").then_some(ExternalCode::REGION_MARK),
                    })
                    .collect::<Option<String>>()?
            }
            _ => return None,
        },
        _ => return None,
    };
    (!text.contains("${") && !text.contains('\u{0}')).then_some(text)
}
