//! Flotilla's own format: a `flotilla.json` that names templates.
//!
//! As written by hand:
//!
//! ```json
//! { "flotilla": 1, "template": "template.json" }
//! { "flotilla": 1, "stacks": [{ "name": "Network", "template": "network.yaml" },
//!                             { "name": "Api", "template": "api.yaml", "after": ["Network"] }] }
//! ```
//!
//! The templates name local files as `aws cloudformation package` expects them. With `"stage"`, the package fits only
//! this stage.
//!
//! As written by `flotilla pack`, with `"packed"`: the templates are already neutral, and every asset has the key that
//! it will have in the artifact buckets.

use super::{Draft, DraftStack, Finished, Folder, Source, Stop, external, local_paths, path_table};
use crate::json::{canonical, parse_strict};
use crate::template::{self, asset_tokens};
use flotilla_domain::release::package::{
    ASSETS_BUCKET_PARAMETER, AssetKind, PackageFormat, Rewrite, Warning, template_key,
};
use flotilla_domain::{Code, Refusal, StackPart, StageName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The manifest's name.
pub const MANIFEST: &str = "flotilla.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The version of this format: 1.
    flotilla: u32,
    /// The template's path, if there is only one stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// The stacks, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stacks: Vec<Stack>,
    /// The only stage that the package fits, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// Only written by `flotilla pack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packed: Option<Packed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stack {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    template: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    /// The original format of the package.
    format: String,
    /// Each: path, literal, parameter.
    rewrites: Vec<[String; 3]>,
    /// Each: code, path, message.
    warnings: Vec<[String; 3]>,
}

/// Creates the draft.
pub fn draft(folder: &Folder<'_>, base: &str) -> Result<Draft, Stop> {
    let manifest = manifest(folder.read(&format!("{base}{MANIFEST}"))?)?;
    let mut draft = Draft::new(PackageFormat::Native);
    draft.made_for =
        manifest.stage.as_deref().map(StageName::parse).transpose().map_err(|e| invalid(e.to_string()))?;
    let packed = manifest.packed.is_some();
    if let Some(packed) = manifest.packed {
        note_packed(&mut draft, packed)?;
    }
    let one = manifest.template.map(|template| Stack {
        name: None,
        template,
        after: Vec::new(),
        tags: BTreeMap::new(),
    });
    let stacks: Vec<Stack> = one.into_iter().chain(manifest.stacks).collect();
    for stack in &stacks {
        if let Ok(name) = folder.listing.resolve(base, &stack.template) {
            folder.ask_for(&name)?;
        }
    }
    let mut unpacking = Unpacking { folder, base, nested: BTreeMap::new() };
    for stack in stacks {
        let part = |name: &str| StackPart::parse(name).map_err(|e| invalid(e.to_string()));
        let name = folder.listing.resolve(base, &stack.template).map_err(|refusal| refusal.at(MANIFEST))?;
        let template = if packed {
            unpacking.template(&mut draft, &name, stack.name.as_deref().unwrap_or_default(), 0)?
        } else {
            local_paths::take(folder, &mut draft, &name, stack.name.as_deref().unwrap_or_default())?
        };
        draft.stacks.push(DraftStack {
            part: stack.name.as_deref().map(part).transpose()?,
            after: stack.after.iter().map(|name| part(name)).collect::<Result<BTreeSet<_>, _>>()?,
            template,
            tags: stack.tags,
        });
    }
    Ok(draft)
}

fn manifest(bytes: &[u8]) -> Result<Manifest, Refusal> {
    let value = parse_strict(bytes).map_err(|e| invalid(e.to_string()))?;
    let manifest: Manifest = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
    if manifest.flotilla != 1 {
        return Err(invalid(format!("version {} of the format is unknown", manifest.flotilla)));
    }
    if manifest.template.is_some() != manifest.stacks.is_empty() {
        return Err(invalid("give either a template or stacks".into()));
    }
    let names: BTreeSet<_> = manifest.stacks.iter().map(|stack| &stack.name).collect();
    if names.len() < manifest.stacks.len() || (names.len() > 1 && names.contains(&None)) {
        return Err(invalid("each of several stacks needs its own name".into()));
    }
    Ok(manifest)
}

fn invalid(what: String) -> Refusal {
    let fix = r#"write {"flotilla": 1, "template": "template.json"}, or "stacks" as docs/packages.md shows"#;
    Refusal::new(Code::ManifestInvalid, format!("{MANIFEST}: {what}"), fix).at(MANIFEST)
}

fn note_packed(draft: &mut Draft, packed: Packed) -> Result<(), Refusal> {
    let unknown = |what: &str| invalid(format!("packed: {what} is not known"));
    draft.format = PackageFormat::parse(&packed.format).ok_or_else(|| unknown(&packed.format))?;
    draft.rewrites = packed.rewrites.into_iter().map(|[path, from, to]| Rewrite { path, from, to }).collect();
    for [code, path, message] in packed.warnings {
        let code = Code::parse(&code).ok_or_else(|| unknown(&code))?;
        draft.warnings.push(Warning { code, path, message });
    }
    Ok(())
}

/// Reads templates that are already neutral. The keys of assets become tokens again, so that the finished templates
/// name the digests of the actual bytes.
struct Unpacking<'a, 'f> {
    folder: &'a Folder<'f>,
    base: &'a str,
    /// Nested templates by their files; `None` while one is being read.
    nested: BTreeMap<String, Option<usize>>,
}

impl Unpacking<'_, '_> {
    fn template(&mut self, draft: &mut Draft, name: &str, at: &str, depth: usize) -> Result<Value, Stop> {
        if depth > local_paths::DEPTH_MAX {
            return Err(local_paths::too_deep(name).into());
        }
        let mut template = template::read_packed(self.folder.read(name)?, name, self.folder.limits)?;
        if depth == 0 {
            template::undeclare(&mut template, ASSETS_BUCKET_PARAMETER);
        }
        let mut named = BTreeSet::new();
        asset_tokens::keys(&template, &mut named);
        let mut known = BTreeMap::new();
        for asset in named {
            let file = format!("{}{}", self.base, asset.key());
            if !self.folder.listing.has(&file) {
                let what = format!("{name} names {}, which is not in the package", asset.key());
                return Err(Refusal::new(Code::AssetMissing, what, "run flotilla pack again")
                    .at(name)
                    .into());
            }
            let number = match asset.kind {
                AssetKind::Template => self.nested(draft, &file, depth + 1)?,
                AssetKind::ImageManifest => draft.packed_image(self.folder, self.base, file, asset.digest)?,
                kind => {
                    let source = draft.source(Source::File { name: file, kind });
                    draft.claims(source, asset.digest);
                    source
                }
            };
            known.insert(asset, number);
        }
        asset_tokens::put_back(&mut template, &known);
        external::take(self.folder, draft, &mut template, at)?;
        // Outer templates give nested ones what these declare.
        if depth == 0 {
            template::undeclare_unused(&mut template);
        }
        path_table::check_located(&template, self.folder.external, name)?;
        Ok(template)
    }

    /// Reads a nested template; each is read once.
    fn nested(&mut self, draft: &mut Draft, file: &str, depth: usize) -> Result<usize, Stop> {
        match self.nested.get(file) {
            Some(Some(number)) => return Ok(*number),
            Some(None) => return Err(local_paths::too_deep(file).into()),
            None => self.nested.insert(file.to_owned(), None),
        };
        let template = self.template(draft, file, external::NESTED, depth)?;
        let number = draft.nested(template);
        self.nested.insert(file.to_owned(), Some(number));
        Ok(number)
    }
}

/// The manifest of a finished package, as [`draft`] reads it.
pub fn manifest_of(finished: &Finished) -> Vec<u8> {
    let package = &finished.package;
    let stacks = package.stacks.iter().map(|stack| Stack {
        name: stack.part.as_ref().map(ToString::to_string),
        template: template_key(&stack.template),
        after: stack.after.iter().map(ToString::to_string).collect(),
        tags: stack.tags.clone(),
    });
    let manifest = Manifest {
        flotilla: 1,
        template: None,
        stacks: stacks.collect(),
        stage: package.made_for.as_ref().map(ToString::to_string),
        packed: Some(Packed {
            format: package.format.as_str().into(),
            rewrites: package.rewrites.iter().cloned().map(|r| [r.path, r.from, r.to]).collect(),
            warnings: package
                .warnings
                .iter()
                .cloned()
                .map(|w| [w.code.to_string(), w.path, w.message])
                .collect(),
        }),
    };
    // Texts and lists of texts: serialising them cannot fail.
    canonical(&serde_json::to_value(manifest).unwrap_or_default())
}
