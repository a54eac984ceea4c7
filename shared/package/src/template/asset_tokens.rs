//! Tokens: they stand for the files of the package in a template until the files' digests are known.

use super::images::image_digest;
use flotilla_domain::Digest;
use flotilla_domain::release::package::{ASSETS_BUCKET_PARAMETER, Asset, AssetKind, FunctionCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// No string of a parsed template contains it: see [`super::read`].
const MARK: char = '\u{0}';

/// The token for the key of a source in the artifact bucket, alone or as a part of a string.
pub fn token(source: usize) -> String {
    format!("{MARK}{source}{MARK}")
}

/// Whether a text is exactly one token.
pub fn is_token(text: &str) -> bool {
    let number = text.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(MARK));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The source of the first token in a value.
pub fn source_in(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => text.split(MARK).nth(1)?.parse().ok(),
        Value::Array(items) => items.iter().find_map(source_in),
        Value::Object(object) => object.values().find_map(source_in),
        _ => None,
    }
}

/// Whether a value contains a token.
pub fn has_token(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(MARK),
        Value::Array(items) => items.iter().any(has_token),
        Value::Object(object) => object.values().any(has_token),
        _ => false,
    }
}

/// `{"S3Bucket", "S3Key"}`, as `AWS::Lambda::Function` and others expect it.
pub fn s3_bucket_and_key(source: usize) -> Value {
    json!({"S3Bucket": {"Ref": ASSETS_BUCKET_PARAMETER}, "S3Key": token(source)})
}

/// `{"Bucket", "Key"}`, as `CodeUri` of `AWS::Serverless::Function` and others expect it.
pub fn bucket_and_key(source: usize) -> Value {
    json!({"Bucket": {"Ref": ASSETS_BUCKET_PARAMETER}, "Key": token(source)})
}

/// The separator of a repository and the digest of an image in it.
const BY_DIGEST: &str = "@sha256:";

/// The URI of a container image in the repository of the stack's account and region, which has the name of the artifact bucket.
pub fn image_uri(source: usize) -> Value {
    let digest = token(source);
    json!({"Fn::Sub": format!("${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.${{AWS::URLSuffix}}/${{{ASSETS_BUCKET_PARAMETER}}}{BY_DIGEST}{digest}")})
}

/// `s3://bucket/key`.
pub fn s3_uri(source: usize) -> Value {
    json!({"Fn::Sub": format!("s3://${{{ASSETS_BUCKET_PARAMETER}}}/{}", token(source))})
}

/// The URL of an object at the bucket's own region, as `AWS::CloudFormation::Stack` expects it for its template.
pub fn url(source: usize) -> Value {
    let key = token(source);
    json!({"Fn::Sub": format!("https://s3.${{AWS::Region}}.${{AWS::URLSuffix}}/${{{ASSETS_BUCKET_PARAMETER}}}/{key}")})
}

/// Replaces the tokens by keys, those of container images by their digests. `asset` returns the asset of a source.
///
/// # Errors
/// The number of a source that `asset` does not know.
pub fn replace(value: &mut Value, asset: &impl Fn(usize) -> Option<Asset>) -> Result<(), usize> {
    match value {
        Value::String(text) if text.contains(MARK) => {
            let mut parts = text.split(MARK);
            let mut out = parts.next().unwrap_or_default().to_owned();
            while let (Some(number), Some(rest)) = (parts.next(), parts.next()) {
                let source: usize = number.parse().map_err(|_| usize::MAX)?;
                out.push_str(&name_of(&asset(source).ok_or(source)?));
                out.push_str(rest);
            }
            *text = out;
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| replace(item, asset))?,
        Value::Object(object) => object.values_mut().try_for_each(|value| replace(value, asset))?,
        _ => {}
    }
    Ok(())
}

/// What stands in a template for an asset.
fn name_of(asset: &Asset) -> String {
    match asset.kind {
        AssetKind::ImageManifest => asset.digest.to_string(),
        _ => asset.key(),
    }
}

/// The number of digits of a digest.
const HEX: usize = 64;

/// The digests of images of the package in a text, with their byte ranges.
fn images_in(text: &str) -> impl Iterator<Item = (usize, usize, Asset)> {
    let prefix = format!("${{{ASSETS_BUCKET_PARAMETER}}}{BY_DIGEST}");
    let starts: Vec<usize> = text.match_indices(&prefix).map(|(at, found)| at + found.len()).collect();
    starts.into_iter().filter_map(move |at| {
        let digest = Digest::parse_hex(text.get(at..at + HEX)?).ok()?;
        Some((at, at + HEX, Asset { kind: AssetKind::ImageManifest, digest }))
    })
}

/// The names of assets in a text, with their byte ranges.
fn names_in(text: &str) -> impl Iterator<Item = (usize, usize, Asset)> {
    keys_in(text).chain(images_in(text))
}

/// The keys of assets in a text, with their byte ranges.
fn keys_in(text: &str) -> impl Iterator<Item = (usize, usize, Asset)> {
    ["assets/", "templates/"].into_iter().flat_map(move |prefix| {
        text.match_indices(prefix).filter_map(move |(at, _)| {
            let end = at + prefix.len() + HEX;
            let digest = text.get(at + prefix.len()..end)?;
            let rest = text.get(end..)?;
            let suffix = match prefix {
                "templates/" => ".json",
                _ if rest.starts_with(".zip") => ".zip",
                _ => "",
            };
            let asset = Asset::parse_key(&format!("{prefix}{digest}{suffix}"))?;
            rest.starts_with(suffix).then_some((at, end + suffix.len(), asset))
        })
    })
}

/// Collects the assets that a finished template names.
pub fn keys(value: &Value, named: &mut BTreeSet<Asset>) {
    match value {
        Value::String(text) => named.extend(names_in(text).map(|(_, _, asset)| asset)),
        Value::Array(items) => items.iter().for_each(|item| keys(item, named)),
        Value::Object(object) => object.values().for_each(|value| keys(value, named)),
        _ => {}
    }
}

/// Replaces the keys of assets with known sources by tokens: the inverse of [`replace`].
pub fn put_back(value: &mut Value, known: &BTreeMap<Asset, usize>) {
    match value {
        Value::String(text) => {
            let mut found: Vec<_> = names_in(text).collect();
            found.sort_by_key(|(at, ..)| *at);
            let (mut out, mut copied) = (String::new(), 0);
            for (at, end, asset) in found {
                if let Some(source) = known.get(&asset) {
                    out.push_str(&text[copied..at]);
                    out.push_str(&token(*source));
                    copied = end;
                }
            }
            if copied > 0 {
                out.push_str(&text[copied..]);
                *text = out;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, known)),
        Value::Object(object) => object.values_mut().for_each(|value| put_back(value, known)),
        _ => {}
    }
}

/// The zip of code in the package that a function or layer of a finished template names.
pub fn code_of(resource: &Value) -> Option<Asset> {
    let (code, bucket, key) = match resource.get("Type")?.as_str()? {
        "AWS::Lambda::Function" => ("Code", "S3Bucket", "S3Key"),
        "AWS::Lambda::LayerVersion" => ("Content", "S3Bucket", "S3Key"),
        "AWS::Serverless::Function" | "AWS::Serverless::WebFunction" => ("CodeUri", "Bucket", "Key"),
        "AWS::Serverless::LayerVersion" => ("ContentUri", "Bucket", "Key"),
        _ => return None,
    };
    let code = resource.get("Properties")?.get(code)?;
    let ours = code.get(bucket)?.get("Ref")?.as_str() == Some(ASSETS_BUCKET_PARAMETER);
    Asset::parse_key(code.get(key)?.as_str()?).filter(|asset| ours && asset.kind == AssetKind::Zip)
}

/// The Lambda functions of a finished template whose code is in the package, or is a container image that is named by its digest. A SAM
/// function becomes a Lambda function with the same logical id.
pub fn functions(template: &Value) -> Vec<FunctionCode> {
    let resources = template.get("Resources").and_then(Value::as_object);
    let digest = |resource: &Value| {
        let properties = resource.get("Properties")?;
        let image = match resource.get("Type")?.as_str()? {
            "AWS::Lambda::Function" => properties.pointer("/Code/ImageUri"),
            "AWS::Serverless::Function" => properties.get("ImageUri"),
            "AWS::Serverless::WebFunction" => None,
            _ => return None,
        };
        image.map_or_else(|| code_of(resource).map(|asset| asset.digest), image_digest)
    };
    let functions = resources.into_iter().flatten();
    let mut functions: Vec<FunctionCode> = functions
        .filter_map(|(id, resource)| Some(FunctionCode { logical_id: id.clone(), asset: digest(resource)? }))
        .collect();
    functions.sort();
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_keys_wherever_they_stand() {
        let asset = Asset { kind: AssetKind::File, digest: Digest::of(b"x") };
        let mut value = json!([token(0), format!("a{}b{}", token(0), token(0)), "plain"]);
        replace(&mut value, &|source| (source == 0).then_some(asset)).unwrap();
        let key = asset.key();
        assert_eq!(value, json!([key, format!("a{key}b{key}"), "plain"]));
        assert_eq!(replace(&mut json!(token(7)), &|_| None), Err(7));
    }

    #[test]
    fn keys_become_tokens_again() {
        let asset = |kind| Asset { kind, digest: Digest::of(b"x") };
        let all = [AssetKind::File, AssetKind::Zip, AssetKind::Template, AssetKind::ImageManifest].map(asset);
        let mut image = image_uri(3);
        replace(&mut image, &|_| Some(all[3])).unwrap();
        let finished = json!({"a": format!("s3://b/{}", all[0].key()), "b": [all[1].key(), format!("{}{}", all[2].key(), all[1].key())], "c": image});
        let mut named = BTreeSet::new();
        keys(&finished, &mut named);
        assert_eq!(named, BTreeSet::from(all));
        let known = all.into_iter().enumerate().map(|(n, asset)| (asset, n)).collect();
        let mut value = finished.clone();
        put_back(&mut value, &known);
        assert_eq!(
            value,
            json!({"a": format!("s3://b/{}", token(0)), "b": [token(1), format!("{}{}", token(2), token(1))], "c": image_uri(3)})
        );
        replace(&mut value, &|source| all.get(source).copied()).unwrap();
        assert_eq!(value, finished);
    }
}
