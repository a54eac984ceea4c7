//! Adapter for the output of `serverless package` (Serverless Framework 3) and `osls package` (osls 3 and 4).
//!
//! The template is read from `cloudformation-template-update-stack.json`, because its copy in the state file uses
//! references between its parts. Only the fields below are read from the state file: it also contains build paths and
//! resolved environment values, which are never shown or stored.

mod artifacts;
mod outside;
mod plugins;

use super::{Draft, DraftStack, Folder, Source, Stop, code_places, external, local_paths};
use crate::template::{MadeFor, asset_tokens, declare, rest_deployment};
use crate::text::is_utf16;
use artifacts::Artifacts;
use flotilla_domain::release::package::{
    AssetKind, KEEP_BUCKET_PARAMETER, PackageFormat, STAGE_MARK, STAGE_PLACEHOLDER,
};
use flotilla_domain::{Code, Digest, Refusal, Region, StageName};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The manifest's name.
pub const MANIFEST: &str = "serverless-state.json";
/// The template's name.
pub const TEMPLATE: &str = "cloudformation-template-update-stack.json";

/// The deployment bucket that the tool adds to every stack for its own use, and its policy.
const TOOLS_BUCKET: &str = "ServerlessDeploymentBucket";
const TOOLS_POLICY: &str = "ServerlessDeploymentBucketPolicy";
/// The condition that keeps them in stacks that already have them.
const KEEPS_BUCKET: &str = "FlotillaKeepsDeploymentBucket";

#[derive(Deserialize)]
struct State {
    service: Service,
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    /// `serverless/<service>/<stage>/<time>`; the prefix may differ.
    #[serde(rename = "artifactDirectoryName")]
    artifact_directory: Option<String>,
}

impl State {
    /// What the keys of the tool's zips begin with: service and stage. A layer that did not change has the key of an older package.
    fn key_prefix(&self) -> Option<&str> {
        let folder = self.package.as_ref()?.artifact_directory.as_deref()?;
        folder.rfind('/').map(|slash| &folder[..=slash])
    }

    /// The stage that the package was made for. `provider.stage` is only the default in `serverless.yml`; the name of
    /// the artifact folder contains the value of `--stage`.
    fn stage(&self) -> &str {
        let folder = self.package.as_ref().and_then(|package| package.artifact_directory.as_deref());
        folder.and_then(|folder| folder.rsplit('/').nth(1)).unwrap_or(&self.service.provider.stage)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    service: Option<String>,
    provider: Provider,
    /// May name zips that another tool built.
    #[serde(default)]
    functions: Value,
    #[serde(default)]
    layers: Value,
    #[serde(default)]
    package: Value,
    #[serde(default)]
    artifact: Value,
    /// `serverless.yml` as the user wrote it.
    #[serde(default)]
    initial_serverless_config: Option<Written>,
}

#[derive(Deserialize)]
struct Written {
    plugins: Option<Value>,
    package: Option<Value>,
}

/// `provider` of `serverless.yml`: what the tool does outside of the template.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    stage: String,
    region: String,
    #[serde(default)]
    stack_tags: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    stack_parameters: Option<Vec<StackParameter>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Provider {
    /// The bucket that the user names for the tool's packages.
    fn deployment_bucket(&self) -> Option<&str> {
        let bucket = self.rest.get("deploymentBucket")?;
        bucket.as_str().or_else(|| bucket.get("name")?.as_str())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StackParameter {
    parameter_key: String,
    parameter_value: Option<String>,
}

/// Creates the draft.
pub fn draft(folder: &Folder<'_>, base: &str) -> Result<Draft, Stop> {
    let invalid = |what: String| {
        let fix = "package again, and upload the folder as the tool wrote it; this reads what osls and the Serverless Framework 3 write";
        Refusal::new(Code::ManifestInvalid, format!("{MANIFEST}: {what}"), fix).at(MANIFEST)
    };
    let state = folder.read(&format!("{base}{MANIFEST}"))?;
    if is_utf16(state) {
        return Err(invalid("the text is UTF-16; save it as UTF-8".into()).into());
    }
    let state: State = serde_json::from_slice(state).map_err(|e| invalid(e.to_string()))?;
    let stage = StageName::parse(state.stage()).map_err(|e| {
        let fix = format!("call the stage so in lower-case letters, digits and hyphens (PROD becomes prod, v4_stg becomes v4-stg), name that stage in the route, and package with --stage {STAGE_PLACEHOLDER}, which fits every stage");
        Refusal::new(Code::ManifestInvalid, format!("{MANIFEST}: {e}"), fix).at(MANIFEST)
    })?;
    let written = state.service.initial_serverless_config.as_ref().and_then(|w| w.package.as_ref());
    let whole = [
        written.and_then(|package| package.get("artifact")),
        state.service.package.get("artifact"),
        Some(&state.service.artifact),
    ];
    let artifacts = Artifacts::of(&state.service.functions, &state.service.layers, whole);
    let prefix = state.key_prefix().map(str::to_owned);
    let (provider, written) = (state.service.provider, state.service.initial_serverless_config);
    let region = Region::parse(&provider.region).map_err(|e| invalid(e.to_string()))?;

    let mut template = folder.template(&format!("{base}{TEMPLATE}"))?;
    let mut draft = Draft::new(PackageFormat::Serverless);
    draft.made_for = Some(stage).filter(|stage| stage.as_str() != STAGE_PLACEHOLDER);
    draft.service = state.service.service;
    let zips = Zips { folder, base, artifacts, prefix };
    external::take(folder, &mut draft, &mut template, "")?;
    take_code(&mut template, &mut draft, &zips, provider.deployment_bucket())?;
    keep_deployment_bucket(&mut template)?;
    rest_deployment::name_by_content(&mut template);
    for parameter in provider.stack_parameters.iter().flatten() {
        let declared = template.pointer_mut(&format!("/Parameters/{}", parameter.parameter_key));
        if let (Some(Value::Object(declared)), Some(value)) = (declared, &parameter.parameter_value) {
            if value.contains('\u{0}') {
                return Err(invalid("a stack parameter contains a NUL character".into()).into());
            }
            declared.insert("Default".into(), json!(value));
        }
    }
    let made_for = MadeFor { region: Some(region), account: None };
    draft.neutralise(&mut template, &made_for, "")?;
    draft.warnings.extend(outside::left_to_the_profile(&provider));
    draft.warnings.extend(outside::lost_outside_cloudformation(&template, &provider));
    draft.warnings.extend(plugins::warnings(written.as_ref().and_then(|written| written.plugins.as_ref())));
    let tags = stack_tags(state_stage(&draft), &provider);
    draft.stacks.push(DraftStack { part: None, after: Default::default(), template, tags });
    Ok(draft)
}

/// The stage, as written in tags.
fn state_stage(draft: &Draft) -> String {
    draft.made_for.as_ref().map_or(STAGE_MARK.into(), ToString::to_string)
}

/// The tags that the tool gives the stack: the user's, and `STAGE` unless the user has a tag of that name.
fn stack_tags(stage: String, provider: &Provider) -> BTreeMap<String, String> {
    let own = provider.stack_tags.iter().flatten().filter_map(|(key, value)| {
        let value = match value {
            Value::String(text) => text.replace(STAGE_PLACEHOLDER, STAGE_MARK),
            Value::Null => return None,
            other => other.to_string(),
        };
        Some((key.clone(), value))
    });
    let mut tags: BTreeMap<String, String> = own.collect();
    if !tags.keys().any(|key| key.eq_ignore_ascii_case("stage")) {
        tags.insert("STAGE".into(), stage);
    }
    tags
}

/// Where the zips are.
struct Zips<'a> {
    folder: &'a Folder<'a>,
    /// The folder of the state file.
    base: &'a str,
    artifacts: Artifacts,
    /// What the keys of the tool's zips begin with.
    prefix: Option<String>,
}

/// Points functions and layers to their zips, and replaces every other copy of a zip's key.
fn take_code(
    template: &mut Value,
    draft: &mut Draft,
    zips: &Zips<'_>,
    own_bucket: Option<&str>,
) -> Result<(), Refusal> {
    let (mut keys, mut functions) = (BTreeMap::new(), BTreeMap::new());
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for (id, resource) in resources.into_iter().flatten() {
        let property = match resource["Type"].as_str() {
            Some("AWS::Lambda::Function") => "Code",
            Some("AWS::Lambda::LayerVersion") => "Content",
            _ => continue,
        };
        let path = format!("Resources.{id}.Properties.{property}");
        let Some(code) = resource.get_mut("Properties").and_then(|p| p.get_mut(property)) else {
            let what = format!("{id} has no {property}");
            return Err(Refusal::new(Code::TemplateInvalid, what, "give the function its code").at(path));
        };
        if code.get("ZipFile").is_some() {
            continue;
        }
        if let Some(uri) = code.get("ImageUri") {
            if asset_tokens::has_token(uri) {
                continue;
            }
            if let Some(local) = uri.as_str().filter(|uri| local_paths::is_outside_of_ecr(uri)) {
                let fix = "let the framework build it (provider.ecr.images) or push the image to ECR, and name it by digest";
                return Err(Refusal { fix: fix.into(), ..local_paths::not_in_ecr(local, "") }.at(path));
            }
            draft.warnings.push(local_paths::outside_warning(&path, Some(uri)));
            continue;
        }
        if asset_tokens::has_token(code) {
            continue;
        }
        if let Some(bucket) = foreign_bucket(code, own_bucket) {
            if code_places::is_kept(zips.folder.external, code) {
                continue;
            }
            let what = format!("the code of {id} is in {bucket}, not in the package");
            let fix = "put the zip into the project and name it in package.artifact, so that its bytes are proven, or name the object in external_code of the service";
            return Err(Refusal::new(Code::CodeOutsidePackage, what, fix).at(path));
        }
        // The last segment of the key is the zip's name, even if a layer's key points to an older folder.
        let Some(key) = code.get("S3Key").and_then(Value::as_str) else {
            let fix = "let the framework package the function (remove package.artifact from another bucket)";
            return Err(
                Refusal::new(Code::CodeOutsidePackage, "the code's S3Key is not a literal", fix).at(path)
            );
        };
        if zips.prefix.as_ref().is_some_and(|prefix| !key.starts_with(prefix.as_str())) {
            let what = format!("the code of {id} has the key {key}, which is not one of this package");
            let fix =
                "put the zip into the project and name it in package.artifact, so that its bytes are proven";
            return Err(Refusal::new(Code::CodeOutsidePackage, what, fix).at(path));
        }
        let zip = key.rsplit('/').next().unwrap_or(key);
        let name = zips.artifacts.find(zips.folder.listing, zips.base, (id, zip), &path)?;
        let source = draft.source(Source::File { name, kind: AssetKind::Zip });
        keys.insert(key.to_owned(), source);
        functions.insert(id.clone(), source);
        *code = asset_tokens::s3_bucket_and_key(source);
    }
    put_tokens(template, &keys);
    claim_versions(template, draft, &functions);
    Ok(())
}

/// The bucket of the code, if it is not the tool's own, or if it names a version: the tool uploads without one.
fn foreign_bucket(code: &Value, own: Option<&str>) -> Option<String> {
    let is_own = match &code["S3Bucket"] {
        Value::String(name) => own == Some(name),
        other => other["Ref"] == TOOLS_BUCKET,
    };
    match code.get("S3ObjectVersion") {
        None if is_own => None,
        None => Some(match code["S3Bucket"].as_str() {
            Some(name) => format!("the bucket {name}"),
            None => "another bucket".to_owned(),
        }),
        Some(_) => Some("a version of an object of a bucket".to_owned()),
    }
}

/// Records the digests that Lambda versions declare for the zips of their functions.
fn claim_versions(template: &Value, draft: &mut Draft, functions: &BTreeMap<String, usize>) {
    let resources = template.get("Resources").and_then(Value::as_object);
    for version in
        resources.into_iter().flat_map(|r| r.values()).filter(|r| r["Type"] == "AWS::Lambda::Version")
    {
        let function = version.pointer("/Properties/FunctionName/Ref").and_then(Value::as_str);
        let digest = version.pointer("/Properties/CodeSha256").and_then(Value::as_str);
        let digest = digest.and_then(|text| Digest::parse_base64(text).ok());
        if let (Some(source), Some(digest)) = (function.and_then(|id| functions.get(id)), digest) {
            draft.claims(*source, digest);
        }
    }
}

/// Replaces each string that is a zip's key, such as in an output, by a token.
fn put_tokens(value: &mut Value, keys: &BTreeMap<String, usize>) {
    match value {
        Value::String(text) => {
            if let Some(source) = keys.get(text) {
                *text = asset_tokens::token(*source);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_tokens(item, keys)),
        Value::Object(object) => object.values_mut().for_each(|value| put_tokens(value, keys)),
        _ => {}
    }
}

/// Stacks that the tool deployed earlier contain its bucket with packages. Without the bucket in the template,
/// CloudFormation would try to delete it. A condition keeps it in these stacks and omits it from new ones.
fn keep_deployment_bucket(template: &mut Value) -> Result<(), Refusal> {
    let condition = || json!(KEEPS_BUCKET);
    let Some(resources) = template.get_mut("Resources").and_then(Value::as_object_mut) else { return Ok(()) };
    let mut set_aside = Map::new();
    for id in [TOOLS_BUCKET, TOOLS_POLICY] {
        if let Some(Value::Object(mut resource)) = resources.remove(id) {
            resource.insert("Condition".into(), condition());
            set_aside.insert(id.into(), resource.into());
        }
    }
    if set_aside.is_empty() {
        return Ok(());
    }
    let mut outputs_aside = Map::new();
    if let Some(outputs) = template.get_mut("Outputs").and_then(Value::as_object_mut) {
        let ours: Vec<String> = outputs
            .iter()
            .filter(|(_, output)| mention(output, "").is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in ours {
            if let Some(Value::Object(mut output)) = outputs.remove(&id) {
                output.insert("Condition".into(), condition());
                outputs_aside.insert(id, output.into());
            }
        }
    }
    if let Some(path) = mention(template, "") {
        let what =
            format!("the template uses {TOOLS_BUCKET}, the tool's own bucket, which Flotilla replaces");
        let fix = "declare your own bucket under resources and use it instead";
        return Err(Refusal::new(Code::TemplateUnsupported, what, fix).at(path));
    }
    for (section, aside) in [("Resources", set_aside), ("Outputs", outputs_aside)] {
        if let Some(entries) = template.get_mut(section).and_then(Value::as_object_mut) {
            entries.extend(aside);
        }
    }
    let description =
        "Whether the stack keeps the bucket that the packaging tool once made in it; given by Flotilla.";
    let declaration = json!({"Type": "String", "Default": "false", "AllowedValues": ["true", "false"], "Description": description});
    declare(template, KEEP_BUCKET_PARAMETER, declaration);
    let conditions = template.as_object_mut().map(|t| t.entry("Conditions").or_insert_with(|| json!({})));
    if let Some(Value::Object(conditions)) = conditions {
        conditions
            .insert(KEEPS_BUCKET.into(), json!({"Fn::Equals": [{"Ref": KEEP_BUCKET_PARAMETER}, "true"]}));
    }
    Ok(())
}

/// Whether a substitution refers to the tool's bucket or an attribute of it.
fn substitutes_bucket(text: &str) -> bool {
    ["}", "."].iter().any(|end| text.contains(&format!("${{{TOOLS_BUCKET}{end}")))
}

/// The path of the first reference to the tool's bucket.
fn mention(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(object) => object.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("Ref", Value::String(id)) if id == TOOLS_BUCKET => Some(path.to_owned()),
            ("Fn::GetAtt", Value::Array(parts))
                if parts.first().and_then(Value::as_str) == Some(TOOLS_BUCKET) =>
            {
                Some(path.to_owned())
            }
            ("Fn::Sub", Value::String(text)) if substitutes_bucket(text) => Some(path.to_owned()),
            ("Fn::Sub", Value::Array(parts))
                if parts.first().and_then(Value::as_str).is_some_and(substitutes_bucket) =>
            {
                Some(path.to_owned())
            }
            (key, value) if path.is_empty() => mention(value, key),
            (key, value) => mention(value, &format!("{path}.{key}")),
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| mention(item, &format!("{path}.{index}")))
        }
        _ => None,
    }
}
