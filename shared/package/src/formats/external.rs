//! Code of functions and layers in buckets that are not Flotilla's.

use super::{Draft, Folder, Source};
use crate::template::asset_tokens;
use flotilla_domain::config::external_code::ExternalCode;
use flotilla_domain::release::package::Rewrite;
use serde_json::Value;

/// What becomes of such code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalPolicy {
    /// What is listed becomes a part of the package; other code is refused.
    Listed(Vec<ExternalCode>),
    /// It stays where it is, for a later reader that has the list.
    Kept,
}

impl Default for ExternalPolicy {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// A location in S3.
struct Location {
    bucket: String,
    key: String,
    version: Option<String>,
}

/// The types with code, and where it is.
pub(super) const CODE: [(&str, &str); 5] = [
    ("AWS::Lambda::Function", "Code"),
    ("AWS::Lambda::LayerVersion", "Content"),
    ("AWS::Serverless::Function", "CodeUri"),
    ("AWS::Serverless::WebFunction", "CodeUri"),
    ("AWS::Serverless::LayerVersion", "ContentUri"),
];

/// Makes the listed code of a template a part of the package. `at` prefixes the paths of what is rewritten.
pub(super) fn take(folder: &Folder<'_>, draft: &mut Draft, template: &mut Value, at: &str) {
    let ExternalPolicy::Listed(listed) = folder.external else { return };
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for (id, resource) in resources.into_iter().flatten().filter(|_| !listed.is_empty()) {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let Some((kind, property)) = CODE.into_iter().find(|(known, _)| *known == kind) else { continue };
        let Some(code) = resource.get_mut("Properties").and_then(|p| p.get_mut(property)) else { continue };
        let Some(at_s3) = location(code) else { continue };
        let meant =
            |known: &&ExternalCode| known.is_meant(&at_s3.bucket, &at_s3.key, at_s3.version.as_deref());
        let Some(known) = listed.iter().find(meant) else { continue };
        let source = draft.source(Source::External(known.clone()));
        draft.claims(source, known.digest);
        let path = format!("Resources.{id}.Properties.{property}");
        let path = if at.is_empty() { path } else { format!("{at}: {path}") };
        draft.rewrites.push(Rewrite {
            path,
            from: known.to_string(),
            to: format!("sha256:{}", known.digest),
        });
        *code = match kind {
            "AWS::Lambda::Function" | "AWS::Lambda::LayerVersion" => asset_tokens::s3_bucket_and_key(source),
            _ => asset_tokens::bucket_and_key(source),
        };
    }
}

/// Whether code stays in the bucket that it names.
pub(super) fn is_kept(folder: &Folder<'_>, code: &Value) -> bool {
    is_kept_by(folder.external, code)
}

/// The same, by the policy.
pub(super) fn is_kept_by(external: &ExternalPolicy, code: &Value) -> bool {
    *external == ExternalPolicy::Kept && location(code).is_some()
}

/// The location that code has in S3, if it can be told without deploying it.
fn location(code: &Value) -> Option<Location> {
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
