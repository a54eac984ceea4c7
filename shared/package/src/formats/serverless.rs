//! The folder that `serverless package` (Serverless Framework 3) and `osls package` (osls 3 and 4) write.
//!
//! The template is read from `cloudformation-template-update-stack.json`; its copy inside the state file
//! uses references between its parts. Of the state file only service, stage and region are read: it also
//! holds build paths and resolved environment values, which are never shown or kept.

use super::{Draft, Files, file, find};
use crate::Limits;
use crate::template;
use crate::zip_file::Directory;
use flotilla_domain::package::{PackageFormat, Warning};
use flotilla_domain::{Code, Refusal, Region, StageName};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The manifest's name.
pub const MANIFEST: &str = "serverless-state.json";
/// The template's name.
pub const TEMPLATE: &str = "cloudformation-template-update-stack.json";

/// The deployment bucket that the tool adds to every stack for itself, and its policy.
const TOOLS_OWN: [&str; 2] = ["ServerlessDeploymentBucket", "ServerlessDeploymentBucketPolicy"];

#[derive(Deserialize)]
struct State {
    service: Service,
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    /// `serverless/<service>/<stage>/<time>`; the prefix may be another one.
    #[serde(rename = "artifactDirectoryName")]
    artifact_directory: Option<String>,
}

impl State {
    /// The stage that the package was made for. `provider.stage` is only the default of `serverless.yml`;
    /// what `--stage` said stands in the name of the artifact folder.
    fn stage(&self) -> &str {
        let folder = self.package.as_ref().and_then(|package| package.artifact_directory.as_deref());
        folder.and_then(|folder| folder.rsplit('/').nth(1)).unwrap_or(&self.service.provider.stage)
    }
}

#[derive(Deserialize)]
struct Service {
    provider: Provider,
}

#[derive(Deserialize)]
struct Provider {
    stage: String,
    region: String,
    #[serde(default)]
    logs: Option<Value>,
    #[serde(default)]
    tracing: Option<Value>,
}

/// Makes the draft.
pub fn draft(directory: &Directory, folder: &str, files: &Files, limits: &Limits) -> Result<Draft, Refusal> {
    let invalid = |what: String| {
        Refusal::new(
            Code::ManifestInvalid,
            format!("{MANIFEST}: {what}"),
            "package with osls 3 or 4, or serverless 3",
        )
        .at(MANIFEST)
    };
    let state: State = serde_json::from_slice(file(files, MANIFEST)).map_err(|e| invalid(e.to_string()))?;
    let stage = StageName::parse(state.stage()).map_err(|e| invalid(e.to_string()))?;
    let provider = state.service.provider;
    let region = Region::parse(&provider.region).map_err(|e| invalid(e.to_string()))?;

    let mut template = template::read(file(files, TEMPLATE), TEMPLATE, limits)?;
    let mut key_literals = BTreeMap::new();
    let uses = template::take_code_locations(&template, |code| {
        let found = code_file(code)?;
        if let (Some(file), Some(key)) = (&found, code.get("S3Key").and_then(Value::as_str)) {
            key_literals.insert(key.to_owned(), file.clone());
        }
        Ok(found)
    })?;
    let mut entries = BTreeMap::new();
    for code_use in &uses {
        entries.insert(code_use.file.clone(), find(directory, folder, &code_use.file)?.name.clone());
    }
    if entries.len() > limits.assets_max {
        return Err(crate::zip_file::over("assets_max", limits.assets_max as u64, entries.len() as u64));
    }
    let mut warnings = remove_deployment_bucket(&mut template, &uses)?;
    warnings.extend(template::neutralise_region(&mut template, &region));
    warnings.extend(lost_outside_cloudformation(
        &template,
        provider.logs.is_some(),
        provider.tracing.is_some(),
    ));
    Ok(Draft {
        format: PackageFormat::Serverless,
        template,
        uses,
        key_literals,
        made_for: Some(stage),
        warnings,
        entries,
    })
}

/// The file that a code location means: the last part of its key. A layer's key may point to an older
/// folder than its zip; the last part is the zip's name all the same.
fn code_file(code: &Value) -> Result<Option<String>, Refusal> {
    if code.get("ZipFile").is_some() {
        return Ok(None);
    }
    match code.get("S3Key").and_then(Value::as_str) {
        Some(key) => Ok(Some(key.rsplit('/').next().unwrap_or(key).to_owned())),
        None => Err(Refusal::new(
            Code::CodeOutsidePackage,
            "the code's S3Key is not a literal",
            "let the framework package the function (remove package.artifact from another bucket)",
        )),
    }
}

/// Removes the tool's own bucket: Flotilla's takes its place. Outputs that speak of it go too.
fn remove_deployment_bucket(
    template: &mut Value,
    uses: &[template::CodeUse],
) -> Result<Vec<Warning>, Refusal> {
    let Some(resources) = template.get_mut("Resources").and_then(Value::as_object_mut) else {
        return Ok(Vec::new());
    };
    let removed = TOOLS_OWN.iter().filter(|id| resources.remove(**id).is_some()).count();
    if removed == 0 {
        return Ok(Vec::new());
    }
    if let Some(outputs) = template.get_mut("Outputs").and_then(Value::as_object_mut) {
        outputs.retain(|_, output| mention(output, "").is_none());
    }
    // Code locations still name the bucket; they are rewritten once the digests are known.
    let mut left = template.clone();
    template::point_to_assets(
        &mut left,
        uses,
        &uses.iter().map(|u| (u.file.clone(), flotilla_domain::Digest::of(b""))).collect(),
    );
    match mention(&left, "") {
        None => Ok(Vec::new()),
        Some(path) => Err(Refusal::new(
            Code::TemplateUnsupported,
            "the template uses ServerlessDeploymentBucket, the tool's own bucket, which Flotilla replaces",
            "declare a bucket of your own under resources and use that",
        )
        .at(path)),
    }
}

/// The path of the first reference to the tool's bucket.
fn mention(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(object) => object.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("Ref", Value::String(id)) if id == TOOLS_OWN[0] => Some(path.to_owned()),
            ("Fn::GetAtt", Value::Array(parts))
                if parts.first().and_then(Value::as_str) == Some(TOOLS_OWN[0]) =>
            {
                Some(path.to_owned())
            }
            ("Fn::Sub", Value::String(text)) if text.contains("${ServerlessDeploymentBucket") => {
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

/// What the tool does by API calls after CloudFormation, and so is not done here.
fn lost_outside_cloudformation(template: &Value, logs: bool, tracing: bool) -> Vec<Warning> {
    let resources = template.get("Resources").and_then(Value::as_object);
    let has_rest_api =
        resources.into_iter().flat_map(|r| r.values()).any(|r| r["Type"] == "AWS::ApiGateway::RestApi");
    let mut warnings = Vec::new();
    if has_rest_api && (logs || tracing) {
        warnings.push(Warning {
            path: "provider.logs, provider.tracing".into(),
            message: "the framework sets a REST stage's logs and tracing outside of CloudFormation; Flotilla does not: set them by a resource extension of ApiGatewayStage".into(),
        });
    }
    warnings
}
