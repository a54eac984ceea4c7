//! Sets of services that use outputs of each other: the three services of the full-stack workshop, packaged with osls.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_cli::commands::pack_folder;
use flotilla_contract::config::{ConfigFile, OutputConfig, ParameterConfig, RuleConfig, ServiceConfigDoc};
use flotilla_contract::{ConsumersView, ProfileConfig, SetView};
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::fixture;
use flotilla_lab::world::text;
use flotilla_lab::{World, report};
use serde::de::DeserializeOwned;
use std::io::Cursor;
use std::time::Duration;

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
