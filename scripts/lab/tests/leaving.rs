//! Leaving: an account and then the control plane are removed; what was deployed stays.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_lab::World;
use flotilla_lab::accounts::STAGING;
use flotilla_lab::config::for_service;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::ballast_package;
use flotilla_lab::world::{HOME, text};

const REGIONS: [&str; 2] = [HOME, "us-east-1"];

/// Whether a bucket exists in an account.
async fn bucket_exists(world: &World, account: &str, name: &str, region: &str) -> bool {
    let client = aws_sdk_s3::Client::new(&world.config_in(account, region));
    client.head_bucket().bucket(name).send().await.is_ok()
}

/// The names of the stacks of an account in a region.
async fn stacks(world: &World, account: &str, region: &str) -> Vec<String> {
    let client = aws_sdk_cloudformation::Client::new(&world.config_in(account, region));
    let found = client.describe_stacks().send().await.unwrap();
    let mut names: Vec<String> =
        found.stacks().iter().filter_map(|stack| Some(stack.stack_name()?.to_owned())).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_account_and_the_control_plane_are_removed_and_the_services_stay() {
    let world = World::start(&REGIONS, &[], true).await.expect("Flotilla");
    world.add_account(STAGING, &REGIONS).await.expect("an account");
    world.apply(&for_service(ACCOUNT, "orders", "live", &world.regions)).await.expect("a configuration");
    let done = world.push("orders", "branch/main", ballast_package(1_000, 1).unwrap()).await.expect("a push");
    assert_eq!(done.status, "succeeded", "{done:#?}");

    // Not while another account depends on it, and not without being asked.
    let early = world.run(&["uninstall", "--yes"]).await.unwrap();
    assert_eq!(early.status.code(), Some(2), "{}", text(&early));
    assert!(text(&early).contains(&format!("flotilla account remove {STAGING}")), "{}", text(&early));
    let unasked = world.remove_account(STAGING, &[]).await.unwrap();
    assert_eq!(unasked.status.code(), Some(2), "{}", text(&unasked));
    assert!(text(&unasked).contains("stack flotilla-account in eu-central-1"), "{}", text(&unasked));
    assert_eq!(stacks(&world, STAGING, HOME).await, ["flotilla-account", "flotilla-regional"]);

    let removed = world.remove_account(STAGING, &["--keep-data", "--yes"]).await.unwrap();
    assert_eq!(removed.status.code(), Some(0), "{}", text(&removed));
    assert!(
        text(&removed).contains("keep    bucket flotilla-artifacts-222233334444-us-east-1"),
        "{}",
        text(&removed)
    );
    for region in REGIONS {
        assert_eq!(stacks(&world, STAGING, region).await, [""; 0], "{region}");
        let kept = format!("flotilla-artifacts-{STAGING}-{region}");
        assert!(bucket_exists(&world, STAGING, &kept, region).await, "{kept}");
    }

    let removed = world.run(&["uninstall", "--yes"]).await.unwrap();
    assert_eq!(removed.status.code(), Some(0), "{}", text(&removed));
    for region in REGIONS {
        assert_eq!(stacks(&world, ACCOUNT, region).await, ["orders-live"], "{region}");
        let artifacts = format!("flotilla-artifacts-{ACCOUNT}-{region}");
        assert!(!bucket_exists(&world, ACCOUNT, &artifacts, region).await, "{artifacts}");
    }
    assert!(!bucket_exists(&world, ACCOUNT, &world.ingest_bucket(), HOME).await);
    let table =
        aws_sdk_dynamodb::Client::new(&world.config(HOME)).describe_table().table_name("flotilla").send();
    assert!(table.await.is_err(), "the table exists");

    let again = world.run(&["uninstall"]).await.unwrap();
    assert_eq!((again.status.code(), text(&again).trim()), (Some(0), "nothing to remove"));
}

/// Deletes every version of every object.
async fn empty(client: &aws_sdk_s3::Client, bucket: &str) {
    let found = client.list_object_versions().bucket(bucket).send().await.unwrap();
    for version in found.versions() {
        let (key, id) = (version.key().unwrap(), version.version_id().unwrap());
        client.delete_object().bucket(bucket).key(key).version_id(id).send().await.unwrap();
    }
}

#[tokio::test]
async fn an_installation_with_the_kept_data_continues_where_the_last_one_ended() {
    let world = World::start(&REGIONS, &[], true).await.expect("Flotilla");
    world.apply(&for_service(ACCOUNT, "orders", "live", &world.regions)).await.expect("a configuration");
    let package = |n| ballast_package(1_000, n).unwrap();
    let first = world.push("orders", "branch/main", package(1)).await.expect("a push");
    assert_eq!(first.status, "succeeded", "{first:#?}");
    let removed = world.run(&["uninstall", "--keep-data", "--yes"]).await.unwrap();
    assert_eq!(removed.status.code(), Some(0), "{}", text(&removed));

    // The emulator imports the table, but validates the name of a bucket that is to be imported as if it were to be created.
    for region in REGIONS {
        let client = aws_sdk_s3::Client::new(&world.config(region));
        let mut buckets = vec![format!("flotilla-artifacts-{ACCOUNT}-{region}")];
        buckets.extend((region == HOME).then(|| world.ingest_bucket()));
        for bucket in buckets {
            empty(&client, &bucket).await;
            client.delete_bucket().bucket(bucket).send().await.unwrap();
        }
    }
    let world = World::install(world.emulator, &REGIONS, &[], true).await.expect("Flotilla again");
    let doctor = world.run(&["doctor"]).await.unwrap();
    assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor));
    let releases = world.run(&["releases", "orders"]).await.unwrap();
    assert!(text(&releases).contains(&first.release.unwrap()), "{}", text(&releases));
    let second = world.push("orders", "branch/main", package(2)).await.expect("a push");
    assert_eq!(second.status, "succeeded", "{second:#?}");
}
