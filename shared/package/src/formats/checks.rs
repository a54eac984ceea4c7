//! Checks of a finished package.

use crate::template::{self, asset_tokens};
use crate::{Limits, zip_file};
use flotilla_domain::release::package::PackagedStack;
use flotilla_domain::{Code, Digest, Refusal};
use serde_json::Value;
use std::collections::BTreeMap;

/// Checks the limits that apply to all stacks together.
pub(super) fn check_sizes(
    stacks: &[PackagedStack],
    templates: &BTreeMap<Digest, Vec<u8>>,
    limits: &Limits,
) -> Result<(), Refusal> {
    // What a rollout's item stores about a stack: names, a digest for each function, tags.
    const FUNCTION_BYTES: usize = 110;
    const ENTRY_BYTES: usize = 8;
    let described = |stack: &PackagedStack| -> usize {
        let functions = stack.functions.iter().map(|function| function.logical_id.len() + FUNCTION_BYTES);
        let aliases = stack
            .aliases
            .iter()
            .map(|a| a.alias.len() + a.function.len() + a.version.len() + 3 * ENTRY_BYTES);
        let parameters = stack.parameters.keys().map(|name| name.len() + ENTRY_BYTES);
        let tags = stack.tags.iter().map(|(key, value)| key.len() + value.len() + ENTRY_BYTES);
        functions.chain(aliases).chain(parameters).chain(tags).sum::<usize>() + FUNCTION_BYTES
    };
    let largest = templates.values().map(Vec::len).max().unwrap_or(0);
    // The artifact bucket is one more.
    let parameters = stacks.iter().map(|stack| stack.parameters.len() + 1).max().unwrap_or(0);
    // Aliases and versions may have been added.
    let resources = stacks.iter().map(|stack| stack.resources).max().unwrap_or(0);
    let found = [
        ("resources_max", limits.resources_max as u64, resources as u64),
        ("stacks_max", limits.stacks_max as u64, stacks.len() as u64),
        ("parameters_max", limits.parameters_max as u64, parameters as u64),
        (
            "described_bytes_max",
            limits.described_bytes_max as u64,
            stacks.iter().map(described).sum::<usize>() as u64,
        ),
        ("template_bytes_max", limits.template_bytes_max, largest as u64),
    ];
    match found.into_iter().find(|(_, max, found)| found > max) {
        Some((limit, max, found)) => Err(zip_file::over(limit, max, found)),
        None => Ok(()),
    }
}

/// Refuses a template that has too many resources once SAM has transformed it.
pub(super) fn check_resources(template: &Value, limits: &Limits) -> Result<(), Refusal> {
    let (max, made) = (limits.resources_max, template::resources_made(template));
    if made > max { Err(zip_file::over("resources_max", max as u64, made as u64)) } else { Ok(()) }
}

/// Refuses a Lambda version whose `CodeSha256` differs from its function's code: it would fail in every region
/// (`AWS::Lambda::Version`).
pub(super) fn check_versions(template: &Value) -> Result<(), Refusal> {
    let functions = asset_tokens::functions(template);
    let resources = template.get("Resources").and_then(Value::as_object);
    for (id, resource) in resources.into_iter().flatten() {
        let properties = &resource["Properties"];
        let (Some(expected), Some(function)) = (
            properties["CodeSha256"].as_str(),
            properties.pointer("/FunctionName/Ref").and_then(Value::as_str),
        ) else {
            continue;
        };
        let Some(function) = functions.iter().find(|known| known.logical_id == function) else { continue };
        // Base64 for a zip, hexadecimal digits for an image.
        if ![function.asset.to_base64(), function.asset.to_string()].iter().any(|digest| digest == expected) {
            let what = format!("{id} expects other code of {} than the package has", function.logical_id);
            let fix = "package again and upload the folder as it was written; do not zip its zips again";
            return Err(Refusal::new(Code::ManifestInvalid, what, fix)
                .at(format!("Resources.{id}.Properties.CodeSha256")));
        }
    }
    Ok(())
}

/// Refuses a function whose code is too large once it is unzipped, with its layers (AWS Lambda Developer Guide, "Lambda quotas", deployment
/// package size). `unzipped` has the sizes that are known, by digest.
pub(super) fn check_unzipped(template: &Value, unzipped: &BTreeMap<Digest, u64>) -> Result<(), Refusal> {
    let resources = &template["Resources"];
    let sizes = |id: &str| unzipped.get(&asset_tokens::code_of(resources.get(id)?)?.digest);
    let layers = resources.as_object().into_iter().flatten().filter(|(_, resource)| {
        matches!(
            resource["Type"].as_str(),
            Some("AWS::Lambda::LayerVersion" | "AWS::Serverless::LayerVersion")
        )
    });
    for (id, layer) in layers {
        let property = if layer["Type"] == "AWS::Lambda::LayerVersion" { "Content" } else { "ContentUri" };
        check_bytes(id, property, sizes(id).copied().unwrap_or_default())?;
    }
    // A function's layers follow those of all functions (AWS SAM Developer Guide, "Globals section").
    let of_all = template.pointer("/Globals/Function/Layers").and_then(Value::as_array);
    let layer = |layer: &Value| sizes(layer.get("Ref")?.as_str()?);
    for function in asset_tokens::functions(template) {
        let resource = &resources[&function.logical_id];
        let of_all = of_all.filter(|_| resource["Type"] == "AWS::Serverless::Function");
        let layers = [of_all, resource["Properties"]["Layers"].as_array()];
        let layers = layers.into_iter().flatten().flatten().filter_map(layer);
        // The zips say how large their files are.
        let bytes =
            layers.chain(unzipped.get(&function.asset)).fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
        check_bytes(&function.logical_id, "Code", bytes)?;
    }
    Ok(())
}

fn check_bytes(id: &str, property: &str, bytes: u64) -> Result<(), Refusal> {
    const BYTES_MAX: u64 = 262_144_000;
    if bytes < BYTES_MAX {
        return Ok(());
    }
    let what = format!(
        "the code of {id}, with its layers, has {bytes} bytes unzipped; Lambda accepts less than {BYTES_MAX}"
    );
    let fix = "leave out what the function does not need, split it, or deploy it as a container image";
    let at = format!("Resources.{id}.Properties.{property}");
    Err(Refusal::new(Code::LimitExceeded, what, fix).at(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::release::package::{ASSETS_BUCKET_PARAMETER, asset_key};
    use serde_json::json;

    #[test]
    fn a_functions_code_counts_unzipped_with_its_layers() {
        let (code, layer) = (Digest::of(b"code"), Digest::of(b"layer"));
        let zip = |digest| json!({"S3Bucket": {"Ref": ASSETS_BUCKET_PARAMETER}, "S3Key": asset_key(digest)});
        let template = json!({"Resources": {
            "Libraries": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": zip(&layer)}},
            "App": {"Type": "AWS::Lambda::Function",
                "Properties": {"Code": zip(&code), "Layers": [{"Ref": "Libraries"}, "arn:aws:lambda:::layer:x:1"]}},
            "Small": {"Type": "AWS::Lambda::Function", "Properties": {"Code": zip(&code)}}}});
        let checked = |code_bytes, layer_bytes| {
            check_unzipped(&template, &[(code, code_bytes), (layer, layer_bytes)].into())
        };
        assert_eq!(checked(200_000_000, 62_143_999), Ok(()));
        let refused = checked(200_000_000, 62_144_000).unwrap_err();
        assert_eq!(refused.code, Code::LimitExceeded);
        assert_eq!(refused.path.as_deref(), Some("Resources.App.Properties.Code"));
        let alone = checked(1, 262_144_000).unwrap_err();
        assert_eq!(alone.path.as_deref(), Some("Resources.Libraries.Properties.Content"));
        let of_all = json!({"Globals": {"Function": {"Layers": [{"Ref": "Libraries"}]}}, "Resources": {
            "Libraries": template["Resources"]["Libraries"],
            "App": {"Type": "AWS::Serverless::Function", "Properties": {
                "CodeUri": {"Bucket": {"Ref": ASSETS_BUCKET_PARAMETER}, "Key": asset_key(&code)}}}}});
        let sizes = [(code, 200_000_000), (layer, 62_144_000)].into();
        assert_eq!(check_unzipped(&of_all, &sizes).unwrap_err().code, Code::LimitExceeded);
        assert_eq!(
            check_unzipped(&template, &BTreeMap::new()),
            Ok(()),
            "what is not known is left to Lambda"
        );
    }
}
