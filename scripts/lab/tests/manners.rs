//! A rollout on a busy day of AWS: each service throttles in its own words, the account's role is not known yet, and a copy is silent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_lab::emulator::{ACCOUNT, Emulator, program};
use flotilla_lab::proxy::Proxy;
use flotilla_lab::samples::ballast_package;
use flotilla_lab::world::HOME;
use flotilla_lab::{World, config, manners};
use std::time::Duration;

#[tokio::test]
async fn a_rollout_bears_every_manner_of_aws() {
    let proxy = Proxy::start().await.expect("a proxy");
    let emulator = Emulator::start(&program().unwrap(), Some(&proxy.endpoint())).await.expect("an emulator");
    proxy.forward_to(&emulator);
    let args = ["--step-timeout-s", "20", "--ingest-timeout-s", "20"];
    let world = World::install(emulator, &[HOME, "us-east-1"], &args, true).await.expect("Flotilla");
    world.apply(&config::for_service(ACCOUNT, "orders", "staging", &world.regions)).await.unwrap();
    proxy.behave(manners::of_aws());
    let package = ballast_package(1_000, 1).unwrap();
    let version = world.upload("incoming/orders/branch/main/1.zip", package).await.expect("an upload");
    let upload = world.verdict(Some("orders"), &version, Duration::from_secs(120)).await.expect("a verdict");
    let rollout = upload.rollout.expect("a rollout");
    let end = world.end_of(&rollout, Duration::from_secs(240)).await.expect("an end");
    assert_eq!(end.status, "succeeded", "{end:#?}");
    assert_eq!(proxy.unplayed(), Vec::<String>::new(), "each manner was played");
}
