//! Deploys packages of real tools to two stages and three regions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab reads its environment")]

use flotilla_cli::packing::Packing;
use flotilla_domain::Digest;
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::everywhere::{Everywhere, deploy, package_folders};
use flotilla_lab::samples::fixture;
use std::path::{Path, PathBuf};

const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-southeast-2"];

/// Deploys every package below these folders to all regions; prints a line for each.
async fn deploy_all(below: &[PathBuf], regions: &[&str]) {
    let world =
        World::start(regions, &["--step-timeout-s", "20", "--ingest-timeout-s", "20"], true).await.unwrap();
    let mut wrong = Vec::new();
    let folders = below.iter().flat_map(|below| package_folders(below).unwrap());
    for (n, folder) in folders.enumerate() {
        // `broken` is a package that must fail in CloudFormation.
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("broken") {
            continue;
        }
        let shown = folder.iter().rev().take(2).collect::<Vec<_>>();
        let shown = shown.iter().rev().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        match deploy(&world, ACCOUNT, regions, &format!("app-{n}"), &folder).await {
            Ok(Everywhere::Deployed { digest, stages, targets }) => {
                println!("{shown}: {} to {}, {targets} targets", &digest[..12], stages.join(" and "));
            }
            Ok(Everywhere::Refused(refusal)) => {
                println!("{shown}: refused {refusal}, fix: {}", refusal.fix);
                wrong.extend((refusal.fix.is_empty()).then(|| format!("{shown}: refused without a fix")));
            }
            Err(error) => wrong.push(format!("{shown}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_sample_runs_everywhere_with_the_same_bytes() {
    let samples = ["cdk", "cloudformation", "hello", "pair", "sam"].map(fixture);
    deploy_all(&samples, &REGIONS).await;
}

/// Packages that `scripts/real-tools` has built, or others, in the folder `FLOTILLA_PACKAGES`. Those in its folder
/// `again` were built a second time in another place, and must be the same packages.
#[tokio::test]
async fn packages_of_real_tools_run_everywhere() {
    let Some(below) = std::env::var_os("FLOTILLA_PACKAGES").map(PathBuf::from) else {
        println!("skipped: FLOTILLA_PACKAGES is not set; scripts/real-tools builds such a folder");
        return;
    };
    let (again, once): (Vec<PathBuf>, Vec<PathBuf>) = package_folders(&below)
        .unwrap()
        .into_iter()
        .partition(|folder| folder.starts_with(below.join("again")));
    for folder in again {
        let first = below.join(folder.strip_prefix(below.join("again")).unwrap());
        assert_eq!(digest(&folder), digest(&first), "{} differs when it is built again", first.display());
    }
    deploy_all(&once, &REGIONS).await;
}

fn digest(folder: &Path) -> Digest {
    let mut packing = Packing::open(folder, None).unwrap();
    packing.finish().unwrap().package.digest
}
