//! Sample packages.

use crate::error::{Doing, LabError};
use flotilla_package::write::{SourceFile, write_zip};
use serde::Deserialize;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The path of a sample package in shared/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("shared/fixtures").join(name);
    path.canonicalize().unwrap_or(path)
}

/// Whether Flotilla recognises a folder as a package.
pub fn is_package(folder: &Path) -> bool {
    let packing = flotilla_cli::packing::Packing::open(folder, None).ok();
    packing.is_some_and(|packing| flotilla_package::formats::recognise(&packing.listing, "").is_ok())
}

/// The service and the stage that a package was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeFor {
    /// The service's name.
    pub service: String,
    /// The stage.
    pub stage: String,
}

#[derive(Deserialize)]
struct State {
    service: StateService,
    package: StatePackage,
}

#[derive(Deserialize)]
struct StatePackage {
    #[serde(rename = "artifactDirectoryName")]
    artifact_directory: String,
}

#[derive(Deserialize)]
struct StateService {
    service: String,
}

/// Reads the service and the stage of a package folder or zip. By default, the service has the name of the file and the
/// stage is `staging`.
///
/// # Errors
/// The package cannot be read.
pub fn made_for(path: &Path) -> Result<MadeFor, LabError> {
    const MANIFEST: &str = "serverless-state.json";
    let state =
        if path.is_dir() { std::fs::read(path.join(MANIFEST)).ok() } else { from_zip(path, MANIFEST)? };
    if let Some(state) = state {
        let state: State = serde_json::from_slice(&state).doing("reading serverless-state.json")?;
        // serverless/<service>/<stage>/<time>
        let stage = state.package.artifact_directory.rsplit('/').nth(1).unwrap_or("staging").to_owned();
        return Ok(MadeFor { service: state.service.service, stage });
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("service").to_lowercase();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(MadeFor { service: name.trim_matches('-').to_owned(), stage: "staging".into() })
}

fn from_zip(path: &Path, file: &str) -> Result<Option<Vec<u8>>, LabError> {
    let zip = std::fs::read(path).doing("reading the package")?;
    let Ok(flotilla_package::zip_file::DirectoryStep::Done(directory)) =
        flotilla_package::zip_file::read_directory(
            &zip,
            zip.len() as u64,
            &flotilla_package::Limits::DEFAULT,
        )
    else {
        return Ok(None);
    };
    let found = directory
        .entries
        .iter()
        .find(|entry| entry.name == file || entry.name.ends_with(&format!("/{file}")));
    let Some(entry) = found else { return Ok(None) };
    let mut bytes = Vec::new();
    let mut reader = flotilla_package::zip_file::EntryReader::new(entry.clone());
    let range = usize::try_from(entry.header_start).unwrap_or(0)..usize::try_from(entry.end).unwrap_or(0);
    reader.push(&zip[range], |chunk| bytes.extend_from_slice(chunk)).doing("reading the package")?;
    Ok(Some(bytes))
}

/// A native package with one Python function and `bytes` of incompressible data, different for each `seed`.
///
/// # Errors
/// The zip cannot be written.
pub fn ballast_package(bytes: usize, seed: u64) -> Result<Vec<u8>, LabError> {
    package_with_outputs(bytes, seed, &serde_json::json!({}))
}

/// As [`ballast_package`], with outputs of its stack.
///
/// # Errors
/// The zip cannot be written.
pub fn package_with_outputs(
    bytes: usize,
    seed: u64,
    outputs: &serde_json::Value,
) -> Result<Vec<u8>, LabError> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let ballast: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(bytes)
    .collect();
    let code = zip(&[
        ("app.py", b"def handler(event, context):\n    return {'ok': True}\n".to_vec()),
        ("ballast.gz", ballast),
    ])?;
    let mut template = app_template();
    if outputs.as_object().is_some_and(|outputs| !outputs.is_empty()) {
        template["Outputs"] = outputs.clone();
    }
    package_of(&template, code)
}

/// A template with the function `App`, whose code is `app.zip`, and its role.
pub fn app_template() -> serde_json::Value {
    serde_json::json!({
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}},
            "App": {"Type": "AWS::Lambda::Function", "Properties": {
                "Handler": "app.handler", "Runtime": "python3.12", "Code": "app.zip",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            }},
        },
    })
}

/// A native package of a template and the zip `app.zip`.
///
/// # Errors
/// The zip cannot be written.
pub fn package_of(template: &serde_json::Value, code: Vec<u8>) -> Result<Vec<u8>, LabError> {
    zip(&[
        ("flotilla.json", br#"{"flotilla": 1, "template": "template.json"}"#.to_vec()),
        ("template.json", template.to_string().into_bytes()),
        ("app.zip", code),
    ])
}

/// A zip of files in memory.
///
/// # Errors
/// The zip cannot be written.
pub fn zip(files: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, LabError> {
    let open = |name: &str| {
        let content =
            files.iter().find(|(file, _)| *file == name).map(|(_, content)| Cursor::new(content.clone()));
        let content = content.ok_or_else(|| std::io::Error::other("no such file"))?;
        Ok(SourceFile { name: name.to_owned(), executable: false, content: Box::new(content) })
    };
    let zip = write_zip(Cursor::new(Vec::new()), files.iter().map(|(name, _)| (*name).to_owned()), open);
    Ok(zip.doing("zipping")?.into_inner())
}
