//! Takes code of functions and layers from buckets that are not Flotilla's into the package.

use super::code_places::{CODE, ExternalPolicy, has_kept, location};
use super::{Draft, Folder, Source};
use crate::template::{asset_tokens, declare_assets_bucket};
use flotilla_domain::config::external_code::ExternalCode;
use flotilla_domain::release::package::Rewrite;
use serde_json::Value;

/// Makes the listed code of a template a part of the package, or prepares the template for that. `at` prefixes the paths of what is rewritten.
pub(super) fn take(folder: &Folder<'_>, draft: &mut Draft, template: &mut Value, at: &str) {
    let ExternalPolicy::Listed(listed) = folder.external else {
        // A nested template gets the bucket from the outer one, which whoever takes this code from the list cannot change any more.
        if has_kept(folder.external, template) {
            declare_assets_bucket(template);
        }
        return;
    };
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
