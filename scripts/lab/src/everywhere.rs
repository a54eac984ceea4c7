//! Deploys one package folder, as a tool wrote it, to two stages and all regions, and checks that digest and bytes are
//! the same.

use crate::error::{Doing, LabError};
use crate::report::{TargetReport, targets};
use crate::{World, samples};
use flotilla_cli::commands::pack_folder;
use flotilla_cli::packing::{PackError, Packing};
use flotilla_contract::config::ConfigFile;
use flotilla_contract::{ProfileConfig, RolloutView, RuleConfig, ServiceConfigDoc, WaveConfig};
use flotilla_domain::release::package::{GIVEN_PREFIX, Package};
use flotilla_domain::release::stage_ids::with_stage;
use flotilla_domain::{Refusal, StageName};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The outcome for a folder.
#[derive(Debug)]
pub enum Everywhere {
    /// The package runs at all targets.
    Deployed {
        /// The package's digest, the same at every stage.
        digest: String,
        /// The stages that it was deployed to.
        stages: Vec<String>,
        /// The number of targets.
        targets: usize,
    },
    /// The package cannot be deployed.
    Refused(Box<Refusal>),
}

/// Deploys a package folder to the stage that it was built for, or, if it fits any, to `staging` and `production`.
///
/// # Errors
/// A rollout does not succeed, the digest differs from that of `flotilla pack`, or a function runs different bytes in
/// two regions.
pub async fn deploy(
    world: &World,
    account: &str,
    regions: &[&str],
    service: &str,
    folder: &Path,
) -> Result<Everywhere, LabError> {
    let mut packing = Packing::open(folder, None).map_err(|e| LabError(e.to_string()))?;
    let package = match packing.finish() {
        Ok(finished) => finished.package.clone(),
        Err(PackError::Refused(refusal)) => return Ok(Everywhere::Refused(refusal)),
        Err(PackError::Failed(error)) => return Err(LabError(error.to_string())),
    };
    let stages: Vec<String> = match &package.made_for {
        Some(stage) => vec![stage.to_string()],
        None => vec!["staging".into(), "production".into()],
    };
    world.apply(&config(account, regions, service, &stages, &package)).await?;
    let zip = pack_folder(folder, Cursor::new(Vec::new())).map_err(|e| LabError(e.to_string()))?.into_inner();
    let mut count = 0;
    for (stage, git_ref) in stages.iter().zip(["branch/main", "tag/v1"]) {
        let rollout = world.push(service, git_ref, zip.clone()).await?;
        check(world, &rollout, stage, &package).await?;
        count += rollout.deployments.len();
    }
    Ok(Everywhere::Deployed { digest: package.digest.to_string(), stages, targets: count })
}

/// Checks that a rollout succeeded and that its functions run the bytes of the package.
async fn check(world: &World, rollout: &RolloutView, stage: &str, package: &Package) -> Result<(), LabError> {
    let wrong = |what: String| Err(LabError(format!("{} to {stage}: {what}", rollout.service)));
    if rollout.status != "succeeded" || rollout.stage != stage {
        return wrong(format!("{} at {}: {:#?}", rollout.status, rollout.stage, rollout.deployments));
    }
    if rollout.digest.as_deref() != Some(package.digest.to_string().as_str()) {
        return wrong(format!("the digest is {:?}, expected {}", rollout.digest, package.digest));
    }
    let mut known: BTreeMap<(String, String), String> = BTreeMap::new();
    for TargetReport { region, stack, code_sha256, .. } in targets(world, rollout).await? {
        for (function, digest) in code_sha256 {
            let before = known.entry((stack.clone(), function.clone())).or_insert_with(|| digest.clone());
            if *before != digest {
                return wrong(format!("{function} of {stack} runs different bytes in {region}"));
            }
        }
    }
    let expected: usize = package.stacks.iter().map(|stack| stack.functions.len()).sum();
    if known.len() < expected {
        return wrong(format!("{} of {expected} functions run: {known:?}", known.len()));
    }
    let stage_name = StageName::parse(stage).map_err(|e| LabError(e.to_string()))?;
    for stack in &package.stacks {
        for function in &stack.functions {
            let id_there = with_stage(&function.logical_id, &stage_name);
            let runs = known.iter().filter(|((_, id), _)| *id == id_there);
            if !runs.map(|(_, digest)| digest).any(|digest| *digest == function.asset.to_string()) {
                return wrong(format!("{} does not run the package's bytes", function.logical_id));
            }
        }
    }
    Ok(())
}

fn config(
    account: &str,
    regions: &[&str],
    service: &str,
    stages: &[String],
    package: &Package,
) -> ConfigFile {
    let needed = package.stacks.iter().flat_map(|stack| &stack.parameters);
    let needed = needed.filter(|(name, has_default)| !**has_default && !name.starts_with(GIVEN_PREFIX));
    let profile = ProfileConfig {
        account: account.into(),
        waves: vec![WaveConfig::Regions(regions.iter().map(|region| (*region).to_owned()).collect())],
        capabilities: ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].map(str::to_owned).into(),
        parameters: needed.map(|(name, _)| (name.clone(), "{stage}-value".into())).collect(),
        ..ProfileConfig::default()
    };
    let rules = stages.iter().zip(["branch:main", "tag:v*"]).map(|(stage, git_ref)| RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.clone(),
        profile: service.into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    });
    ConfigFile {
        profiles: [(service.to_owned(), profile)].into(),
        services: [(
            service.to_owned(),
            ServiceConfigDoc { rules: rules.collect(), ..ServiceConfigDoc::default() },
        )]
        .into(),
        ..ConfigFile::default()
    }
}

/// The package folders at and below a folder. Folders inside of a package are not searched.
///
/// # Errors
/// A folder cannot be read.
pub fn package_folders(below: &Path) -> Result<Vec<PathBuf>, LabError> {
    if samples::is_package(below) {
        return Ok(vec![below.to_owned()]);
    }
    let mut found = Vec::new();
    let mut names: Vec<_> = std::fs::read_dir(below)
        .doing("reading the packages")?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir() && !path.ends_with("node_modules"))
        .collect();
    names.sort();
    for path in names {
        found.extend(package_folders(&path)?);
    }
    Ok(found)
}
