//! Runs the port contracts against the adapters on an emulator.
//!
//! `FLOTILLA_TEST_ENDPOINT` is the URL of a running endpoint with AWS's protocols, such as `http://127.0.0.1:4566`.
//! Without it, `FLOTILLA_MINISTACK` is started. Without both, the tests are skipped with a message.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab measures real time and reads its environment")]

mod bench;
mod setup;

use bench::AwsBench;
use flotilla_sim::contract;

#[tokio::test]
async fn the_table_keeps_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::state_store(&*bench.aws.store(), &bench).await;
}

#[tokio::test]
async fn the_queues_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::work_queue(&*bench.aws.queue(), &bench).await;
}

#[tokio::test]
async fn the_ingest_bucket_keeps_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::package_store(&*bench.aws.packages(), &bench).await;
}

#[tokio::test]
async fn the_artifact_buckets_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::replica_store(&*bench.aws.replicas(), &*bench.aws.packages(), &bench).await;
}

#[tokio::test]
async fn the_buckets_of_packages_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::asset_buckets(&*bench.aws.asset_buckets(), &*bench.aws.packages(), &bench).await;
}

#[tokio::test]
async fn the_repositories_of_images_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    let (registry, stored) = (bench.aws.images(), bench.aws.stored_images());
    contract::images(&*registry, &*stored, &*bench.aws.packages(), &bench).await;
    contract::external_images(&*bench.aws.external_images(), &bench).await;
}

#[tokio::test]
async fn change_sets_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::change_sets(&*bench.aws.stacks(), &bench).await;
}

#[tokio::test]
async fn stacks_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::stacks(&*bench.aws.stacks(), &bench).await;
}

#[tokio::test]
async fn functions_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::functions(&*bench.aws.functions(), &bench).await;
}

#[tokio::test]
async fn buckets_of_previews_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::buckets(&*bench.aws.buckets(), &bench).await;
}

#[tokio::test]
async fn alarms_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::alarms(&*bench.aws.alarms(), &bench).await;
}

#[tokio::test]
async fn api_mappings_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::api_mappings(&*bench.aws.mappings(), &bench).await;
}

#[tokio::test]
async fn records_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::records(&*bench.aws.records(), &bench).await;
}

#[tokio::test]
async fn probes_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    contract::probes(&*bench.aws.probes(), &bench).await;
}

#[tokio::test]
async fn rules_keep_the_contract() {
    let Some(bench) = AwsBench::start().await else { return };
    if bench.make_guard().await {
        contract::policies(&*bench.aws.policies(), &*bench.aws.packages()).await;
    }
}

#[test]
fn the_systems_clock_keeps_the_contract() {
    contract::clock(&flotilla_aws::SystemClock);
}

#[test]
fn every_quirk_of_the_emulator_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/emulator.md");
    let page = std::fs::read_to_string(page).unwrap();
    for quirk in setup::MINISTACK {
        assert!(page.contains(&format!("`{quirk:?}`")), "docs/emulator.md lacks {quirk:?}");
    }
}
