//! The port contracts, against the fakes.

use flotilla_sim::{SimBench, contract};
use futures::executor::block_on;

#[test]
fn the_fake_table_keeps_the_contract() {
    let bench = SimBench::default();
    block_on(contract::state_store(&bench.store(), &bench));
}

#[test]
fn the_fake_queues_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::work_queue(&bench.queue(), &bench));
}

#[test]
fn the_fake_ingest_bucket_keeps_the_contract() {
    let bench = SimBench::default();
    block_on(contract::package_store(&bench.packages(), &bench));
}

#[test]
fn the_fake_artifact_buckets_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::replica_store(&bench.replicas(), &bench.packages(), &bench));
}

#[test]
fn the_fake_buckets_of_packages_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::asset_buckets(&bench.asset_buckets(), &bench.packages(), &bench));
}

#[test]
fn the_fake_repositories_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::images(&bench.images(), &bench.images(), &bench.packages(), &bench));
    block_on(contract::external_images(&bench.external_images(), &bench));
}

#[test]
fn the_fake_change_sets_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::change_sets(&bench.stacks(), &bench));
}

#[test]
fn the_fake_stacks_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::stacks(&bench.stacks(), &bench));
}

#[test]
fn the_fake_functions_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::functions(&bench.functions(), &bench));
}

#[test]
fn the_fake_buckets_of_previews_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::buckets(&bench.buckets(), &bench));
}

#[test]
fn the_fake_alarms_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::alarms(&bench.alarms(), &bench));
}

#[test]
fn the_fake_api_mappings_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::api_mappings(&bench.mappings(), &bench));
}

#[test]
fn the_fake_records_keep_the_contract() {
    let bench = SimBench::default();
    block_on(contract::records(&bench.records(), &bench));
}

#[test]
fn the_fake_network_keeps_the_contract() {
    let bench = SimBench::default();
    block_on(contract::probes(&bench.probes(), &bench));
}

#[test]
fn the_fake_guard_keeps_the_contract() {
    let bench = SimBench::default();
    block_on(contract::policies(&bench.policies(), &bench.packages()));
}

#[test]
fn the_virtual_clock_keeps_the_contract() {
    contract::clock(&SimBench::default().clock());
}
