//! Draining: the record of a region has the weight 0 while its stack is updated, and gets it back after its hook.

use super::{app, says, verified};
use flotilla_contract::config::{ConfigFile, ServiceConfigDoc};
use flotilla_contract::{ProfileConfig, RolloutView, TrafficConfig, TrafficStepConfig, WaveConfig};
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::package_of;
use flotilla_lab::world::HOME;
use flotilla_lab::{World, zone};
use std::time::Duration;
use tokio::time::Instant;

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
const NAME: &str = "app.example.com";

fn config(world: &World, zone: &str) -> ConfigFile {
    let step = TrafficStepConfig { percent: 20, lasts: "2s".into(), requests: None };
    let profile = ProfileConfig {
        regions: Vec::new(),
        waves: REGIONS.map(|region| WaveConfig::Regions(vec![region.to_owned()])).into(),
        traffic: Some(TrafficConfig {
            router: Some("route53".into()),
            hosted_zone: Some(zone.to_owned()),
            record: Some("{service}.example.com".into()),
            record_type: Some("CNAME".into()),
            steps: vec![step],
            before: Some("{service}-{stage}-verify".into()),
            ..TrafficConfig::default()
        }),
        ..world.profile_in(ACCOUNT, &REGIONS)
    };
    app(ServiceConfigDoc::default(), profile)
}

/// The weight of each region's record, whose other properties have to stay as they were.
async fn weights(world: &World, zone: &str) -> [i64; 2] {
    let dns = aws_sdk_route53::Client::new(&world.config(HOME));
    let listed = dns.list_resource_record_sets().hosted_zone_id(zone).send().await.unwrap();
    REGIONS.map(|region| {
        let set =
            listed.resource_record_sets().iter().find(|set| set.set_identifier() == Some(region)).unwrap();
        assert_eq!(
            (set.ttl(), set.resource_records()[0].value()),
            (Some(1), format!("{region}.example.net").as_str())
        );
        set.weight().unwrap()
    })
}

/// Waits until the records have these weights.
async fn until(world: &World, zone: &str, expected: [i64; 2]) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while weights(world, zone).await != expected {
        assert!(Instant::now() < deadline, "{:?}\n{}", weights(world, zone).await, world.emulator.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn upload(world: &World, build: &str, verifies: bool) -> String {
    let key = format!("incoming/app/branch/main/{build}.zip");
    let (template, code) = verified(build, verifies);
    let version = world.upload(&key, package_of(&template, code).unwrap()).await.unwrap();
    let upload = world.verdict(Some("app"), &version, Duration::from_secs(30)).await.unwrap();
    upload.rollout.unwrap_or_else(|| panic!("{:?}", upload.refusal))
}

#[tokio::test]
async fn a_region_gets_no_traffic_while_it_is_updated() {
    let options = ["--step-timeout-s", "20", "--traffic-domains", "*.example.com", "--traffic-zones", "*"];
    let world = World::start(&REGIONS, &options, true).await.unwrap();
    world.allow("route53:GetChange").await.unwrap();
    let records = REGIONS.map(|region| (region, 100));
    let zone = zone::create(&world.config(HOME), NAME, 1, &records).await.unwrap();
    world.apply(&config(&world, &zone)).await.unwrap();
    let first = upload(&world, "one", true).await;
    let end = world.end_of(&first, Duration::from_secs(90)).await.unwrap();
    assert_eq!(end.status, "succeeded", "{end:#?}");

    // One region after the other: no traffic, then a fifth of it, then everything.
    let second = upload(&world, "two", true).await;
    until(&world, &zone, [0, 100]).await;
    until(&world, &zone, [20, 100]).await;
    until(&world, &zone, [100, 0]).await;
    until(&world, &zone, [100, 20]).await;
    let end = world.end_of(&second, Duration::from_secs(90)).await.unwrap();
    assert_eq!((end.status.as_str(), weights(&world, &zone).await), ("succeeded", [100, 100]), "{end:#?}");
    says(&world, &["rollout", &second]).await;

    // A region that is broken stays without traffic, and the other one has it.
    let third = upload(&world, "three", false).await;
    let end = world.end_of(&third, Duration::from_secs(120)).await.unwrap();
    let cause = end.cause.as_ref().unwrap();
    assert_eq!((end.status.as_str(), cause.code.as_str()), ("failed", "FL0551"), "{end:#?}");
    assert_eq!(weights(&world, &zone).await, [0, 100]);
    let said = says(&world, &["rollout", &third]).await;
    assert!(said.contains("gets no traffic until a rollout has succeeded there"), "{said}");

    // A rollback waits for no drain, and brings the region back.
    let since = Instant::now();
    let said = says(&world, &["rollback", "app", "--stage", "production", "--no-follow", "--json"]).await;
    let id = serde_json::from_str::<RolloutView>(&said).unwrap().id;
    let end = world.end_of(&id, Duration::from_secs(60)).await.unwrap();
    assert_eq!((end.status.as_str(), weights(&world, &zone).await), ("succeeded", [100, 100]), "{end:#?}");
    println!("rolled back after {:?}", since.elapsed());
}
