//! Templates with local paths: does what `aws cloudformation package` and `sam package` do before they upload.
//!
//! Paths become tokens, included text is inserted, and nested templates are read with the files that they name.
//! Locations outside of the package are refused, because their bytes could not be proven.

mod images;
mod includes;
mod nested;
mod place;

use super::path_table::{Becomes, Row, TABLE, Takes};
use super::{Draft, Folder, Source, Stop, code_places, external};
use crate::json::canonical;
use crate::template::{self, MadeFor, asset_tokens};
use flotilla_domain::release::package::{AssetKind, GIVEN_PREFIX, Warning};
use flotilla_domain::{Code, Refusal};
use images::is_image;
pub(crate) use images::{is_outside_of_ecr, not_in_ecr, outside_warning};
use nested::Nested;
pub(super) use place::{DEPTH_MAX, placed, too_deep};
use place::{Place, local_path, resolve};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the template in the file `name`, replaces every local path by a token, and neutralises the template. `at`
/// prefixes the paths of rewrites and warnings, for packages of several templates.
pub(crate) fn take(folder: &Folder<'_>, draft: &mut Draft, name: &str, at: &str) -> Result<Value, Stop> {
    let root = name.rsplit_once('/').map_or(String::new(), |(root, _)| format!("{root}/"));
    let mut taker = Taker { folder, draft, root, nested: BTreeMap::new(), open: Vec::new() };
    let (template, _) = taker.template(name, at)?;
    // The order of an object's keys depends on how it was read.
    draft.rewrites.sort();
    draft.warnings.sort_by(|a, b| (&a.path, a.code).cmp(&(&b.path, b.code)));
    Ok(template)
}

/// Reads one template and those nested in it.
pub(crate) struct Taker<'a, 'f> {
    pub folder: &'a Folder<'f>,
    pub draft: &'a mut Draft,
    /// The folder of the outermost template: names are shown relative to it.
    pub root: String,
    /// The nested templates by their files: each is read once.
    pub nested: BTreeMap<String, Nested>,
    /// The files of the templates that are being read, each nested in the previous one.
    pub open: Vec<String>,
}

impl Taker<'_, '_> {
    /// Reads a template with everything that it names. Also returns the parameters that were added for placeholders,
    /// except those that Flotilla gives.
    pub fn template(&mut self, name: &str, at: &str) -> Result<(Value, BTreeSet<String>), Stop> {
        let limits = self.folder.limits;
        if self.open.len() > DEPTH_MAX || self.open.iter().any(|open| open == name) {
            return Err(too_deep(name).into());
        }
        let mut template = template::parse(self.folder.read(name)?, name, limits)?;
        template::drop_empty_sections(&mut template);
        includes::put_in(self.folder, &mut template, name, at)?;
        template::check(&template, name, limits)?;
        // YAML aliases and included files can make the template larger than its file.
        let bytes = canonical(&template).len();
        if bytes as u64 > limits.template_bytes_max {
            return Err(template::over_size(bytes, name, limits).into());
        }
        let declared = parameters(&template);
        self.open.push(name.to_owned());
        spread_globals(&mut template);
        external::take(self.folder, self.draft, &mut template, at)?;
        let mut declarations = BTreeMap::new();
        let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
        for (id, resource) in resources.into_iter().flatten() {
            let Value::Object(resource) = resource else { continue };
            let place = Place { file: name, at, path: format!("Resources.{id}") };
            declarations.extend(self.resource(resource, &place)?);
        }
        self.open.pop();
        for (parameter, declaration) in declarations {
            if template.pointer(&format!("/Parameters/{parameter}")).is_none() {
                template::declare(&mut template, &parameter, declaration);
            }
        }
        self.draft.neutralise(&mut template, &MadeFor::default(), at)?;
        let mut asked = parameters(&template);
        asked.retain(|name| !declared.contains(name) && !name.starts_with(GIVEN_PREFIX));
        Ok((template, asked))
    }

    /// Replaces the paths of one resource. Returns the parameters that its template must declare.
    fn resource(
        &mut self,
        resource: &mut Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<BTreeMap<String, Value>, Stop> {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut declarations = BTreeMap::new();
        for row in TABLE.iter().filter(|row| row.kind == kind) {
            let here = place.below("Properties");
            if row.becomes == Becomes::Template {
                declarations.extend(self.nesting(resource, row, &here)?);
                continue;
            }
            // A function without properties is CloudFormation's to refuse.
            if let Some(Value::Object(properties)) = resource.get_mut("Properties") {
                self.property(properties, row, row.property, &here)?;
            }
        }
        Ok(declarations)
    }

    /// Follows the property's path and replaces the local path there.
    fn property(
        &mut self,
        owner: &mut Map<String, Value>,
        row: &Row,
        way: &[&str],
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        let Some((name, rest)) = way.split_first() else { return Ok(()) };
        if !rest.is_empty() {
            // The table bounds the depth.
            for (key, value) in owner.iter_mut().filter(|(key, _)| *name == "*" || key == name) {
                if let Value::Object(inner) = value {
                    self.property(inner, row, rest, &place.below(key))?;
                }
            }
            return Ok(());
        }
        let place = place.below(name);
        if row.takes == Takes::Code && (self.is_image_taken(owner, name, &place)? || is_inline(owner, name)) {
            return Ok(());
        }
        let located = owner.get(*name).filter(|_| row.takes == Takes::Code);
        if located.is_some_and(|code| {
            asset_tokens::has_token(code) || code_places::is_kept(self.folder.external, code)
        }) {
            return Ok(());
        }
        let local = match owner.get(*name) {
            // The tools leave it as it is (`if not property_value` in the AWS CLI's artifact_exporter.py).
            Some(Value::String(text)) if text.is_empty() && row.takes != Takes::Code => return Ok(()),
            // As the tools do: the folder of the template (AWS CLI Command Reference, "cloudformation package").
            None | Some(Value::Null) if row.takes == Takes::Code => ".".to_owned(),
            None => return Ok(()),
            Some(value) => local_path(value, &place)?.to_owned(),
        };
        if let Becomes::Inline(property) = row.becomes {
            let text = self.text(&local, &place)?;
            owner.remove(*name);
            owner.insert(property.into(), text.into());
            return Ok(());
        }
        let source = self.source(&local, row, &place)?;
        let located = match row.becomes {
            Becomes::S3BucketAndKey => asset_tokens::s3_bucket_and_key(source),
            Becomes::BucketAndKey => asset_tokens::bucket_and_key(source),
            Becomes::S3Uri | Becomes::Inline(_) | Becomes::Template => asset_tokens::s3_uri(source),
        };
        owner.insert((*name).into(), located);
        Ok(())
    }

    /// The number of the source at a path.
    fn source(&mut self, local: &str, row: &Row, place: &Place<'_>) -> Result<usize, Refusal> {
        let name = self.resolve(local, place)?;
        let is_folder = name.is_empty() || name.ends_with('/');
        let is_packed = is_archive(&name);
        match row.takes {
            // As the tools do (AWS CLI Command Reference, "cloudformation package").
            Takes::Code if !is_folder && !is_packed => Ok(self.draft.source(Source::ZippedFile { name })),
            Takes::File if is_folder => {
                let shown: String = local.chars().take(200).collect();
                let what = format!("{shown} is a folder, and a file is required");
                Err(Refusal::new(Code::TemplateInvalid, what, "name a file").at(place.shown()))
            }
            _ if is_folder => Ok(self.draft.source(Source::Folder { folder: name })),
            _ => {
                let kind = if is_packed { AssetKind::Zip } else { AssetKind::File };
                Ok(self.draft.source(Source::File { name, kind }))
            }
        }
    }

    /// The text of a small file.
    fn text(&mut self, local: &str, place: &Place<'_>) -> Result<String, Stop> {
        let name = self.resolve(local, place)?;
        let bytes = self.folder.read(&name)?;
        if bytes.len() as u64 > self.folder.limits.template_bytes_max {
            return Err(template::over_size(bytes.len(), &name, self.folder.limits).into());
        }
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\u{0}'));
        Ok(text.map(ToOwned::to_owned).ok_or_else(|| {
            let what = format!("{name} is not text, and its content is inserted into the template");
            Refusal::new(Code::TemplateInvalid, what, "save the file as UTF-8").at(place.shown())
        })?)
    }

    /// The name of the file or folder at a path.
    pub fn resolve(&self, local: &str, place: &Place<'_>) -> Result<String, Refusal> {
        resolve(self.folder, local, place)
    }

    /// Records a warning once.
    pub fn warn(&mut self, warning: Warning) {
        if !self.draft.warnings.contains(&warning) {
            self.draft.warnings.push(warning);
        }
    }
}

fn parameters(template: &Value) -> BTreeSet<String> {
    let declared = template.get("Parameters").and_then(Value::as_object);
    declared.into_iter().flat_map(Map::keys).cloned().collect()
}

/// Moves the code of `Globals` to the functions, so that it is read back after the deployment (AWS SAM Developer Guide, "Globals section": a
/// function's own property takes precedence).
fn spread_globals(template: &mut Value) {
    let Some(globals) = template.pointer_mut("/Globals/Function").and_then(Value::as_object_mut) else {
        return;
    };
    let taken = ["PackageType", "ImageUri", "CodeUri"].map(|name| (name, globals.remove(name)));
    let taken: Vec<(&str, Value)> =
        taken.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for resource in resources.into_iter().flat_map(|resources| resources.values_mut()) {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        // A function may have nothing of its own.
        let Some(resource) = resource.as_object_mut() else { continue };
        let properties = resource.entry("Properties").or_insert(Value::Null);
        if properties.is_null() {
            *properties = Value::Object(Map::new());
        }
        let Value::Object(properties) = properties else { continue };
        for (name, value) in &taken {
            let has_code = is_image(properties) || properties.contains_key("InlineCode");
            if *name != "CodeUri" || !has_code {
                properties.entry(*name).or_insert_with(|| value.clone());
            }
        }
    }
}

/// Whether a file is a zip already, by its name: the tools look into it, and so find others too.
fn is_archive(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["zip", "jar", "war"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether a function's code is in the template.
fn is_inline(owner: &Map<String, Value>, name: &str) -> bool {
    match owner.get(name) {
        Some(code) => code.get("ZipFile").is_some(),
        None => owner.contains_key("InlineCode"),
    }
}
