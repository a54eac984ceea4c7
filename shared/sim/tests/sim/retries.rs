//! Doing again what a rollout did not bring about.

use flotilla_contract::{ProfileConfig, WaveConfig};
use flotilla_domain::deployment::{Drift, StackPolicy};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{RolloutId, ServiceName, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::ports::Key;
use flotilla_engine::records::{Record, read, rollout_key, stage_key};
use flotilla_engine::rollout::RetryOptions;
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;

const REGION: &str = "eu-west-1";

fn world() -> World {
    World::new(1, &[&[REGION]])
}

/// Whether a retry is refused because of what the rollout is now.
#[track_caller]
fn conflicts(answer: Result<String, EngineError>) -> bool {
    match answer.unwrap_err() {
        EngineError::Conflict(conflict) => conflict.refusal.code.to_string() == "FL0409",
        other => panic!("{other}"),
    }
}

/// A value as it is stored.
fn saved<T: Record>(world: &World, key: Key) -> T {
    let found = block_on(world.step_ports().store.get(&[key])).unwrap().remove(0);
    read::<T>(found.unwrap()).unwrap().value
}

fn rollout(world: &World, id: &str) -> Rollout {
    saved(world, rollout_key(&RolloutId::parse(id).unwrap()))
}

#[test]
fn only_the_newest_rollout_that_has_ended_badly_is_tried_again() {
    let mut world = world();
    let word = RetryOptions::default();
    let good = world.upload("branch/main", "one");
    let good = world.end_of(&good).id;
    assert!(conflicts(world.retry(&good, &word)), "it succeeded");
    world.behaves(REGION, Behaviour::Refuses("Template error".into()));
    let failed = world.upload("branch/main", "two");
    let failed = world.end_of(&failed).id;
    let second = world.retry(&failed, &word).unwrap();
    assert!(conflicts(world.retry(&failed, &word)), "a newer one has come");
    assert!(conflicts(world.retry(&second, &word)), "it has not ended");
    world.end_of_rollout(&second);
    world.behaves(REGION, Behaviour::Works);
    let third = world.retry(&second, &word).unwrap();
    let end = world.end_of_rollout(&third);
    assert_eq!((end.status.as_str(), end.retry_of), ("succeeded", Some(failed)), "it knows the first one");
}

#[test]
fn an_operators_word_goes_as_far_as_it_says() {
    let policy = |drift: Option<&str>, word: RetryOptions| -> StackPolicy {
        let profile = ProfileConfig {
            regions: vec![REGION.into()],
            drift: drift.map(str::to_owned),
            ..ProfileConfig::default()
        };
        let mut world = World::with(3, profile);
        world.behaves(REGION, Behaviour::Refuses("Template error".into()));
        let version = world.upload("branch/main", "one");
        let failed = world.end_of(&version).id;
        let retry = world.retry(&failed, &word).unwrap();
        rollout(&world, &retry).policy
    };
    let none = RetryOptions::default;
    let plain = policy(Some("refuse"), none());
    assert_eq!((plain.drift, plain.force_delete), (Drift::Refuse, false));
    assert!(policy(None, RetryOptions { force: true, ..none() }).force_delete);
    let accepted = || RetryOptions { accept_drift: true, ..none() };
    assert_eq!(policy(Some("refuse"), accepted()).drift, Drift::Revert);
    assert_eq!(policy(None, accepted()).drift, Drift::Ignore, "nobody looks, nothing is changed back");
    let skip = RetryOptions { skip: ["Queue".to_owned()].into(), ..none() };
    assert_eq!(policy(None, skip.clone()).skip_resources, skip.skip);
}

#[test]
fn a_retry_after_a_way_back_begins_where_it_went_back() {
    let waves = [[REGION], ["us-east-1"], ["ap-south-1"]];
    let profile = ProfileConfig {
        waves: waves.map(|wave| WaveConfig::Regions(wave.map(str::to_owned).into())).into(),
        on_failure: Some("revert".into()),
        ..ProfileConfig::default()
    };
    let mut world = World::with(4, profile);
    let first = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&first).status, "succeeded");
    world.behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    let version = world.upload("branch/main", "two");
    let end = world.end_of(&version);
    assert_eq!(end.status, "reverted");
    world.behaves("us-east-1", Behaviour::Works);
    let retry = world.retry(&end.id, &RetryOptions::default()).unwrap();
    let regions: Vec<String> =
        world.end_of_rollout(&retry).deployments.into_iter().map(|d| d.region).collect();
    assert_eq!(regions, ["eu-west-1", "us-east-1", "ap-south-1"]);
    assert_eq!(world.stage("staging").stable, world.verdict(&version).unwrap().release);
}

#[test]
fn a_retry_of_what_stopped_half_way_leaves_what_succeeded_alone() {
    let mut world = World::new(6, &[&[REGION], &["us-east-1"], &["ap-south-1"]]);
    world.behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    let version = world.upload("branch/main", "one");
    let end = world.end_of(&version);
    assert_eq!(end.status, "failed");
    world.behaves("us-east-1", Behaviour::Works);
    let retry = world.retry(&end.id, &RetryOptions::default()).unwrap();
    let regions: Vec<String> =
        world.end_of_rollout(&retry).deployments.into_iter().map(|d| d.region).collect();
    assert_eq!(regions, ["us-east-1", "ap-south-1"]);
    assert_eq!(world.stage("staging").stable, world.verdict(&version).unwrap().release);
}

#[test]
fn a_removal_is_tried_again_as_a_whole_by_whoever_asks() {
    let mut world = World::new(5, &[&[REGION, "us-east-1"]]);
    let version = world.upload("pr/7", "one");
    world.end_of(&version);
    world.behaves(REGION, Behaviour::Protected).jump(25);
    world.until("the removal fails", |w| w.causes_of_removals().iter().any(|cause| cause.0 == "FL0522"));
    let (service, stage) = (ServiceName::parse("orders").unwrap(), StageName::parse("pr-7").unwrap());
    let newest =
        |world: &World| saved::<StageHead>(world, stage_key(&service, &stage)).newest.unwrap().to_string();
    let id = newest(&world);
    world.until("its end", |w| w.rollout_by_id(&id).ended);
    world.behaves(REGION, Behaviour::Works);
    let retry = world.retry(&id, &RetryOptions::default()).unwrap();
    let end = world.end_of_rollout(&retry);
    assert_eq!((end.kind.as_str(), end.status.as_str()), ("remove", "succeeded"));
    assert!(end.requested_by.ends_with("user/ann"), "{}", end.requested_by);
    assert_eq!(world.stack(REGION, "pr-7"), None);
    assert!(world.stage("pr-7").targets.is_empty());
}
