//! Neutral templates that still name files of the package; once the files are hashed, they name digests.

use super::Stop;
use super::checks::{check_sizes, check_versions};
use crate::json::canonical;
use crate::listing::Listing;
use crate::template::{self, asset_tokens};
use crate::{Limits, zip_file};
use flotilla_domain::release::package::{
    ASSETS_BUCKET_PARAMETER, Asset, AssetKind, Package, PackageFormat, PackagedStack, Rewrite, Warning,
};
use flotilla_domain::{Code, Digest, Refusal, StackPart, StageName};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where an asset's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A file of the package, as it is.
    File {
        /// Its name.
        name: String,
        /// What it becomes.
        kind: AssetKind,
    },
    /// The files below a folder, zipped: see [`crate::folder_zip`].
    Folder {
        /// The folder, with its slash at the end; empty for all files.
        folder: String,
    },
}

impl Source {
    /// What is shown of it.
    pub fn name(&self) -> &str {
        match self {
            Self::File { name, .. } => name,
            Self::Folder { folder } => folder,
        }
    }

    /// The asset it becomes.
    pub fn asset(&self, digest: Digest) -> Asset {
        Asset { kind: self.kind(), digest }
    }

    fn kind(&self) -> AssetKind {
        match self {
            Self::File { kind, .. } => *kind,
            Self::Folder { .. } => AssetKind::Zip,
        }
    }
}

/// What is known of a source once its bytes have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The digest of the asset: of the file, or of the zip that the folder became.
    pub digest: Digest,
    /// How many bytes it has.
    pub bytes: u64,
}

/// One stack of a package before its assets are hashed.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftStack {
    /// See [`PackagedStack::part`].
    pub part: Option<StackPart>,
    /// See [`PackagedStack::after`].
    pub after: BTreeSet<StackPart>,
    /// The template, with tokens where assets are named.
    pub template: Value,
    /// See [`PackagedStack::tags`].
    pub tags: BTreeMap<String, String>,
}

/// Something a template names that is to lie in the artifact bucket.
#[derive(Debug, Clone, PartialEq)]
enum Named {
    Source(Source),
    Nested(Value),
}

/// A package before its assets are hashed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What wrote the package.
    pub format: PackageFormat,
    /// What the tool calls the service, if it does. It is shown; what counts is the upload's key.
    pub service: Option<String>,
    /// Its stacks, in any order.
    pub stacks: Vec<DraftStack>,
    /// The stage whose names are baked in.
    pub made_for: Option<StageName>,
    /// What was replaced.
    pub rewrites: Vec<Rewrite>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    named: Vec<Named>,
    claims: BTreeMap<Source, Digest>,
}

/// A finished package and the bytes of its templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The package.
    pub package: Package,
    /// The canonical templates by their digests, those of nested stacks with them.
    pub templates: BTreeMap<Digest, Vec<u8>>,
}

impl Draft {
    /// A draft without stacks.
    pub fn new(format: PackageFormat) -> Self {
        Self {
            format,
            service: None,
            stacks: Vec::new(),
            made_for: None,
            rewrites: Vec::new(),
            warnings: Vec::new(),
            named: Vec::new(),
            claims: BTreeMap::new(),
        }
    }

    /// Notes a source and answers its number, for [`asset_tokens`]. The same one again has the same number.
    pub fn source(&mut self, source: Source) -> usize {
        self.number(Named::Source(source))
    }

    /// Notes the file or folder that a path means: a folder becomes a zip, a file what its ending says.
    ///
    /// # Errors
    /// See [`Listing::resolve`].
    pub fn path(&mut self, listing: &Listing, base: &str, path: &str) -> Result<usize, Refusal> {
        let name = listing.resolve(base, path)?;
        Ok(self.source(if name.ends_with('/') || name.is_empty() {
            Source::Folder { folder: name }
        } else {
            let packed = name.ends_with(".zip") || name.ends_with(".jar");
            Source::File { kind: if packed { AssetKind::Zip } else { AssetKind::File }, name }
        }))
    }

    /// Notes the finished draft of a nested stack's template. Those that are nested in it come first.
    pub fn nested(&mut self, template: Value) -> usize {
        self.number(Named::Nested(template))
    }

    fn number(&mut self, named: Named) -> usize {
        self.named.iter().position(|other| *other == named).unwrap_or_else(|| {
            self.named.push(named);
            self.named.len() - 1
        })
    }

    /// Notes by what digest the package itself names a source.
    pub(super) fn claims(&mut self, source: usize, digest: Digest) {
        if let Some(Named::Source(source)) = self.named.get(source) {
            self.claims.insert(source.clone(), digest);
        }
    }

    /// The digest by which the package itself names a source. Whoever has that content, proven, need not read
    /// the source.
    pub fn claim(&self, source: &Source) -> Option<Digest> {
        self.claims.get(source).copied()
    }

    /// The sources whose proofs [`Draft::finish`] needs.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.named.iter().filter_map(|named| match named {
            Named::Source(source) => Some(source),
            Named::Nested(_) => None,
        })
    }

    /// Checks what is known before anything is hashed: how many sources there are, and that each is there.
    pub(super) fn check(mut self, listing: &Listing, limits: &Limits) -> Result<Self, Stop> {
        // The order of an object's keys depends on how it was read.
        self.rewrites.sort();
        self.warnings.sort_by(|a, b| (&a.path, a.code).cmp(&(&b.path, b.code)));
        let sources = self.sources().count();
        if sources > limits.assets_max {
            return Err(zip_file::over("assets_max", limits.assets_max as u64, sources as u64).into());
        }
        let mut zipped_bytes = 0_u64;
        for source in self.sources() {
            match source {
                Source::File { name, .. } if !listing.has(name) => return Err(missing(name).into()),
                Source::File { .. } => {}
                // The same file may be in many folders that are zipped.
                Source::Folder { folder } => {
                    let files = listing.folder(folder).map(|(_, info)| info.bytes);
                    zipped_bytes = files.fold(zipped_bytes, u64::saturating_add);
                }
            }
        }
        if zipped_bytes > limits.unpacked_bytes_max {
            return Err(zip_file::over("unpacked_bytes_max", limits.unpacked_bytes_max, zipped_bytes).into());
        }
        Ok(self)
    }

    /// Finishes the package. `proofs` knows each source of [`Draft::sources`]. What was added to a template
    /// may have taken it over a limit.
    ///
    /// # Errors
    /// [`Code::AssetMissing`] for a missing proof; [`Code::ManifestInvalid`] when a template expects other
    /// bytes than the package holds; [`Code::StacksCircular`]; [`Code::LimitExceeded`].
    pub fn finish(self, proofs: &BTreeMap<Source, Proof>, limits: &Limits) -> Result<Finished, Refusal> {
        let mut known: Vec<Option<Asset>> = Vec::new();
        let mut assets = BTreeMap::new();
        let mut templates = BTreeMap::new();
        let mut capabilities = BTreeMap::new();
        for named in &self.named {
            let (asset, bytes) = match named {
                Named::Source(source) => {
                    let proof = proofs.get(source).ok_or_else(|| missing(source.name()))?;
                    (source.asset(proof.digest), proof.bytes)
                }
                Named::Nested(template) => {
                    let mut template = template.clone();
                    put_assets(&mut template, &known)?;
                    check_versions(&template)?;
                    let bytes = canonical(&template);
                    let asset = Asset { kind: AssetKind::Template, digest: Digest::of(&bytes) };
                    let needs = template::needs(&template, &capabilities);
                    capabilities.insert(asset.digest, needs.capabilities);
                    let length = bytes.len() as u64;
                    templates.insert(asset.digest, bytes);
                    (asset, length)
                }
            };
            known.push(Some(asset));
            assets.insert(asset, bytes);
        }
        let mut stacks = Vec::new();
        for draft in in_order(self.stacks)? {
            let mut template = draft.template;
            put_assets(&mut template, &known)?;
            check_versions(&template)?;
            template::declare_assets_bucket(&mut template);
            let mut needs = template::needs(&template, &capabilities);
            needs.parameters.remove(ASSETS_BUCKET_PARAMETER);
            let functions = asset_tokens::functions(&template);
            let bytes = canonical(&template);
            let digest = Digest::of(&bytes);
            templates.insert(digest, bytes);
            stacks.push(PackagedStack {
                part: draft.part,
                after: draft.after,
                template: digest,
                functions,
                capabilities: needs.capabilities,
                parameters: needs.parameters,
                tags: draft.tags,
            });
        }
        check_sizes(&stacks, &templates, limits)?;
        let package = Package {
            digest: Package::digest_of(&stacks, assets.keys()),
            format: self.format,
            stacks,
            assets,
            made_for: self.made_for,
            rewrites: self.rewrites,
            warnings: self.warnings,
        };
        Ok(Finished { package, templates })
    }
}

fn missing(name: &str) -> Refusal {
    let what = format!("{name} is not in the package");
    Refusal::new(Code::AssetMissing, what, "zip the whole package folder").at(name)
}

fn put_assets(template: &mut Value, known: &[Option<Asset>]) -> Result<(), Refusal> {
    asset_tokens::replace(template, &|source| known.get(source).copied().flatten()).map_err(|_| {
        let what = "a nested template contains itself";
        Refusal::new(Code::TemplateInvalid, what, "take the circle out of the nested stacks")
    })
}

/// Prepares a nested stack's template to be given what the outer one is given, and the resource that nests
/// it to hand that on. Answers what the outer template has to declare for it, beside the artifact bucket.
pub(super) fn hand_down(nested: &mut Value, properties: &mut Value) -> BTreeMap<String, Value> {
    let uses_bucket = mentions(nested, ASSETS_BUCKET_PARAMETER);
    let declared: BTreeMap<String, Value> = nested
        .get("Parameters")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with(flotilla_domain::release::package::GIVEN_PREFIX))
        .filter(|(name, _)| *name != ASSETS_BUCKET_PARAMETER)
        .map(|(name, declaration)| (name.clone(), declaration.clone()))
        .collect();
    let mut handed: Vec<String> = declared.keys().cloned().collect();
    if uses_bucket {
        template::declare_assets_bucket(nested);
        handed.push(ASSETS_BUCKET_PARAMETER.into());
    }
    if handed.is_empty() {
        return declared;
    }
    let given = properties.as_object_mut().map(|p| p.entry("Parameters").or_insert_with(|| json!({})));
    if let Some(Value::Object(given)) = given {
        for name in handed {
            // What the user gives it, it keeps.
            given.entry(name.clone()).or_insert_with(|| json!({"Ref": name}));
        }
    }
    declared
}

/// Whether a template refers to a parameter.
pub(super) fn mentions(value: &Value, parameter: &str) -> bool {
    match value {
        Value::String(text) => text == parameter || text.contains(&format!("${{{parameter}}}")),
        Value::Array(items) => items.iter().any(|item| mentions(item, parameter)),
        Value::Object(object) => object.values().any(|value| mentions(value, parameter)),
        _ => false,
    }
}

/// The stacks in an order in which none comes before one it needs; ties by name, so that the same package
/// always has the same order.
fn in_order(mut stacks: Vec<DraftStack>) -> Result<Vec<DraftStack>, Refusal> {
    stacks.sort_by(|a, b| a.part.cmp(&b.part));
    let mut ordered: Vec<DraftStack> = Vec::with_capacity(stacks.len());
    while !stacks.is_empty() {
        let done = |part: &StackPart| ordered.iter().any(|stack| stack.part.as_ref() == Some(part));
        let Some(next) = stacks.iter().position(|stack| stack.after.iter().all(done)) else {
            let names: Vec<&str> =
                stacks.iter().filter_map(|stack| stack.part.as_ref().map(StackPart::as_str)).collect();
            let what = format!("these stacks need each other, or one that is missing: {}", names.join(", "));
            return Err(Refusal::new(Code::StacksCircular, what, "take the circle out of the dependencies"));
        };
        ordered.push(stacks.remove(next));
    }
    Ok(ordered)
}
