//! The manifests of a cloud assembly: its stacks, their dependencies, and the environment they were made for.

use super::super::{Folder, Stop};
use super::{MANIFEST, invalid};
use crate::json::parse_strict;
use crate::template::MadeFor;
use flotilla_domain::release::package::{STAGE_PLACEHOLDER, stack_parameter};
use flotilla_domain::{AccountId, Code, Digest, Refusal, Region, StackPart};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How deep assemblies may be nested, that is CDK stages in stages. Flotilla's own bound.
const DEPTH_MAX: usize = 4;

/// How many assemblies one may contain. Flotilla's own bound.
const ASSEMBLIES_MAX: usize = 50;

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    artifacts: BTreeMap<String, Artifact>,
    /// Context values that the app needs and that were missing: the synthesis is incomplete.
    #[serde(default)]
    missing: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    properties: Value,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    metadata: BTreeMap<String, Vec<Metadata>>,
    #[serde(default)]
    display_name: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StackProperties {
    template_file: String,
    #[serde(default)]
    stack_name: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    termination_protection: bool,
    #[serde(default)]
    notification_arns: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StageProperties {
    directory_name: String,
    #[serde(default)]
    display_name: Option<String>,
}

#[derive(Deserialize)]
struct AssetsProperties {
    file: String,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(alias = "Key")]
    key: String,
    #[serde(alias = "Value")]
    value: String,
}

/// One stack of the assembly, as its manifest describes it.
pub struct Stack {
    /// Its artifact's id.
    pub id: String,
    /// Its name within the package.
    pub part: StackPart,
    /// The stack name that CDK would use: the names of exports begin with it.
    pub name: String,
    /// The full name of the template's file.
    pub template: String,
    /// The full names of its asset manifests.
    pub asset_manifests: Vec<String>,
    /// The stacks it depends on.
    pub after: BTreeSet<StackPart>,
    /// The values CDK would give the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// The stack's tags.
    pub tags: BTreeMap<String, String>,
    /// Whether CDK would protect the stack from deletion.
    pub is_protected: bool,
    /// Whether CDK would send the stack's events to topics.
    pub has_topics: bool,
}

/// The stacks of an assembly, and the folder that their files' paths are relative to.
pub struct Assembly {
    /// The folder: empty, or ending with a slash.
    pub base: String,
    /// The stacks.
    pub stacks: Vec<Stack>,
    /// The account and region that the templates contain, if the app sets them.
    pub made_for: MadeFor,
}

/// An assembly with stacks that have not been read yet.
struct Found {
    base: String,
    /// The stage's path in the app; empty for the app itself.
    stage: String,
    artifacts: BTreeMap<String, Artifact>,
}

/// Reads the manifests and selects the only stage that has stacks.
pub fn read(folder: &Folder<'_>, base: &str) -> Result<Assembly, Stop> {
    let mut found = Vec::new();
    let mut budget = ASSEMBLIES_MAX;
    collect(folder, base, "", 0, &mut budget, &mut found)?;
    if found.len() > 1 {
        let names: Vec<&str> =
            found.iter().map(|f| if f.stage.is_empty() { "the app itself" } else { &f.stage }).collect();
        let what = format!("the assembly contains several CDK stages: {}", names.join(", "));
        let fix = "synthesise only one stage, preferably the placeholder that fits every stage: new Stage(app, \"flotillastage\")";
        return Err(Refusal::new(Code::ManifestInvalid, what, fix).at(MANIFEST).into());
    }
    let Some(found) = found.pop() else {
        let what = format!("{MANIFEST} has no artifact of type aws:cloudformation:stack");
        let fix = "upload the whole folder that cdk synth writes (cdk.out) for an app with a stack";
        return Err(Refusal::new(Code::FormatUnknown, what, fix).at(MANIFEST).into());
    };
    Ok(stacks_of(folder, found)?)
}

/// Finds the assemblies that have stacks.
fn collect(
    folder: &Folder<'_>,
    base: &str,
    stage: &str,
    depth: usize,
    budget: &mut usize,
    found: &mut Vec<Found>,
) -> Result<(), Stop> {
    let file = format!("{base}{MANIFEST}");
    if depth > DEPTH_MAX || *budget == 0 {
        let what = format!(
            "there are more than {ASSEMBLIES_MAX} assemblies, or they are nested more than {DEPTH_MAX} deep"
        );
        return Err(invalid(&file, what).into());
    }
    *budget -= 1;
    let value = parse_strict(folder.read(&file)?).map_err(|e| invalid(&file, e.to_string()))?;
    let manifest: Manifest = serde_json::from_value(value).map_err(|e| invalid(&file, e.to_string()))?;
    if !manifest.missing.is_empty() {
        let what = format!("{} context value(s) of the app are missing", manifest.missing.len());
        let fix = "run cdk synth with credentials once, commit cdk.context.json, and synthesise again";
        return Err(Refusal::new(Code::ManifestInvalid, what, fix).at(file).into());
    }
    for (id, artifact) in &manifest.artifacts {
        if artifact.kind != "cdk:cloud-assembly" {
            continue;
        }
        let properties: StageProperties = properties(&file, id, artifact)?;
        let below = folder.listing.resolve(base, &properties.directory_name).map_err(|r| r.at(&file))?;
        if !below.ends_with('/') || below == base {
            return Err(invalid(&file, format!("{id}: directoryName is not a folder in it")).into());
        }
        let stage = properties.display_name.unwrap_or_else(|| id.trim_start_matches("assembly-").into());
        collect(folder, &below, &stage, depth + 1, budget, found)?;
    }
    if manifest.artifacts.values().any(Artifact::is_stack) {
        found.push(Found { base: base.into(), stage: stage.into(), artifacts: manifest.artifacts });
    }
    Ok(())
}

impl Artifact {
    fn is_stack(&self) -> bool {
        self.kind == "aws:cloudformation:stack"
    }
}

fn properties<T: for<'de> Deserialize<'de>>(file: &str, id: &str, artifact: &Artifact) -> Result<T, Refusal> {
    T::deserialize(&artifact.properties).map_err(|e| invalid(file, format!("{id}: {e}")))
}

fn stacks_of(folder: &Folder<'_>, found: Found) -> Result<Assembly, Refusal> {
    let file = format!("{}{MANIFEST}", found.base);
    let mut parts: BTreeMap<&str, StackPart> = BTreeMap::new();
    let mut parameters = BTreeSet::new();
    for (id, artifact) in found.artifacts.iter().filter(|(_, artifact)| artifact.is_stack()) {
        let part = part_of(&file, id, artifact, &found.stage)?;
        if !parameters.insert(stack_parameter(&part)) {
            let what = format!("two stacks have the name {part}, or names that differ only by hyphens");
            return Err(invalid(&file, what));
        }
        parts.insert(id, part);
    }
    let mut environments = BTreeSet::new();
    let mut stacks = Vec::new();
    for (id, part) in &parts {
        let artifact = &found.artifacts[*id];
        environments.extend(artifact.environment.as_deref());
        let at = |refusal: Refusal| refusal.at(format!("{file}: {id}"));
        let said: StackProperties = properties(&file, id, artifact)?;
        let mut after = BTreeSet::new();
        let mut asset_manifests = Vec::new();
        for needed in &artifact.dependencies {
            let Some(other) = found.artifacts.get(needed) else {
                return Err(invalid(&file, format!("{id} depends on {needed}, which does not exist")));
            };
            after.extend(parts.get(needed.as_str()).cloned());
            if other.kind == "cdk:asset-manifest" {
                let assets: AssetsProperties = properties(&file, needed, other)?;
                asset_manifests.push(folder.listing.resolve(&found.base, &assets.file).map_err(at)?);
            }
        }
        if artifact.metadata.values().flatten().any(|entry| entry.kind == "aws:cdk:asset") {
            let what = format!("{id} was synthesised in the style of CDK 1, with assets as parameters");
            let fix = "use the DefaultStackSynthesizer, which is the default of CDK 2";
            return Err(Refusal::new(Code::TemplateUnsupported, what, fix).at(file));
        }
        stacks.push(Stack {
            id: (*id).into(),
            part: part.clone(),
            template: folder.listing.resolve(&found.base, &said.template_file).map_err(at)?,
            tags: if said.tags.is_empty() { tags_of(&file, artifact)? } else { said.tags },
            name: said.stack_name.unwrap_or_else(|| (*id).into()),
            asset_manifests,
            after,
            parameters: said.parameters,
            is_protected: said.termination_protection,
            has_topics: !said.notification_arns.is_empty(),
        });
    }
    let made_for = made_for(&file, &environments)?;
    Ok(Assembly { base: found.base, stacks, made_for })
}

/// A stack's part: its path in the app, without the CDK stage that contains it and without Flotilla's placeholder. It
/// stays the same when the stack is renamed or moved to another stage.
fn part_of(file: &str, id: &str, artifact: &Artifact, stage: &str) -> Result<StackPart, Refusal> {
    let path = artifact.display_name.as_deref().unwrap_or(id);
    let path = path.strip_prefix(stage).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
    let words = path.replace(STAGE_PLACEHOLDER, "").replace('/', "-");
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let plain = words.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    // CDK allows more characters in ids than in names of stacks (`My_Stack`), and two ids may differ in nothing else.
    let is_other = words.chars().any(|c| c != '-' && !is_word(c));
    StackPart::parse(&if is_other { hashed(&plain, path) } else { shortened(&plain) }).map_err(|e| {
        let what = format!("the stack {path:?} has no name that Flotilla can use: {e}");
        let fix = "give the stack another id in the app: new Stack(app, \"Api\"); its stackName is not used";
        Refusal::new(Code::ManifestInvalid, what, fix).at(file)
    })
}

/// A name of a part's length: a longer one is cut, and six digits of its hash keep it unique. CloudFormation allows 128 characters for the
/// name of a stack.
fn shortened(name: &str) -> String {
    if name.len() <= CHARACTERS_MAX { name.to_owned() } else { hashed(name, name) }
}

/// A name with six digits of the hash of what it stands for.
fn hashed(name: &str, of: &str) -> String {
    let hash = Digest::of(of.as_bytes()).to_string();
    format!("{}-{}", name[..name.len().min(CHARACTERS_MAX - 7)].trim_end_matches('-'), &hash[..6])
}

/// The longest name of a part.
const CHARACTERS_MAX: usize = 64;

/// The tags in the metadata, where older versions of CDK write them.
fn tags_of(file: &str, artifact: &Artifact) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = BTreeMap::new();
    let entries = artifact.metadata.values().flatten().filter(|entry| entry.kind == "aws:cdk:stack-tags");
    for entry in entries {
        let said = Vec::<Tag>::deserialize(&entry.data).map_err(|e| invalid(file, e.to_string()))?;
        tags.extend(said.into_iter().map(|tag| (tag.key, tag.value)));
    }
    Ok(tags)
}

/// The account and region of the stacks' environments (`aws://<account>/<region>`).
fn made_for(file: &str, environments: &BTreeSet<&str>) -> Result<MadeFor, Refusal> {
    let (mut accounts, mut regions) = (BTreeSet::new(), BTreeSet::new());
    for environment in environments {
        let place = environment.strip_prefix("aws://").and_then(|place| place.split_once('/'));
        let Some((account, region)) = place else {
            return Err(invalid(file, format!("{environment:?} is not a valid environment")));
        };
        if account != "unknown-account" {
            accounts.insert(AccountId::parse(account).map_err(|e| invalid(file, e.to_string()))?);
        }
        if region != "unknown-region" {
            regions.insert(Region::parse(region).map_err(|e| invalid(file, e.to_string()))?);
        }
    }
    if accounts.len() > 1 || regions.len() > 1 {
        let names: Vec<&str> = environments.iter().copied().collect();
        let what = format!("the stacks have different environments: {}", names.join(", "));
        let fix = "leave env out of the stacks: the profile gives the account and the regions, and all stacks are deployed to each region";
        return Err(Refusal::new(Code::TemplateUnsupported, what, fix).at(file));
    }
    Ok(MadeFor { region: regions.pop_first(), account: accounts.pop_first() })
}
