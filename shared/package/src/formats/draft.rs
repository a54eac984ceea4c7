//! Neutral templates that name files of the package. After the files are hashed, the templates name digests.

use super::checks::{check_resources, check_sizes, check_unzipped, check_versions};
use super::source::{Proof, Source};
use super::stage_templates::StageTemplates;
use super::{ExternalPolicy, Stop, code_places, path_table};
use crate::json::canonical;
use crate::listing::Listing;
use crate::template::{self, asset_tokens};
use crate::{Limits, image, zip_file};
use flotilla_domain::release::package::{
    ASSETS_BUCKET_PARAMETER, Asset, AssetKind, Package, PackageFormat, PackagedStack, Rewrite, Warning,
};
use flotilla_domain::{AliasName, Code, Digest, Refusal, StackPart, StageName};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One stack of a package before its assets are hashed.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftStack {
    /// See [`PackagedStack::part`].
    pub part: Option<StackPart>,
    /// See [`PackagedStack::after`].
    pub after: BTreeSet<StackPart>,
    /// The template, with tokens in place of assets.
    pub template: Value,
    /// See [`PackagedStack::tags`].
    pub tags: BTreeMap<String, String>,
}

/// An asset that a template names.
#[derive(Debug, Clone, PartialEq)]
enum Named {
    Source(Source),
    Nested(Value),
}

/// A package before its assets are hashed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The format of the package.
    pub format: PackageFormat,
    /// The tool's name for the service, if any. It is only shown: the upload's key names the service.
    pub service: Option<String>,
    /// The stacks, in any order.
    pub stacks: Vec<DraftStack>,
    /// The only stage that the package fits, if its templates contain that stage's name.
    pub made_for: Option<StageName>,
    /// The replaced literals.
    pub rewrites: Vec<Rewrite>,
    /// The warnings for the user.
    pub warnings: Vec<Warning>,
    /// The alias that every function gets, if the service is configured with one.
    pub alias: Option<AliasName>,
    /// The stages whose templates are written, if logical ids contain the stage.
    pub stages: BTreeSet<StageName>,
    named: Vec<Named>,
    claims: BTreeMap<Source, Digest>,
    /// The images by their layouts and names: functions share them.
    pub(super) images: BTreeMap<(String, Option<String>), usize>,
    /// The sizes in bytes that the blobs of images from other repositories declare.
    pub(super) pulled: BTreeMap<Digest, u64>,
}

/// A finished package and the bytes of its templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The package.
    pub package: Package,
    /// The canonical templates by their digests, including those of nested stacks.
    pub templates: BTreeMap<Digest, Vec<u8>>,
}

impl Draft {
    /// Creates a draft without stacks.
    pub fn new(format: PackageFormat) -> Self {
        Self {
            format,
            service: None,
            stacks: Vec::new(),
            made_for: None,
            rewrites: Vec::new(),
            warnings: Vec::new(),
            alias: None,
            stages: BTreeSet::new(),
            named: Vec::new(),
            claims: BTreeMap::new(),
            images: BTreeMap::new(),
            pulled: BTreeMap::new(),
        }
    }

    /// Records a source and returns its number, for [`asset_tokens`]. The same source always has the same number.
    pub fn source(&mut self, source: Source) -> usize {
        self.number(Named::Source(source))
    }

    /// Records the file or folder at a path. A folder becomes a zip; a file's extension determines its kind.
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

    /// Records the finished draft of a nested stack's template. Templates nested in it must be recorded before.
    pub fn nested(&mut self, template: Value) -> usize {
        self.number(Named::Nested(template))
    }

    fn number(&mut self, named: Named) -> usize {
        self.named.iter().position(|other| *other == named).unwrap_or_else(|| {
            self.named.push(named);
            self.named.len() - 1
        })
    }

    /// Records the digest that the package itself declares for a source.
    pub(super) fn claims(&mut self, source: usize, digest: Digest) {
        if let Some(Named::Source(source)) = self.named.get(source) {
            self.claims.insert(source.clone(), digest);
        }
    }

    /// The digest that the package itself declares for a source. If content with this proven digest is already stored,
    /// the source need not be read.
    pub fn claim(&self, source: &Source) -> Option<Digest> {
        self.claims.get(source).copied()
    }

    /// The sources that [`Draft::finish`] needs proofs for.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.named.iter().filter_map(|named| match named {
            Named::Source(source) => Some(source),
            Named::Nested(_) => None,
        })
    }

    /// Checks, before anything is hashed, that the sources exist and are within the limits.
    pub(super) fn check(
        mut self,
        listing: &Listing,
        limits: &Limits,
        external: &ExternalPolicy,
    ) -> Result<Self, Stop> {
        for stack in &self.stacks {
            let part = stack.part.as_ref().map_or("", StackPart::as_str);
            code_places::check(&stack.template, external, part)?;
            path_table::check_located(&stack.template, external, part)?;
        }
        for named in &self.named {
            if let Named::Nested(template) = named {
                code_places::check(template, external, "")?;
                path_table::check_located(template, external, "")?;
            }
        }
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
                // Whoever unpacks an archive of container images knows what is in it.
                Source::File { name, .. } if image::is_in_archive(listing, name) => {}
                Source::File { name, .. } if !listing.has(name) => return Err(missing(name).into()),
                Source::File { .. } | Source::External(_) | Source::Pulled { .. } => {}
                // A file may be in several folders that are zipped; it counts in each.
                Source::Folder { .. } | Source::ZippedFile { .. } => {
                    let files = source.to_zip(listing).into_iter().flat_map(|(_, files)| files);
                    zipped_bytes = files.map(|(_, info)| info.bytes).fold(zipped_bytes, u64::saturating_add);
                }
            }
        }
        if zipped_bytes > limits.unpacked_bytes_max {
            return Err(zip_file::over("unpacked_bytes_max", limits.unpacked_bytes_max, zipped_bytes).into());
        }
        Ok(self)
    }

    /// Finishes the package. `proofs` must contain each source of [`Draft::sources`]. The limits are checked again,
    /// because the templates have grown.
    ///
    /// # Errors
    /// [`Code::AssetMissing`] for a missing proof; [`Code::ManifestInvalid`] if a template expects other bytes than the
    /// package contains; [`Code::StacksCircular`]; [`Code::LimitExceeded`].
    pub fn finish(self, proofs: &BTreeMap<Source, Proof>, limits: &Limits) -> Result<Finished, Refusal> {
        let mut known: Vec<Option<Asset>> = Vec::new();
        let mut assets = BTreeMap::new();
        let mut templates = BTreeMap::new();
        let mut capabilities = BTreeMap::new();
        let mut in_nested = Vec::new();
        let mut unzipped = BTreeMap::new();
        for named in &self.named {
            let (asset, bytes) = match named {
                Named::Source(source) => {
                    let proof = proofs.get(source).ok_or_else(|| missing(source.name()))?;
                    self.check_image(source, proof.digest)?;
                    unzipped.extend(proof.unzipped.map(|bytes| (proof.digest, bytes)));
                    (source.asset(proof.digest), proof.bytes)
                }
                Named::Nested(template) => {
                    let mut template = template.clone();
                    template::stage_ids::refuse_in_nested(&template)?;
                    put_assets(&mut template, &known)?;
                    check_versions(&template)?;
                    check_unzipped(&template, &unzipped)?;
                    check_resources(&template, limits)?;
                    in_nested.extend(
                        self.alias.as_ref().and_then(|_| template::aliases::unshifted(&template, |_| false)),
                    );
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
        let (mut stacks, mut rewrites, mut warnings) = (Vec::new(), self.rewrites, self.warnings);
        warnings.extend(in_nested);
        let mut for_stages = StageTemplates::new(&self.stages, limits);
        for draft in in_order(self.stacks)? {
            let mut template = draft.template;
            put_assets(&mut template, &known)?;
            check_versions(&template)?;
            check_unzipped(&template, &unzipped)?;
            check_resources(&template, limits)?;
            template::declare_assets_bucket(&mut template);
            let aliases = template::aliases::prepare(&mut template, self.alias.as_ref())?;
            rewrites.extend(aliases.rewrites);
            warnings.extend(aliases.warning);
            let mut needs = template::needs(&template, &capabilities);
            needs.parameters.remove(ASSETS_BUCKET_PARAMETER);
            let functions = asset_tokens::functions(&template);
            let bytes = canonical(&template);
            let digest = Digest::of(&bytes);
            let stage_templates = for_stages.write(&template, &mut templates)?;
            templates.insert(digest, bytes);
            stacks.push(PackagedStack {
                part: draft.part,
                after: draft.after,
                template: digest,
                stage_templates,
                functions,
                aliases: aliases.shifted,
                capabilities: needs.capabilities,
                parameters: needs.parameters,
                secret_parameters: needs.secret_parameters,
                global_names: template::same_names(&template),
                long_names: template::long_names(&template),
                resources: template
                    .get("Resources")
                    .and_then(Value::as_object)
                    .map_or(0, |resources| resources.len()),
                tags: draft.tags,
            });
        }
        rewrites.sort();
        check_sizes(&stacks, &templates, limits)?;
        let package = Package {
            digest: Package::digest_of(&stacks, assets.keys()),
            format: self.format,
            stacks,
            assets,
            made_for: self.made_for,
            rewrites,
            warnings,
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
        Refusal::new(Code::TemplateInvalid, what, "remove the circle from the nested stacks")
    })
}

/// Passes the parameters that Flotilla gives from the outer stack to a nested one: declares them in the nested template
/// and sets them in the properties of the nesting resource. Returns the declarations that the outer template needs,
/// except that of the artifact bucket.
pub(super) fn hand_down(nested: &mut Value, properties: &mut Value) -> BTreeMap<String, Value> {
    let uses_bucket = template::uses_assets_bucket(nested);
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
            // A value that the user sets takes precedence.
            given.entry(name.clone()).or_insert_with(|| json!({"Ref": name}));
        }
    }
    declared
}

/// Orders the stacks so that each follows those it needs; ties are broken by name, so that the order is reproducible.
fn in_order(mut stacks: Vec<DraftStack>) -> Result<Vec<DraftStack>, Refusal> {
    stacks.sort_by(|a, b| a.part.cmp(&b.part));
    let mut ordered: Vec<DraftStack> = Vec::with_capacity(stacks.len());
    while !stacks.is_empty() {
        let done = |part: &StackPart| ordered.iter().any(|stack| stack.part.as_ref() == Some(part));
        let Some(next) = stacks.iter().position(|stack| stack.after.iter().all(done)) else {
            let names: Vec<&str> =
                stacks.iter().filter_map(|stack| stack.part.as_ref().map(StackPart::as_str)).collect();
            let what = format!(
                "these stacks depend on each other in a circle, or on a stack that is missing: {}",
                names.join(", ")
            );
            return Err(Refusal::new(Code::StacksCircular, what, "remove the circle from the dependencies"));
        };
        ordered.push(stacks.remove(next));
    }
    Ok(ordered)
}
