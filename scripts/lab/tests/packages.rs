//! Deploys packages of real tools to two stages and three regions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab reads its environment")]

use flotilla_cli::packing::Packing;
use flotilla_contract::config::ConfigFile;
use flotilla_contract::{
    ExternalCodeConfig, Page, ProfileConfig, RuleConfig, ServiceConfigDoc, UploadView, WaveConfig,
};
use flotilla_domain::Digest;
use flotilla_lab::World;
use flotilla_lab::config::for_service;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::everywhere::{Everywhere, deploy, package_folders};
use flotilla_lab::samples::fixture;
use flotilla_lab::world::{HOME, text};
use flotilla_sim::zip_of;
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

/// A vendor's bucket in the control plane's region, from which ingest may read.
#[tokio::test]
async fn code_of_a_vendor_is_fetched_and_runs_everywhere() {
    let install = ["--step-timeout-s", "20", "--external-code", "arn:aws:s3:::vendor-*/*"];
    let world = World::start(&REGIONS, &install, true).await.unwrap();
    let zip = zip_of(&[("index.js", b"exports.handler = async () => 'vendor'")]);
    let digest = Digest::of(&zip);
    let s3 = aws_sdk_s3::Client::new(&world.config(HOME));
    let here = aws_sdk_s3::types::CreateBucketConfiguration::builder();
    let here = here.location_constraint(aws_sdk_s3::types::BucketLocationConstraint::from(HOME)).build();
    let bucket = format!("vendor-{HOME}");
    s3.create_bucket().bucket(&bucket).create_bucket_configuration(here).send().await.unwrap();
    s3.put_object().bucket(&bucket).key("forwarder/3.zip").body(zip.into()).send().await.unwrap();

    let rule = RuleConfig {
        git_ref: "branch:main".into(),
        stage: "staging".into(),
        profile: "p".into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    let external_code = ExternalCodeConfig {
        bucket: "vendor-{region}".into(),
        key: "forwarder/3.zip".into(),
        version: None,
        sha256: digest.to_string(),
    };
    let mut config = ConfigFile {
        profiles: [(
            "p".to_owned(),
            ProfileConfig {
                account: ACCOUNT.into(),
                waves: vec![WaveConfig::Regions(REGIONS.map(str::to_owned).into())],
                capabilities: ["CAPABILITY_IAM".to_owned()].into(),
                ..ProfileConfig::default()
            },
        )]
        .into(),
        ..ConfigFile::default()
    };
    let mut service = ServiceConfigDoc { rules: vec![rule], ..ServiceConfigDoc::default() };
    config.services.insert("forwarder".into(), service.clone());
    world.apply(&config).await.unwrap();
    let template = zip_of(&[("template.yaml", include_bytes!("vendor.yaml"))]);
    let refused = world.push("forwarder", "branch/main", template.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("FL0225"), "the service does not name it yet: {refused}");

    service.external_code = vec![external_code];
    config.services.insert("forwarder".into(), service);
    world.apply(&config).await.unwrap();
    let rollout = world.push("forwarder", "branch/main", template).await.unwrap();
    assert_eq!(rollout.status, "succeeded", "{rollout:#?}");
    assert_eq!(rollout.deployments.len(), REGIONS.len());
    for deployment in &rollout.deployments {
        assert_eq!(deployment.code_sha256["Forwarder"], digest.to_string(), "{}", deployment.region);
    }
}

#[tokio::test]
async fn a_warning_reaches_whoever_pushes_and_whoever_asks_later() {
    let world = World::start(&[HOME], &["--step-timeout-s", "20"], true).await.unwrap();
    let mut config = for_service(ACCOUNT, "audit", "staging", &[HOME.to_owned()]);
    for profile in config.profiles.values_mut() {
        profile.capabilities.push("CAPABILITY_AUTO_EXPAND".into());
    }
    world.apply(&config).await.unwrap();
    let package = fixture("sam/.aws-sam/build");
    let push = ["push", package.to_str().unwrap(), "--service", "audit", "--ref", "branch:main"];
    let pushed = world.run(&push).await.unwrap();
    assert!(pushed.status.success() && text(&pushed).contains("FL0606"), "{}", text(&pushed));
    let releases = world.run(&["releases", "audit"]).await.unwrap();
    let page: Page<UploadView> = world.api().get("/v1/services/audit/uploads").await.unwrap();
    let rollout = world.run(&["rollout", page.items[0].rollout.as_deref().unwrap()]).await.unwrap();
    let uploads = world.run(&["uploads", "audit"]).await.unwrap();
    // A zip is not read by the command: what ingest has found comes back.
    let zip = world.emulator.folder.path().join("audit.zip");
    let packed = world.run(&["pack", package.to_str().unwrap(), "-o", zip.to_str().unwrap()]).await.unwrap();
    assert!(packed.status.success(), "{}", text(&packed));
    let of_zip =
        ["push", zip.to_str().unwrap(), "--service", "audit", "--ref", "branch:main", "--build", "zip"];
    let of_zip = world.run(&of_zip).await.unwrap();
    for shown in [releases, rollout, uploads, of_zip] {
        assert!(shown.status.success() && text(&shown).contains("FL0606"), "{}", text(&shown));
    }
}
