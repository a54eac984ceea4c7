//! Blue/green: two stacks in each region behind one domain, which is switched in all regions together, back by a hook, back by a rollback,
//! and deleted with the stage.

use super::{app, says, verified};
use flotilla_contract::config::{ConfigFile, ServiceConfigDoc};
use flotilla_contract::{ProfileConfig, RolloutView, StageView, TrafficConfig};
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::package_of;
use flotilla_lab::{World, domain};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
const DOMAIN: &str = "app.example.com";
const PATH: &str = "production";

fn config(world: &World) -> ConfigFile {
    let profile = ProfileConfig {
        traffic: Some(TrafficConfig {
            router: Some("api-mapping".into()),
            domain: Some("{service}.example.com".into()),
            path: Some("{stage}".into()),
            after: Some("{service}-{stage}-verify".into()),
            ..TrafficConfig::default()
        }),
        ..world.profile_in(ACCOUNT, &REGIONS)
    };
    app(ServiceConfigDoc::default(), profile)
}

/// A package with an HTTP API that answers with this text, and a function that verifies it.
fn package(says: &str, verifies: bool) -> Vec<u8> {
    let (mut template, code) = verified(says, verifies);
    let api = |kind: &str, properties: Value| json!({"Type": format!("AWS::ApiGatewayV2::{kind}"), "Properties": properties});
    let resources = template["Resources"].as_object_mut().unwrap();
    let name = json!({"Fn::Sub": "app-${FlotillaStage}"});
    resources.insert("Http".into(), api("Api", json!({"Name": name, "ProtocolType": "HTTP"})));
    let integration = json!({
        "ApiId": {"Ref": "Http"}, "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0",
        "IntegrationUri": {"Fn::GetAtt": ["App", "Arn"]},
    });
    resources.insert("Integration".into(), api("Integration", integration));
    let target = json!({"Fn::Sub": "integrations/${Integration}"});
    let route = json!({"ApiId": {"Ref": "Http"}, "RouteKey": "$default", "Target": target});
    resources.insert("Route".into(), api("Route", route));
    let stage = json!({"ApiId": {"Ref": "Http"}, "StageName": "$default", "AutoDeploy": true});
    resources.insert("Default".into(), api("Stage", stage));
    let permission = json!({"Type": "AWS::Lambda::Permission", "Properties": {
        "FunctionName": {"Ref": "App"}, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
        "SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Http}/*"},
    }});
    resources.insert("Permission".into(), permission);
    package_of(&template, code).unwrap()
}

fn gateway(world: &World, region: &str) -> aws_sdk_apigatewayv2::Client {
    aws_sdk_apigatewayv2::Client::new(&world.config(region))
}

/// The slot that each region's domain points at, by the name of the API.
async fn live(world: &World) -> BTreeMap<&'static str, Option<String>> {
    let mut found = BTreeMap::new();
    for region in REGIONS {
        let client = gateway(world, region);
        let mappings = client.get_api_mappings().domain_name(DOMAIN).send().await.unwrap();
        let mapping = mappings.items().iter().find(|mapping| mapping.api_mapping_key() == Some(PATH));
        let slot = match mapping {
            Some(mapping) => {
                let api = client.get_api().api_id(mapping.api_id().unwrap()).send().await.unwrap();
                api.name().unwrap().rsplit('-').next().map(str::to_owned)
            }
            None => None,
        };
        found.insert(region, slot);
    }
    found
}

#[track_caller]
fn everywhere(slot: &str) -> BTreeMap<&'static str, Option<String>> {
    REGIONS.map(|region| (region, Some(slot.to_owned()))).into()
}

/// What the domain answers.
async fn answer(world: &World) -> String {
    let request = reqwest::Client::new().get(format!("{}/{PATH}/", world.emulator.endpoint()));
    let reply = request.header("host", DOMAIN).send().await.unwrap();
    let status = reply.status();
    let body = reply.text().await.unwrap();
    assert!(status.is_success(), "{status}: {body}");
    body
}

async fn stage(world: &World) -> StageView {
    world.api().get("/v1/services/app/stages/production").await.unwrap()
}

/// Uploads a package, and waits until its slot has the traffic everywhere; answers the rollout, and how long the switch took.
async fn switched(world: &World, package: Vec<u8>, slot: &str) -> String {
    let version = world.upload("incoming/app/branch/main/bad.zip", package).await.unwrap();
    let upload = world.verdict(Some("app"), &version, Duration::from_secs(30)).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while live(world).await != everywhere(slot) {
        assert!(Instant::now() < deadline, "{:?}\n{}", live(world).await, world.emulator.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    upload.rollout.unwrap_or_else(|| panic!("{:?}", upload.refusal))
}

#[tokio::test]
async fn a_domain_is_switched_from_blue_to_green_and_back() {
    let options = ["--step-timeout-s", "20", "--traffic-domains", "*.example.com"];
    let world = World::start(&REGIONS, &options, true).await.unwrap();
    for region in REGIONS {
        let certificate =
            format!("arn:aws:acm:{region}:{ACCOUNT}:certificate/11111111-2222-3333-4444-555555555555");
        domain::create(&world.config(region), DOMAIN, &certificate).await.unwrap();
    }
    world.apply(&config(&world)).await.unwrap();
    let first = world.push("app", "branch/main", package("one", true)).await.unwrap();
    assert_eq!(first.status, "succeeded", "{first:#?}");
    assert_eq!((live(&world).await, answer(&world).await.as_str()), (everywhere("blue"), "one"));

    let second = world.push("app", "branch/main", package("two", true)).await.unwrap();
    assert_eq!(second.status, "succeeded", "{second:#?}");
    assert_eq!((live(&world).await, answer(&world).await.as_str()), (everywhere("green"), "two"));
    assert!(second.deployments.iter().all(|d| d.stack == "app-production-green"), "{second:#?}");
    says(&world, &["rollout", &second.id]).await;
    let status = says(&world, &["status", "app"]).await;
    assert!(status.contains("green, live") && status.contains("blue, idle"), "{status}");

    // One that turns out to be broken once it has the traffic gives it back in every region.
    let bad = switched(&world, package("three", false), "blue").await;
    let since = Instant::now();
    let deadline = since + Duration::from_secs(120);
    while live(&world).await != everywhere("green") {
        assert!(Instant::now() < deadline, "{}", world.emulator.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "the traffic of {} regions was back {:?} after the switch, most of it for the hook",
        REGIONS.len(),
        since.elapsed()
    );
    assert_eq!(answer(&world).await, "two");
    let end = world.end_of(&bad, Duration::from_secs(90)).await.unwrap();
    let cause = end.cause.as_ref().unwrap();
    assert_eq!((end.status.as_str(), cause.code.as_str()), ("failed", "FL0551"), "{end:#?}");
    assert!(cause.message.contains("app-production-blue-verify"), "the function of the slot: {cause:?}");

    // What somebody else has switched is noted, and not updated while it has the traffic.
    elsewhere(&world, REGIONS[1]).await;
    let noted = world.push("app", "branch/main", package("four", true)).await.unwrap();
    assert_eq!(
        (noted.status.as_str(), noted.cause.as_ref().unwrap().code.as_str()),
        ("failed", "FL0556"),
        "{noted:#?}"
    );
    let id = says(&world, &["retry", &noted.id, "--no-follow", "--json"]).await;
    let id = serde_json::from_str::<RolloutView>(&id).unwrap().id;
    let end = world.end_of(&id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(end.status, "succeeded", "{end:#?}");
    let slots: BTreeMap<&str, Option<String>> =
        [(REGIONS[0], Some("blue".to_owned())), (REGIONS[1], Some("green".to_owned()))].into();
    assert_eq!((live(&world).await, answer(&world).await.as_str()), (slots, "four"));

    // A rollback needs no update of a stack that still runs the release.
    let since = Instant::now();
    let rolled_back =
        says(&world, &["rollback", "app", "--stage", "production", "--no-follow", "--json"]).await;
    let id = serde_json::from_str::<RolloutView>(&rolled_back).unwrap().id;
    let end = world.end_of(&id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(end.status, "succeeded", "{end:#?}");
    println!("rolled back after {:?}", since.elapsed());
    assert_eq!(answer(&world).await, "two");

    let removed =
        says(&world, &["remove", "app", "--stage", "production", "--yes", "--no-follow", "--json"]).await;
    let id = serde_json::from_str::<RolloutView>(&removed).unwrap().id;
    let end = world.end_of(&id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(end.status, "succeeded", "{end:#?}");
    assert!(live(&world).await.values().all(Option::is_none), "the mappings are deleted");
    assert!(stage(&world).await.targets.is_empty(), "no stack is left");
}

/// Lets the domain of a region point at the other slot.
async fn elsewhere(world: &World, region: &str) {
    let client = gateway(world, region);
    let apis = client.get_apis().send().await.unwrap();
    let blue = apis.items().iter().find(|api| api.name() == Some("app-production-blue")).unwrap();
    let mappings = client.get_api_mappings().domain_name(DOMAIN).send().await.unwrap();
    let mapping = mappings.items()[0].api_mapping_id().unwrap().to_owned();
    let update = client.update_api_mapping().domain_name(DOMAIN).api_mapping_id(mapping);
    update.api_id(blue.api_id().unwrap()).stage("$default").send().await.unwrap();
}
