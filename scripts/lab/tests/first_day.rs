//! The first day with a new account of AWS.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_sqs::types::QueueAttributeName;
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

#[tokio::test]
async fn a_key_of_ones_own_encrypts_everything_and_is_kept_for_new_regions() {
    let key =
        |region: &str| format!("arn:aws:kms:{region}:{ACCOUNT}:key/mrk-1234abcd12ab34cd56ef1234567890ab");
    let emulator = Emulator::start(&program().unwrap(), None).await.expect("an emulator");
    let world = World::install(emulator, &[HOME], &["--kms-key", &key(HOME)], true).await.expect("Flotilla");
    // A later run without the option adds a region.
    let world =
        World::install(world.emulator, &[HOME, "us-east-1"], &[], true).await.expect("another region");
    // The emulator does not encrypt the buckets of a stack; their templates get the key.
    for region in [HOME, "us-east-1"] {
        let regional =
            flotilla_cli::home::parameters(&world.config(region), "flotilla-regional").await.unwrap();
        assert_eq!(regional["KmsKeyArn"], key(region));
    }
    let queues = aws_sdk_sqs::Client::new(&world.config(HOME));
    let url = queues.get_queue_url().queue_name("flotilla-tick").send().await.unwrap();
    let attributes = queues.get_queue_attributes().queue_url(url.queue_url().unwrap());
    let found = attributes.attribute_names(QueueAttributeName::All).send().await.unwrap();
    let found = found.attributes().unwrap();
    assert_eq!(found.get(&QueueAttributeName::KmsMasterKeyId), Some(&key(HOME)));
    let account = flotilla_cli::home::parameters(&world.config(HOME), "flotilla-account").await.unwrap();
    assert_eq!(account["KmsKeyArns"], format!("{},{}", key(HOME), key("us-east-1")));
    let control =
        flotilla_cli::home::parameters(&world.config(HOME), "flotilla-control-plane").await.unwrap();
    assert_eq!(control["KmsKeyArn"], key(HOME));
    world.apply(&for_service(ACCOUNT, "orders", "staging", &world.regions)).await.expect("a configuration");
    let done = world.push("orders", "branch/main", ballast_package(1_000, 1).unwrap()).await.expect("a push");
    assert_eq!(done.status, "succeeded", "{done:#?}");
    // One region's key is for one region.
    let single = format!("arn:aws:kms:{HOME}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let refused =
        world.run(&["install", "--regions", "eu-central-1,us-east-1", "--kms-key", &single]).await.unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("multi-Region key"), "{}", text(&refused));
}
