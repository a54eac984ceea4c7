//! Adapter for AWS CDK's cloud assembly: the folder that `cdk synth` writes (`cdk.out/`).
//!
//! Each `aws:cloudformation:stack` of its manifest becomes a stack of the package; its part is its path in the app.
//! CDK's bucket and keys become Flotilla's. The check of the bootstrap stack is removed, because Flotilla does not use
//! that stack. Names of other stacks become parameters, and the literals of an explicit environment become pseudo
//! parameters: see [`references`] and [`MadeFor`].
//!
//! An app with CDK stages must contain one stage with stacks. Metadata and the tree are not read: they contain paths
//! of the machine that synthesised the app.

mod assets;
mod manifest;
mod references;
mod synthesised;

use super::draft::hand_down;
use super::{Draft, DraftStack, Folder, Stop, code_places, external, local_paths};
use crate::template::{self, MadeFor, asset_tokens, declare};
use crate::zip_file;
use assets::Assets;
use flotilla_domain::release::package::{
    ASSETS_BUCKET_PARAMETER, GIVEN_PREFIX, PackageFormat, STAGE_MARK, STAGE_PLACEHOLDER, Warning,
};
use flotilla_domain::{Code, Refusal, StackPart};
use references::References;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// The file that marks a cloud assembly: it holds the version.
pub const MARKER: &str = "cdk.out";

/// The refusal of a manifest that CDK did not write.
fn invalid(file: &str, what: String) -> Refusal {
    let fix = "upload the whole folder that cdk synth of CDK 2 writes (cdk.out), unchanged";
    Refusal::new(Code::ManifestInvalid, format!("{file}: {what}"), fix).at(file)
}

/// Creates the draft.
pub fn draft(folder: &Folder<'_>, base: &str) -> Result<Draft, Stop> {
    let assembly = manifest::read(folder, base)?;
    let mut draft = Draft::new(PackageFormat::Cdk);
    let mut names = BTreeMap::new();
    for stack in &assembly.stacks {
        if names.insert(stack.name.clone(), stack.part.clone()).is_some() {
            let what = format!("two stacks are called {}", stack.name);
            return Err(invalid(&format!("{}{MANIFEST}", assembly.base), what).into());
        }
    }
    for stack in &assembly.stacks {
        stack.asset_manifests.iter().chain([&stack.template]).try_for_each(|name| folder.ask_for(name))?;
    }
    let mut stacks = Vec::new();
    for stack in assembly.stacks {
        let assets = assets::read(folder, &assembly.base, &stack.asset_manifests);
        assets.iter().flat_map(Assets::nested_templates).try_for_each(|name| folder.ask_for(name))?;
        stacks.push((stack, assets));
    }
    let mut nested_left = folder.limits.manifests_max;
    let empty = take_empty(folder, &mut stacks)?;
    draft.warnings.extend(empty.keys().map(without_resources));
    for (stack, assets) in stacks {
        let mut template = folder.template(&stack.template)?;
        default_parameters(&mut template, &stack.parameters)
            .map_err(|what| invalid(&format!("{}{MANIFEST}", assembly.base), what))?;
        let mut reader = Reader {
            folder,
            draft: &mut draft,
            assets: assets?,
            part: &stack.part,
            names: &names,
            made_for: &assembly.made_for,
            used: BTreeSet::new(),
            nested_left: &mut nested_left,
        };
        reader.template(&mut template, &stack.part.to_string(), 0)?;
        // A stack that imports must follow the stack that exports, even if the manifest declares no dependency.
        let after = stack.after.union(&reader.used).cloned().collect();
        let after = beyond(after, &empty).into_iter().filter(|part| *part != stack.part).collect();
        warn(&mut draft, &stack);
        draft.stacks.push(DraftStack { after, template, tags: tags(&stack)?, part: Some(stack.part) });
    }
    Ok(draft)
}

/// Stacks without resources, each with the stacks that it would have followed.
type Empty = BTreeMap<StackPart, BTreeSet<StackPart>>;

/// Takes out the stacks without resources, which `cdk deploy` skips, unless all are: their templates are refused.
fn take_empty<T>(folder: &Folder<'_>, stacks: &mut Vec<(manifest::Stack, T)>) -> Result<Empty, Stop> {
    let mut empty = Empty::new();
    for (stack, _) in stacks.iter() {
        let parsed = template::parse(folder.read(&stack.template)?, &stack.template, folder.limits)?;
        if parsed.get("Resources").and_then(Value::as_object).is_none_or(Map::is_empty) {
            empty.insert(stack.part.clone(), stack.after.clone());
        }
    }
    if empty.len() == stacks.len() {
        return Ok(Empty::new());
    }
    stacks.retain(|(stack, _)| !empty.contains_key(&stack.part));
    Ok(empty)
}

/// The stacks to follow, with those that empty ones among them would have followed in their place.
fn beyond(after: BTreeSet<StackPart>, empty: &Empty) -> BTreeSet<StackPart> {
    let (mut found, mut seen, mut waiting) = (BTreeSet::new(), BTreeSet::new(), Vec::from_iter(after));
    while let Some(part) = waiting.pop() {
        let Some(further) = empty.get(&part) else {
            found.insert(part);
            continue;
        };
        if seen.insert(part) {
            waiting.extend(further.iter().cloned());
        }
    }
    found
}

fn without_resources(part: &StackPart) -> Warning {
    Warning {
        code: Code::StackEmpty,
        path: part.to_string(),
        message:
            "the stack has no resources and is not deployed; if it was deployed before, delete it yourself"
                .into(),
    }
}

/// Sets the values that CDK would give a stack's parameters as their defaults.
fn default_parameters(template: &mut Value, values: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in values {
        if value.contains('\u{0}') {
            return Err(format!("the parameter {name} contains a NUL character"));
        }
        let declared = template.get_mut("Parameters").and_then(|parameters| parameters.get_mut(name));
        if let Some(Value::Object(declared)) = declared {
            declared.insert("Default".into(), json!(value));
        }
    }
    Ok(())
}

fn tags(stack: &manifest::Stack) -> Result<BTreeMap<String, String>, Refusal> {
    let neutral = |(key, value): (&String, &String)| {
        if key.contains(STAGE_PLACEHOLDER) {
            let what = format!("the name of the tag {key} contains {STAGE_PLACEHOLDER}");
            let fix = "leave the stage out of the names of tags; their values may contain it";
            return Err(Refusal::new(Code::PlaceholderMisplaced, what, fix).at(format!("{}: tags", stack.id)));
        }
        Ok((key.clone(), value.replace(STAGE_PLACEHOLDER, STAGE_MARK)))
    };
    stack.tags.iter().map(neutral).collect()
}

/// Warnings for what CDK does outside of a stack's template.
fn warn(draft: &mut Draft, stack: &manifest::Stack) {
    let mut warn = |code, what: &str, message: &str| {
        let path = format!("{}: {what}", stack.part);
        draft.warnings.push(Warning { code, path, message: message.into() });
    };
    if stack.is_protected {
        warn(
            Code::OutsideCloudformation,
            "terminationProtection",
            "CDK protects the stack outside of CloudFormation, and Flotilla does not; switch the protection on yourself: Flotilla respects it",
        );
    }
    if stack.has_topics {
        warn(
            Code::BelongsInProfile,
            "notificationArns",
            "this is not taken from the package: send the stack's events by EventBridge, or set notify in the profile",
        );
    }
}

/// Reads the templates of one stack.
struct Reader<'a, 'f> {
    folder: &'a Folder<'f>,
    draft: &'a mut Draft,
    assets: Assets,
    part: &'a StackPart,
    names: &'a BTreeMap<String, StackPart>,
    made_for: &'a MadeFor,
    /// The stacks whose names the templates need.
    used: BTreeSet<StackPart>,
    /// How many more nested stacks all stacks together may have.
    nested_left: &'a mut usize,
}

impl Reader<'_, '_> {
    /// Neutralises a template and those nested in it. `at` prefixes its paths.
    fn template(&mut self, template: &mut Value, at: &str, depth: usize) -> Result<(), Stop> {
        let placed = |refusal: Refusal| {
            let path = refusal.path.clone().map(|path| format!("{at}: {path}"));
            Refusal { path, ..refusal }
        };
        synthesised::clean(template);
        self.nested(template, at, depth)?;
        external::take(self.folder, self.draft, template, at)?;
        self.images(template)?;
        for section in ["Resources", "Outputs"] {
            for (id, entry) in template.get_mut(section).and_then(Value::as_object_mut).into_iter().flatten()
            {
                for attribute in ["Properties", "Value"] {
                    let path = format!("{section}.{id}.{attribute}");
                    if let Some(value) = entry.get_mut(attribute) {
                        self.assets.take(self.folder, self.draft, value, &path).map_err(placed)?;
                    }
                }
            }
        }
        self.check_code(template, at)?;
        let mut references = References {
            own: self.part,
            names: self.names,
            made_for: self.made_for,
            at,
            used: BTreeSet::new(),
        };
        references.take(self.draft, template)?;
        self.used.append(&mut references.used);
        Ok(self.draft.neutralise(template, self.made_for, at)?)
    }

    /// Neutralises the templates of nested stacks and points the resources to them.
    fn nested(&mut self, outer: &mut Value, at: &str, depth: usize) -> Result<(), Stop> {
        let mut declared = BTreeMap::new();
        let resources = outer.get_mut("Resources").and_then(Value::as_object_mut);
        for (id, resource) in resources.into_iter().flatten() {
            if resource["Type"] != "AWS::CloudFormation::Stack" {
                continue;
            }
            let path = format!("{at}: Resources.{id}.Properties.TemplateURL");
            let url = resource.pointer("/Properties/TemplateURL").unwrap_or(&Value::Null);
            let name = self.assets.template(url, &path)?;
            if depth >= local_paths::DEPTH_MAX {
                return Err(local_paths::too_deep(&name).into());
            }
            let max = self.folder.limits.manifests_max as u64;
            *self.nested_left = self
                .nested_left
                .checked_sub(1)
                .ok_or_else(|| zip_file::over("manifests_max", max, max + 1).at(&path))?;
            let mut template = self.folder.template(&name)?;
            let own: BTreeSet<String> = parameters(&template).cloned().collect();
            self.template(&mut template, &format!("{at}/{id}"), depth + 1)?;
            self.warn_unproven(&template, &path);
            let Some(properties) = resource.get_mut("Properties") else { continue };
            hand_down(&mut template, properties);
            let given =
                properties.as_object_mut().map(|p| p.entry("Parameters").or_insert_with(|| json!({})));
            let Some(Value::Object(given)) = given else {
                let fix = "give the nested stack's parameters as an object";
                let what = "Parameters is not an object";
                return Err(Refusal::new(Code::TemplateInvalid, what, fix).at(path).into());
            };
            // The outer template must declare the parameters that neutralising added to the nested one.
            let is_needed = |name: &&String| name.starts_with(GIVEN_PREFIX) || !own.contains(*name);
            for name in parameters(&template).filter(is_needed) {
                given.insert(name.clone(), json!({"Ref": name}));
                if name != ASSETS_BUCKET_PARAMETER {
                    declared.insert(name.clone(), template["Parameters"][name].clone());
                }
            }
            if given.is_empty() {
                properties.as_object_mut().map(|p| p.remove("Parameters"));
            }
            properties["TemplateURL"] = asset_tokens::url(self.draft.nested(template));
        }
        for (name, declaration) in declared {
            if !parameters(outer).any(|known| *known == name) {
                declare(outer, &name, declaration);
            }
        }
        Ok(())
    }

    /// Points functions to the container images of the package that they run.
    fn images(&mut self, template: &mut Value) -> Result<(), Stop> {
        let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
        for resource in resources.into_iter().flat_map(|resources| resources.values_mut()) {
            if resource["Type"] != "AWS::Lambda::Function" {
                continue;
            }
            let Some(uri) = resource.pointer_mut("/Properties/Code/ImageUri") else { continue };
            let Some(image) = self.assets.image_in(uri) else { continue };
            let Some((layout, name)) = &image.layout else { continue };
            *uri = asset_tokens::image_uri(self.draft.image(self.folder, layout, name.as_deref())?);
        }
        Ok(())
    }

    /// Refuses code outside of the package, and warns about container images there.
    fn check_code(&mut self, template: &Value, at: &str) -> Result<(), Refusal> {
        for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
            if let Some(image) = self.assets.image_in(resource) {
                let message = match resource["Type"].as_str() {
                    Some("AWS::Lambda::Function") => format!(
                        "a container image is not in the package, so what it runs is not proven: {}; or publish it with cdk-assets to each account and region before the rollout",
                        image.fix
                    ),
                    _ => "only functions run container images of the package: publish this one with cdk-assets to each account and region before the rollout".into(),
                };
                let path = format!("{at}: Resources.{id}");
                self.draft.warnings.push(Warning { code: Code::ImageOutsidePackage, path, message });
            }
            let property = match resource["Type"].as_str() {
                Some("AWS::Lambda::Function") => "Code",
                Some("AWS::Lambda::LayerVersion") => "Content",
                _ => continue,
            };
            let code = &resource["Properties"][property];
            if let Some(uri) = code.get("ImageUri").filter(|uri| !asset_tokens::has_token(uri))
                && self.assets.image_in(uri).is_none()
            {
                let path = format!("{at}: Resources.{id}.Properties.{property}");
                self.draft.warnings.push(local_paths::outside_warning(&path, Some(uri)));
            }
            let is_ours = code["S3Bucket"]["Ref"] == ASSETS_BUCKET_PARAMETER
                && code["S3Key"].as_str().is_some_and(asset_tokens::is_token);
            if code.get("S3Key").is_some() && !is_ours && !code_places::is_kept(self.folder.external, code) {
                let what = "the code is in another bucket, and not in the package";
                let fix = "use lambda.Code.fromAsset instead of fromBucket, or name the object in external_code of the service";
                return Err(Refusal::new(Code::CodeOutsidePackage, what, fix)
                    .at(format!("{at}: Resources.{id}.Properties.{property}")));
            }
        }
        Ok(())
    }

    fn warn_unproven(&mut self, template: &Value, path: &str) {
        let mut resources = template["Resources"].as_object().into_iter().flat_map(|r| r.values());
        if resources.any(|resource| resource["Type"] == "AWS::Lambda::Function") {
            self.draft.warnings.push(Warning {
                code: Code::NestedUnproven,
                path: path.into(),
                message: "the template and its code are proven in every region's bucket, but the functions of the nested stack are not read back after the deployment; define them in the outer stack if they must be".into(),
            });
        }
    }
}

fn parameters(template: &Value) -> impl Iterator<Item = &String> {
    template.get("Parameters").and_then(Value::as_object).into_iter().flat_map(|declared| declared.keys())
}
