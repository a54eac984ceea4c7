//! Twenty regions: the AWS calls of a promotion and a rollback when all regions have the package.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab measures real time")]

use flotilla_contract::RolloutView;
use flotilla_contract::config::{ConfigFile, RuleConfig, ServiceConfigDoc};
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::ballast_package;
use flotilla_lab::world::text;
use flotilla_lab::{World, calls};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const REGIONS: [&str; 20] = [
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-south-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];
const LONG: Duration = Duration::from_secs(180);
/// The calls that move bytes, by their names in the emulator. A copy and a part also count as `PutObject`.
const MOVES: [&str; 2] = ["s3:PutObject", "s3:CreateMultipartUpload"];

fn config(world: &World) -> ConfigFile {
    let rule = |git_ref: &str, stage: &str| RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.into(),
        profile: "everywhere".into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    let rules = vec![rule("branch:main", "staging"), rule("tag:*", "production")];
    ConfigFile {
        services: [("app".to_owned(), ServiceConfigDoc { rules, ..ServiceConfigDoc::default() })].into(),
        profiles: [("everywhere".to_owned(), world.profile_in(ACCOUNT, &REGIONS))].into(),
        ..ConfigFile::default()
    }
}

/// Runs a command that starts a rollout, waits until it ends and checks that no bytes were copied. Answers the time
/// until every region executes its change set.
async fn without_a_copy(world: &World, seen: &mut BTreeSet<String>, args: &[&str]) -> Duration {
    let pushed = calls::operations(world, seen).await.unwrap();
    assert!(args[0] != "promote" || pushed.contains_key(MOVES[0]), "the push is not counted: {pushed:?}");
    let asked = Instant::now();
    let output = world.run(&[args, &["--no-follow", "--json"]].concat()).await.unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    let started: RolloutView = serde_json::from_slice(&output.stdout).unwrap();
    let path = format!("/v1/rollouts/{}", started.id);
    let executing = loop {
        let rollout: RolloutView = world.api().get(&path).await.unwrap();
        if rollout.deployments.iter().all(|d| d.changed.is_some() || d.status == "executing") {
            break asked.elapsed();
        }
        assert!(!rollout.ended && asked.elapsed() < LONG, "{rollout:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let end = world.end_of(&started.id, LONG).await.unwrap();
    assert_eq!((end.status.as_str(), end.deployments.len()), ("succeeded", REGIONS.len()), "{end:#?}");
    let made = calls::operations(world, seen).await.unwrap();
    let moved: Vec<_> = made.iter().filter(|(name, _)| MOVES.contains(&name.as_str())).collect();
    assert!(moved.is_empty(), "{args:?} moved bytes: {moved:?}");
    println!("{}: {made:?}", args[0]);
    executing
}

#[tokio::test]
async fn a_promotion_and_a_rollback_of_twenty_regions_move_no_bytes() {
    let args = ["--step-timeout-s", "20", "--ingest-timeout-s", "20"];
    let world = World::start(&REGIONS, &args, true).await.unwrap();
    world.apply(&config(&world)).await.unwrap();
    let (mut seen, promote) =
        (BTreeSet::new(), ["promote", "app", "--from", "staging", "--to", "production"]);
    calls::record(&world).await.unwrap();
    for version in [1, 2] {
        let package = ballast_package(200_000, version).unwrap();
        let pushed = world.push("app", "branch/main", package).await.unwrap();
        assert_eq!(pushed.status, "succeeded", "{pushed:#?}");
        let took = without_a_copy(&world, &mut seen, &promote).await;
        println!("promotion {version}: {} ms until all {} execute", took.as_millis(), REGIONS.len());
    }
    let took = without_a_copy(&world, &mut seen, &["rollback", "app", "--stage", "production"]).await;
    println!("rollback: {} ms until all {} execute", took.as_millis(), REGIONS.len());
}
