//! Adapter for templates with local paths: SAM's build folder (`.aws-sam/build/`) and plain CloudFormation.

use super::{Draft, DraftStack, Folder, Stop, local_paths};
use flotilla_domain::release::package::PackageFormat;
use serde_json::Value;

/// The prefix of SAM's transform; a date follows, which may change with newer versions.
const SERVERLESS: &str = "AWS::Serverless-";

/// Creates the draft of the template in the file `manifest`.
///
/// A SAM template is not expanded here: CloudFormation expands it in every region. SAM derives the ids of versions and
/// layers from the location of their code. Flotilla derives the location from the content, so the ids change exactly
/// when the code does.
pub fn draft(folder: &Folder<'_>, manifest: &str) -> Result<Draft, Stop> {
    let mut draft = Draft::new(PackageFormat::Cloudformation);
    let template = local_paths::take(folder, &mut draft, manifest, "")?;
    if is_sam(&template) {
        draft.format = PackageFormat::Sam;
    }
    draft.stacks.push(DraftStack {
        part: None,
        after: Default::default(),
        template,
        tags: Default::default(),
    });
    Ok(draft)
}

/// Whether a template has SAM's transform: alone, or in a list.
fn is_sam(template: &Value) -> bool {
    let is = |transform: &Value| transform.as_str().is_some_and(|name| name.starts_with(SERVERLESS));
    match template.get("Transform") {
        Some(Value::Array(transforms)) => transforms.iter().any(is),
        Some(transform) => is(transform),
        None => false,
    }
}
