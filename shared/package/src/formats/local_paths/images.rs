//! Container images of functions: in the package, in a registry, or only where they were built.

use super::place::Place;
use super::{Folder, Stop, Taker};
use crate::image::{self, INDEX, is_archive};
use crate::template::{asset_tokens, image_digest};
use flotilla_domain::release::package::{PARAMETER_PLACEHOLDER, Warning};
use flotilla_domain::{Code, Refusal};
use serde_json::{Map, Value};

/// Where images that are named as on the machine that built them are looked for, beside the template and at the top of the package.
const SAVED: [&str; 4] = ["images/", "images.tar", "images.tar.gz", "images.tgz"];

pub(super) fn is_image(function: &Map<String, Value>) -> bool {
    function.contains_key("ImageUri") || function.get("PackageType").is_some_and(|kind| kind == "Image")
}

impl Taker<'_, '_> {
    /// Points a function to the image of the package that it runs. `true` if the function runs an image, wherever that is.
    pub(super) fn is_image_taken(
        &mut self,
        owner: &mut Map<String, Value>,
        name: &str,
        place: &Place<'_>,
    ) -> Result<bool, Stop> {
        // SAM names the image beside the code.
        let owner_path = place.path.strip_suffix("CodeUri").filter(|_| name == "CodeUri");
        let beside = owner_path.map(|path| Place { path: format!("{path}ImageUri"), ..*place });
        let place = beside.as_ref().unwrap_or(place);
        let uri = match owner.get(name) {
            // SAM ignores the code of a function that runs an image ("AWS::Serverless::Function", PackageType).
            Some(_) if name == "CodeUri" && owner.get("PackageType").is_some_and(|kind| kind == "Image") => {
                owner.remove(name);
                owner.get_mut("ImageUri")
            }
            Some(code) => match code.get("ImageUri") {
                Some(_) => owner.get_mut(name).and_then(|code| code.get_mut("ImageUri")),
                None => return Ok(false),
            },
            None if is_image(owner) => owner.get_mut("ImageUri"),
            None => return Ok(false),
        };
        let Some(uri) = uri else {
            let fix =
                "name the image in ImageUri: sam build does, for a function with Metadata of a Dockerfile";
            let what = "the function has no ImageUri";
            return Err(Refusal::new(Code::CodeOutsidePackage, what, fix).at(place.shown()).into());
        };
        let local = literal(uri).filter(|text| is_outside_of_ecr(text));
        match local {
            Some(local) => *uri = asset_tokens::image_uri(self.local_image(&local, place)?),
            None if asset_tokens::has_token(uri) => {}
            None => {
                let warning = outside_warning(&place.shown(), Some(uri));
                self.warn(warning);
            }
        }
        Ok(true)
    }

    /// The image at a path, or of a name that it has where it was built.
    fn local_image(&mut self, local: &str, place: &Place<'_>) -> Result<usize, Stop> {
        if let Ok(layout) = self.folder.listing.resolve(place.base(), local)
            && is_layout(self.folder, &layout)
        {
            return self.draft.image(self.folder, &layout, None);
        }
        let base = place.base();
        let base = if base.is_empty() { String::new() } else { format!("{base}/") };
        let bases = [base.as_str(), ""];
        let mut saved = bases.iter().flat_map(|base| SAVED.iter().map(move |name| format!("{base}{name}")));
        if let Some(layout) = saved.find(|layout| is_layout(self.folder, layout)) {
            let image = self.draft.image(self.folder, &layout, Some(local));
            return image.map_err(|stop| match stop {
                Stop::Refused(refusal) => Stop::Refused(refusal.at(place.shown())),
                needed => needed,
            });
        }
        Err(not_in_ecr(local, &base).at(place.shown()).into())
    }
}

/// The refusal of an image that Lambda cannot pull. `base` is the folder in which saved images are looked for.
pub(crate) fn not_in_ecr(uri: &str, base: &str) -> Refusal {
    let shown: String = uri.chars().take(200).collect();
    if shown.trim().is_empty() {
        return Refusal::new(Code::CodeOutsidePackage, "ImageUri is empty", "name the image of the function");
    }
    let is_path = image::is_archive(&shown) || shown.starts_with(['.', '/']);
    // A name without a registry has no dot before its first slash.
    let registry = shown.split_once('/').map(|(host, _)| host).filter(|host| host.contains(['.', ':']));
    let what = match registry {
        _ if is_path => format!(
            "{shown} is not a container image in the package: an archive, or a folder with an OCI image layout"
        ),
        Some(host) => format!(
            "the image {shown} is in {host}, and Lambda runs images of private registries of Amazon ECR"
        ),
        None => format!("the image {shown} exists only on the machine that built it"),
    };
    let name = if is_path { "NAME" } else { &shown };
    let fix = format!(
        "save all images that the template names, then pack with flotilla: docker save {name} -o {base}images.tar; or push the image to ECR and name it by digest"
    );
    Refusal::new(Code::CodeOutsidePackage, what, fix)
}

/// Whether a URI names no registry of ECR. Lambda runs images of ECR only (AWS Lambda Developer Guide, "Create a Lambda function using a
/// container image"). One that is known only during the deployment counts as one of ECR.
pub(crate) fn is_outside_of_ecr(uri: &str) -> bool {
    !["{{resolve:", PARAMETER_PLACEHOLDER, ".dkr.ecr.", ".dkr-ecr."].iter().any(|mark| uri.contains(mark))
}

/// A text that is written as one, or joined from texts alone.
fn literal(uri: &Value) -> Option<String> {
    if let Some(parts) = uri.get("Fn::Join").and_then(Value::as_array) {
        let (delimiter, texts) = (parts.first()?.as_str()?, parts.get(1)?.as_array()?);
        return Some(texts.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(delimiter));
    }
    uri.as_str().map(ToOwned::to_owned)
}

fn is_layout(folder: &Folder<'_>, name: &str) -> bool {
    match name.ends_with('/') {
        true => folder.listing.has(&format!("{name}{INDEX}")),
        false => is_archive(name) && folder.listing.has(name),
    }
}

/// The warning about a function whose container image is not in the package.
pub(crate) fn outside_warning(path: &str, uri: Option<&Value>) -> Warning {
    let message = match uri.and_then(image_digest) {
        Some(_) => {
            "a container image is not in the package: name its repository in external_images of the service, or have it in the registry of each account and region before the rollout; what runs is compared with its digest"
        }
        None => {
            "a container image is not in the package, and its digest is not in the template, so what runs is not proven: name it by digest (@sha256:…), and its repository in external_images of the service; or have it in the registry of each account and region before the rollout"
        }
    };
    Warning { code: Code::ImageOutsidePackage, path: path.to_owned(), message: message.into() }
}
