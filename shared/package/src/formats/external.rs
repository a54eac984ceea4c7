//! Takes code of functions and layers from buckets, and images from repositories, that are not Flotilla's into the package.

use super::code_places::{CODE, ExternalPolicy, has_kept, image_in_mut, image_property, location};
use super::local_paths::placed;
use super::{Draft, Folder, Source, Stop};
use crate::template::{asset_tokens, declare_assets_bucket, image_digest, is_in_repository};
use flotilla_domain::Code;
use flotilla_domain::config::external_code::ExternalCode;
use flotilla_domain::config::external_image::{ExternalImage, ImageRepository};
use flotilla_domain::release::package::Rewrite;
use serde_json::Value;

/// Makes the listed code and images of a template a part of the package, or prepares the template for that. `at` prefixes the paths of what is
/// rewritten.
pub(super) fn take(
    folder: &Folder<'_>,
    draft: &mut Draft,
    template: &mut Value,
    at: &str,
) -> Result<(), Stop> {
    if let ExternalPolicy::Listed { code, images } = folder.external {
        take_listed(folder, draft, template, at, (code, images))?;
    }
    // A nested template gets the bucket from the outer one, which whoever takes the rest from a list cannot change any more.
    if has_kept(folder.external, template) {
        declare_assets_bucket(template);
    }
    Ok(())
}

fn take_listed(
    folder: &Folder<'_>,
    draft: &mut Draft,
    template: &mut Value,
    at: &str,
    (listed, images): (&[ExternalCode], &[ImageRepository]),
) -> Result<(), Stop> {
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for (id, resource) in resources.into_iter().flatten() {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let Some((kind, property)) = CODE.into_iter().find(|(known, _)| *known == kind) else { continue };
        let Some(properties) = resource.get_mut("Properties") else { continue };
        let path = |property: &str| placed(at, &format!("Resources.{id}.Properties.{property}"));
        if let Some(uri) = image_in_mut(kind, property, properties) {
            take_image(folder, draft, images, uri, path(image_property(kind, property)))?;
        } else if let Some(code) = properties.get_mut(property) {
            take_code(draft, listed, kind, code, path(property));
        }
    }
    Ok(())
}

fn take_code(draft: &mut Draft, listed: &[ExternalCode], kind: &str, code: &mut Value, path: String) {
    let Some(at_s3) = location(code) else { return };
    let meant = |known: &&ExternalCode| known.is_meant(&at_s3.bucket, &at_s3.key, at_s3.version.as_deref());
    let Some(known) = listed.iter().find(meant) else { return };
    let source = draft.source(Source::External(known.clone()));
    draft.claims(source, known.digest);
    draft.rewrites.push(Rewrite { path, from: known.to_string(), to: format!("sha256:{}", known.digest) });
    *code = match kind {
        "AWS::Lambda::Function" | "AWS::Lambda::LayerVersion" => asset_tokens::s3_bucket_and_key(source),
        _ => asset_tokens::bucket_and_key(source),
    };
}

fn take_image(
    folder: &Folder<'_>,
    draft: &mut Draft,
    listed: &[ImageRepository],
    uri: &mut Value,
    path: String,
) -> Result<(), Stop> {
    let Some(digest) = image_digest(uri).filter(|_| !asset_tokens::has_token(uri)) else { return Ok(()) };
    let Some(repository) = listed.iter().find(|listed| is_in_repository(uri, listed)) else { return Ok(()) };
    let image = ExternalImage { repository: repository.clone(), digest };
    *uri = asset_tokens::image_uri(draft.pulled_image(folder, &image)?);
    forget_warning(draft, &path);
    draft.rewrites.push(Rewrite { path, from: repository.to_string(), to: format!("sha256:{digest}") });
    Ok(())
}

/// What the path of something in a nested stack of a packed package begins with: its place is not known.
pub(super) const NESTED: &str = "a nested stack";

/// Removes the warning of whoever packed the template without the list.
fn forget_warning(draft: &mut Draft, path: &str) {
    let end = path.strip_prefix(NESTED);
    let is_its = |shown: &str| end.map_or(shown == path, |end| shown.ends_with(end));
    let mut warnings = draft.warnings.iter();
    let found =
        warnings.position(|warning| warning.code == Code::ImageOutsidePackage && is_its(&warning.path));
    found.map(|at| draft.warnings.remove(at));
}
