//! The first day with a new account of AWS.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_lab::World;
use flotilla_lab::config::for_service;
use flotilla_lab::emulator::{ACCOUNT, Emulator, program};
use flotilla_lab::samples::ballast_package;
use flotilla_lab::world::{HOME, text};

#[tokio::test]
async fn an_account_with_a_limit_of_ten_invocations_needs_no_option_and_deploys() {
    let emulator = Emulator::start_with_limit(&program().unwrap(), None, 10).await.expect("an emulator");
    let world = World::install(emulator, &[HOME], &[], true).await.expect("Flotilla");
    let parameters =
        flotilla_cli::home::parameters(&world.config(HOME), "flotilla-control-plane").await.unwrap();
    for (name, value) in [("ReserveConcurrency", "false"), ("LowConcurrency", "true")] {
        assert_eq!(parameters.get(name).map(String::as_str), Some(value), "{name}");
    }
    world.apply(&for_service(ACCOUNT, "orders", "staging", &world.regions)).await.expect("a configuration");
    let done = world.push("orders", "branch/main", ballast_package(1_000, 1).unwrap()).await.expect("a push");
    assert_eq!(done.status, "succeeded", "{done:#?}");
    let doctor = world.run(&["doctor"]).await.unwrap();
    assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor));
    assert!(text(&doctor).contains("low; the account's limit is 10"), "{}", text(&doctor));
}
