//! A release that goes from stage to stage by rules.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_contract::config::{ConfigFile, RuleConfig, ServiceConfigDoc};
use flotilla_contract::{CheckConfig, ProfileConfig, RolloutView, StageView};
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::{app_template, package_of, zip};
use flotilla_lab::world::text;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];

/// The stages of a service, from one to the next, and their profiles.
const CHAIN: [(&str, &str); 3] = [("test", "tested"), ("staging", "tested"), ("production", "approved")];

/// A rollout of each stage runs the tests of its own package; production also needs an approval.
fn chain(world: &World) -> ConfigFile {
    let rule = |(n, (stage, profile)): (usize, &(&str, &str))| RuleConfig {
        git_ref: ["branch:develop", "branch:main", "tag:v*"][n].into(),
        stage: (*stage).into(),
        profile: (*profile).into(),
        ttl_h: None,
        stack_name: None,
        promote_to: CHAIN.get(n + 1).map(|(next, _)| (*next).to_owned()),
    };
    let rules = CHAIN.iter().enumerate().map(rule).collect();
    let check = CheckConfig {
        output: None,
        path: None,
        status: None,
        function: Some("{service}-{stage}-verify".into()),
        within: Some("5s".into()),
    };
    let tested = ProfileConfig { checks: vec![check], ..world.profile_in(ACCOUNT, &REGIONS) };
    let approved = ProfileConfig { approvals: Some(1), ..tested.clone() };
    ConfigFile {
        services: [("chain".to_owned(), ServiceConfigDoc { rules, ..ServiceConfigDoc::default() })].into(),
        profiles: [("tested".to_owned(), tested), ("approved".to_owned(), approved)].into(),
        ..ConfigFile::default()
    }
}

/// A package whose function tests it: at the stage, this is its reply.
fn tested_package(reply: &str) -> Vec<u8> {
    let mut template = app_template();
    template["Parameters"] = json!({"FlotillaStage": {"Type": "String"}});
    template["Resources"]["App"]["Properties"]["FunctionName"] =
        json!({"Fn::Sub": "chain-${FlotillaStage}-verify"});
    let code = format!("def handler(event, context):\n    return {reply}\n");
    package_of(&template, zip(&[("app.py", code.into_bytes())]).unwrap()).unwrap()
}

/// The rollout of a stage, once there is one.
async fn rollout_at(world: &World, stage: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = world.api().get::<StageView>(&format!("/v1/services/chain/stages/{stage}")).await;
        let known = seen.ok().and_then(|stage| {
            stage.active.or_else(|| stage.targets.first().map(|target| target.rollout.clone()))
        });
        if let Some(rollout) = known {
            return rollout;
        }
        assert!(Instant::now() < deadline, "nothing came to {stage}\n{}", world.emulator.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_release_goes_from_stage_to_stage_by_itself_when_its_tests_pass() {
    let world = World::start(&REGIONS, &["--step-timeout-s", "20"], true).await.unwrap();
    world.apply(&chain(&world)).await.unwrap();
    let first = world.push("chain", "branch/develop", tested_package("'fine'")).await.unwrap();
    assert_eq!(
        (first.status.as_str(), first.promotes_to.as_deref()),
        ("succeeded", Some("staging")),
        "{first:#?}"
    );
    let staged = rollout_at(&world, "staging").await;
    let staged = world.end_of(&staged, Duration::from_secs(60)).await.unwrap();
    assert_eq!(
        (staged.status.as_str(), staged.requested_by.as_str()),
        ("succeeded", "upload"),
        "{staged:#?}"
    );
    let production = rollout_at(&world, "production").await;
    // It waits for a person.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !world.run(&["approve", &production]).await.unwrap().status.success() {
        assert!(
            Instant::now() < deadline,
            "{:#?}",
            world.api().get::<RolloutView>(&format!("/v1/rollouts/{production}")).await
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let end = world.end_of(&production, Duration::from_secs(60)).await.unwrap();
    assert_eq!((end.status.as_str(), &end.digest), ("succeeded", &first.digest), "{end:#?}");
    println!("{}", text(&world.run(&["rollout", &first.id]).await.unwrap()));

    // Tests that fail end the chain at their stage.
    let failing = tested_package("{}['orders']");
    let failed = world.push("chain", "branch/develop", failing).await.unwrap();
    assert_eq!(failed.cause.as_ref().map(|cause| cause.code.as_str()), Some("FL0551"), "{failed:#?}");
    let stage: StageView = world.api().get("/v1/services/chain/stages/staging").await.unwrap();
    assert!(stage.active.is_none() && stage.targets.iter().all(|target| target.rollout == staged.id));
}
