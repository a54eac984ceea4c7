//! Sets of services that use outputs of each other: the three services of the full-stack workshop, packaged with osls. And a release that
//! goes from stage to stage by itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_cli::commands::pack_folder;
use flotilla_contract::config::{ConfigFile, OutputConfig, ParameterConfig, RuleConfig, ServiceConfigDoc};
use flotilla_contract::{CheckConfig, ConsumersView, ProfileConfig, RolloutView, SetView, StageView};
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::{app_template, fixture, package_of, zip};
use flotilla_lab::world::text;
use flotilla_lab::{World, report};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::io::Cursor;
use std::time::Duration;
use tokio::time::Instant;

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
/// The services with their folders, in reverse order of their outputs, so that each waits for the next.
const SERVICES: [(&str, &str); 3] =
    [("fullstack-tasks", "tasks"), ("fullstack-restapi", "restapi"), ("fullstack-database", "database")];

fn config(world: &World) -> ConfigFile {
    let output =
        |of: &str| ParameterConfig::Output(OutputConfig { output: of.into(), stage: None, region: None });
    let parameters = [
        ("TableName".to_owned(), output("fullstack-database.TableName")),
        ("ApiUrl".to_owned(), output("fullstack-restapi.HttpApiUrl")),
    ];
    let profile = ProfileConfig { parameters: parameters.into(), ..world.profile_in(ACCOUNT, &REGIONS) };
    let rule = |git_ref: &str, stage: &str| RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.into(),
        profile: "workshop".into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    let rules = vec![rule("branch:main", "staging"), rule("tag:*", "production")];
    let service = |(name, _): &(&str, &str)| {
        ((*name).to_owned(), ServiceConfigDoc { rules: rules.clone(), ..ServiceConfigDoc::default() })
    };
    ConfigFile {
        services: SERVICES.iter().map(service).collect(),
        profiles: [("workshop".to_owned(), profile)].into(),
        ..ConfigFile::default()
    }
}

/// Runs `flotilla`; answers its JSON output.
async fn says<T: DeserializeOwned>(world: &World, args: &[&str]) -> T {
    let output = world.run(&[args, &["--json"]].concat()).await.unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", text(&output)))
}

fn order(set: &SetView) -> Vec<(usize, &str)> {
    set.members.iter().map(|member| (member.order, member.service.as_str())).collect()
}

#[tokio::test]
async fn the_workshops_services_find_their_order_and_go_to_production_and_back_as_one() {
    let args = ["--step-timeout-s", "20", "--ingest-timeout-s", "20"];
    let world = World::start(&REGIONS, &args, true).await.unwrap();
    world.apply(&config(&world)).await.unwrap();
    let mut rollouts = Vec::new();
    for (service, folder) in SERVICES {
        let folder = fixture("workshop").join(folder).join("package-flotillastage");
        let zip = pack_folder(&folder, Cursor::new(Vec::new())).unwrap().into_inner();
        let version = world.upload(&format!("incoming/{service}/branch/main/1.zip"), zip).await.unwrap();
        let upload = world.verdict(Some(service), &version, Duration::from_secs(30)).await.unwrap();
        rollouts.push(upload.rollout.unwrap_or_else(|| panic!("{:?}", upload.refusal)));
    }
    // Each rollout waits for the outputs that it needs and then continues by itself.
    for rollout in &rollouts {
        let end = world.end_of(rollout, Duration::from_secs(180)).await.unwrap();
        assert_eq!(end.status, "succeeded", "{end:#?}");
    }

    let services = SERVICES.map(|(service, _)| service);
    let to_production =
        ["promote", services[0], services[1], services[2], "--from", "staging", "--to", "production"];
    let set: SetView = says(&world, &to_production).await;
    assert_eq!(set.status, "succeeded", "{set:#?}");
    assert_eq!(order(&set), [(1, "fullstack-database"), (2, "fullstack-restapi"), (3, "fullstack-tasks")]);
    for region in REGIONS {
        let reply = report::invoke_first(&world, region, "fullstack-tasks-production").await.unwrap();
        assert!(reply.contains("fullstack-database-production") && reply.contains("https://"), "{reply}");
    }

    let consumers: ConsumersView =
        says(&world, &["consumers", "fullstack-database", "--stage", "production"]).await;
    let names: Vec<&str> = consumers.consumers.iter().map(|consumer| consumer.service.as_str()).collect();
    assert_eq!(names, ["fullstack-restapi", "fullstack-tasks"]);
    let again: SetView =
        says(&world, &["consumers", "fullstack-database", "--stage", "production", "--redeploy"]).await;
    assert_eq!((again.status.as_str(), order(&again)), ("succeeded", vec![(1, names[0]), (2, names[1])]));

    let back: SetView = says(&world, &["set", "rollback", &set.id]).await;
    assert_eq!(back.status, "succeeded", "{back:#?}");
    assert_eq!(order(&back), [(1, "fullstack-database"), (2, "fullstack-restapi"), (3, "fullstack-tasks")]);
    let shown = world.run(&["set", "show", &back.id]).await.unwrap();
    println!("{}", String::from_utf8_lossy(&shown.stdout));
    let listed = world.run(&["set", "list"]).await.unwrap();
    println!("{}", String::from_utf8_lossy(&listed.stdout));
}

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
