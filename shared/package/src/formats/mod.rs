//! The formats of packaging tools, one adapter each, and the draft that all of them become.

mod cdk;
mod checks;
mod cloudformation;
mod code_places;
mod draft;
mod external;
mod images;
mod local_paths;
mod native;
mod path_table;
mod serverless;
mod source;
mod stage_templates;

pub use code_places::ExternalPolicy;
pub use draft::{Draft, DraftStack, Finished};
pub use native::manifest_of;
pub use source::{Proof, Source};

use crate::listing::Listing;
use crate::template::{self, MadeFor};
use crate::{Limits, image, zip_file};
use flotilla_domain::config::external_image::ExternalImage;
use flotilla_domain::release::package::{PackageFormat, Warning};
use flotilla_domain::{Code, Refusal};
use serde_json::Value;
use std::collections::BTreeMap;

/// A package of a known format whose small files have not been read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// The format that the file names suggest. [`Draft::format`] is definite.
    pub format: PackageFormat,
    /// The folder of the package: empty, or ending with a slash.
    pub folder: String,
    /// The manifest's name in that folder.
    manifest: &'static str,
}

/// The folder, the manifest and the format that they identify. Earlier entries take precedence: SAM builds
/// `.aws-sam/build` from the project's own `template.yaml`.
const KNOWN: [(&str, &str, PackageFormat); 9] = [
    ("", native::MANIFEST, PackageFormat::Native),
    ("", serverless::MANIFEST, PackageFormat::Serverless),
    (".serverless/", serverless::MANIFEST, PackageFormat::Serverless),
    ("", cdk::MANIFEST, PackageFormat::Cdk),
    ("cdk.out/", cdk::MANIFEST, PackageFormat::Cdk),
    (".aws-sam/build/", "template.yaml", PackageFormat::Sam),
    ("", "template.yaml", PackageFormat::Cloudformation),
    ("", "template.yml", PackageFormat::Cloudformation),
    ("", "template.json", PackageFormat::Cloudformation),
];

/// Recognises a package by its manifest: at the top of `folder`, in the only folder there, or where a tool writes it in a
/// project. `folder` is empty for the whole listing, or ends with a slash.
///
/// # Errors
/// [`Code::FormatUnknown`] if there is no known manifest, [`Code::AssetMissing`] if it is behind a symbolic link that is not followed.
pub fn recognise(listing: &Listing, folder: &str) -> Result<Recognised, Refusal> {
    // What macOS adds beside a folder.
    let is_real = |name: &&str| !name.starts_with("__MACOSX/") && *name != ".DS_Store";
    let names = listing.folder(folder).map(|(name, _)| &name[folder.len()..]).filter(is_real);
    let mut tops = names.map(|name| name.split_once('/').map(|(top, _)| top));
    let first = tops.next().flatten();
    let only = first.filter(|first| tops.all(|top| top == Some(first)));
    let bases = std::iter::once(folder.to_owned()).chain(only.map(|only| format!("{folder}{only}/")));
    for base in bases.clone() {
        for (below, manifest, format) in KNOWN {
            let folder = format!("{base}{below}");
            // Other tools write a manifest.json too; only CDK writes the file `cdk.out` beside it.
            let marked = manifest != cdk::MANIFEST || listing.has(&format!("{folder}{}", cdk::MARKER));
            if marked && listing.has(&format!("{folder}{manifest}")) {
                return Ok(Recognised { format, folder, manifest });
            }
        }
    }
    for base in bases {
        KNOWN
            .iter()
            .try_for_each(|(below, manifest, _)| listing.check_link(&format!("{base}{below}{manifest}")))?;
    }
    Err(Refusal::new(
        Code::FormatUnknown,
        "there is no serverless-state.json, manifest.json, template.yaml, template.json or flotilla.json at the top of the package",
        "zip what the tool writes: .serverless (osls, serverless), cdk.out (cdk synth), the project with .aws-sam/build (sam build), or a folder with a template.yaml",
    ))
}

/// The contents of a package's small files, by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The result of drafting from the available files.
#[derive(Debug)]
pub enum DraftStep {
    /// The draft.
    Done(Box<Draft>),
    /// This file is needed too. It may be in an archive of container images: see [`image::in_archive`].
    Need(String),
    /// The manifest of an image in a repository of somebody else is needed too, as [`Files`] has it under [`manifest_name`].
    NeedManifest(ExternalImage),
}

/// The name that the manifest of an image in a repository of somebody else has among the files. No file of a package has a name with `//`.
pub fn manifest_name(image: &ExternalImage) -> String {
    format!("oci://{image}")
}

/// Why there is no draft: a file is needed, or the package is refused.
#[derive(Debug)]
enum Stop {
    Need(String),
    NeedManifest(ExternalImage),
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The files that an adapter reads.
struct Folder<'a> {
    listing: &'a Listing,
    files: &'a Files,
    limits: &'a Limits,
    external: &'a ExternalPolicy,
}

impl Folder<'_> {
    /// Returns a small file by its full name, or asks for it.
    fn read(&self, name: &str) -> Result<&[u8], Stop> {
        if let Some(bytes) = self.files.get(name) {
            return Ok(bytes);
        }
        if image::is_in_archive(self.listing, name) {
            return Err(Stop::Need(name.to_owned()));
        }
        let Some(info) = self.listing.files.get(name) else {
            let what = format!("{name} is not in the package");
            return Err(Refusal::new(Code::AssetMissing, what, "zip the whole package folder")
                .at(name)
                .into());
        };
        if info.bytes > self.limits.manifest_bytes_max {
            let over = zip_file::over("manifest_bytes_max", self.limits.manifest_bytes_max, info.bytes);
            return Err(over.at(name).into());
        }
        self.check_room(info.bytes).map_err(|refusal| refusal.at(name))?;
        Err(Stop::Need(name.to_owned()))
    }

    /// Checks that one more file of this size may be read into memory.
    fn check_room(&self, bytes: u64) -> Result<(), Refusal> {
        let read = self.files.values().map(|bytes| bytes.len() as u64).sum::<u64>() + bytes;
        if read > self.limits.manifests_bytes_max {
            return Err(zip_file::over("manifests_bytes_max", self.limits.manifests_bytes_max, read));
        }
        if self.files.len() >= self.limits.manifests_max {
            let (max, count) = (self.limits.manifests_max as u64, self.files.len() as u64);
            return Err(zip_file::over("manifests_max", max, count));
        }
        Ok(())
    }

    /// Returns the manifest of an image in a repository of somebody else, or asks for it.
    fn manifest(&self, image: &ExternalImage) -> Result<&[u8], Stop> {
        if let Some(bytes) = self.files.get(&manifest_name(image)) {
            return Ok(bytes);
        }
        self.check_room(image::MANIFEST_BYTES_MAX as u64).map_err(|refusal| refusal.at(image.to_string()))?;
        Err(Stop::NeedManifest(image.clone()))
    }

    /// Asks for a file that will be needed. The draft is built from the start for each new file, so an adapter asks for
    /// missing files before it builds anything. Other errors of the file are reported where it is used.
    fn ask_for(&self, name: &str) -> Result<(), Stop> {
        match self.read(name) {
            Ok(_) | Err(Stop::Refused(_)) => Ok(()),
            Err(needed) => Err(needed),
        }
    }

    /// Reads a template by its file's full name.
    fn template(&self, name: &str) -> Result<Value, Stop> {
        Ok(template::read(self.read(name)?, name, self.limits)?)
    }
}

impl Recognised {
    /// Creates the draft from the available small files, or names the next one that is needed.
    ///
    /// # Errors
    /// A refusal with a code of the 02xx group and a place.
    pub fn draft(&self, listing: &Listing, files: &Files, limits: &Limits) -> Result<DraftStep, Refusal> {
        self.draft_with(listing, files, limits, &ExternalPolicy::default())
    }

    /// Like [`Recognised::draft`], with code of other buckets.
    ///
    /// # Errors
    /// Those of [`Recognised::draft`].
    pub fn draft_with(
        &self,
        listing: &Listing,
        files: &Files,
        limits: &Limits,
        external: &ExternalPolicy,
    ) -> Result<DraftStep, Refusal> {
        let folder = Folder { listing, files, limits, external };
        let manifest = format!("{}{}", self.folder, self.manifest);
        let draft = match self.format {
            PackageFormat::Serverless => serverless::draft(&folder, &self.folder),
            PackageFormat::Cdk => cdk::draft(&folder, &self.folder),
            PackageFormat::Sam | PackageFormat::Cloudformation => cloudformation::draft(&folder, &manifest),
            PackageFormat::Native => native::draft(&folder, &self.folder),
        };
        match draft.and_then(|draft| draft.check(listing, limits, external)) {
            Ok(draft) => Ok(DraftStep::Done(Box::new(draft))),
            Err(Stop::Need(name)) => Ok(DraftStep::Need(name)),
            Err(Stop::NeedManifest(image)) => Ok(DraftStep::NeedManifest(image)),
            Err(Stop::Refused(refusal)) => Err(refusal),
        }
    }
}

impl Draft {
    /// Neutralises a template of this draft, bounds its roles, and records the rewrites and warnings. `at` prefixes every path, for
    /// packages of several templates.
    fn neutralise(&mut self, template: &mut Value, made_for: &MadeFor, at: &str) -> Result<(), Refusal> {
        let placed = |path: String| if at.is_empty() { path } else { format!("{at}: {path}") };
        let found = template::neutralise(template, made_for).map_err(|refusal| {
            let path = refusal.path.clone().map(placed);
            Refusal { path, ..refusal }
        })?;
        template::documents::restore_numbers(template);
        let roles = template::codedeploy::give_role(template);
        let bounded = template::roles::bound(template);
        self.warnings.extend(template::layers::outside(template).into_iter().map(|(path, layer)| Warning {
            code: Code::LayerOutsidePackage,
            path: placed(path),
            message: format!("the layer {layer} is not in the package: each region takes its own, and its bytes are not compared"),
        }));
        self.rewrites.extend(found.rewrites.into_iter().chain(roles).chain(bounded).map(|mut rewrite| {
            rewrite.path = placed(rewrite.path);
            rewrite
        }));
        self.warnings.extend(found.warnings.into_iter().map(|mut warning| {
            warning.path = placed(warning.path);
            warning
        }));
        Ok(())
    }
}
