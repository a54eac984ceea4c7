//! Draining: a region gets no traffic while it is updated, and gets it back after its checks.

use crate::traffic::{REGIONS, ended, ended_of, profile};
use flotilla_contract::{ProfileConfig, RolloutView};
use flotilla_engine::rollout::RetryOptions;
use flotilla_sim::{Behaviour, World};

const NO_HOOKS: [Option<&str>; 2] = [None, None];
const STEPS: [(u8, u32); 1] = [(10, 300)];

fn of(on_failure: &str) -> ProfileConfig {
    ProfileConfig { on_failure: Some(on_failure.into()), ..profile(&[&REGIONS[..1], &REGIONS[1..]]) }
}

/// A world in which a first release runs, and whose regions have weighted records.
fn deployed(profile: &ProfileConfig, hooks: [Option<&str>; 2]) -> World {
    let mut world = World::with(7, profile.clone());
    for region in REGIONS {
        world.replies(region, "before", true, "fine").replies(region, "after", true, "fine");
    }
    world.drains(profile, &REGIONS, &STEPS, hooks);
    let first = world.upload("branch/main", "one");
    let end = ended_of(&mut world, &first);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    weights(&world, [100; 3]);
    world
}

#[track_caller]
fn weights(world: &World, expected: [u8; 3]) {
    assert_eq!(REGIONS.map(|region| world.weight(region).unwrap()), expected);
}

fn failed(end: &RolloutView) -> (&str, &str) {
    (end.status.as_str(), end.cause.as_ref().map_or("", |cause| cause.code.as_str()))
}

#[test]
fn the_regions_of_a_wave_get_no_traffic_while_they_are_updated_and_then_a_growing_share() {
    let mut world = deployed(&of("halt"), NO_HOOKS);
    let second = world.upload("branch/main", "two");
    world.until("the first drain", |w| w.weight(REGIONS[0]) == Some(0));
    weights(&world, [0, 100, 100]);
    let updated = world.calls("cloudformation:ExecuteChangeSet");
    world.until("the first update", |w| w.calls("cloudformation:ExecuteChangeSet") > updated);
    weights(&world, [0, 100, 100]);
    world.until("the first step", |w| w.weight(REGIONS[0]) == Some(10));
    world.until("the second wave", |w| w.weight(REGIONS[1]) == Some(0) && w.weight(REGIONS[2]) == Some(0));
    weights(&world, [100, 0, 0]);
    let end = ended_of(&mut world, &second);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    weights(&world, [100; 3]);
}

#[test]
fn a_region_whose_update_is_rolled_back_gets_its_traffic_back() {
    let mut world = deployed(&of("halt"), NO_HOOKS);
    world.behaves(REGIONS[0], Behaviour::RollsBack("it says no".into()));
    let second = world.upload("branch/main", "two");
    world.until("the drain", |w| w.weight(REGIONS[0]) == Some(0));
    assert_eq!(ended_of(&mut world, &second).status, "failed");
    weights(&world, [100; 3]);
}

#[test]
fn a_region_that_fails_its_hook_stays_without_traffic_until_a_retry_or_a_revert() {
    let mut world = deployed(&of("halt"), [Some("before"), None]);
    world.replies(REGIONS[0], "before", false, "broken");
    let second = world.upload("branch/main", "two");
    let end = ended_of(&mut world, &second);
    assert_eq!(failed(&end), ("failed", "FL0551"));
    weights(&world, [0, 100, 100]);
    let notes: Vec<&String> = end.deployments.iter().flat_map(|d| &d.notes).collect();
    assert!(notes.iter().any(|note| note.contains("gets no traffic")), "{notes:?}");
    world.replies(REGIONS[0], "before", true, "fine");
    let retry = world.retry(&end.id, &RetryOptions::default()).unwrap();
    let end = ended(&mut world, &retry);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    weights(&world, [100; 3]);

    let mut world = deployed(&of("revert"), [Some("before"), None]);
    world.replies(REGIONS[0], "before", false, "broken");
    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "reverted");
    weights(&world, [100; 3]);
}

#[test]
fn a_weight_that_the_profile_does_not_say_stops_the_rollout_and_is_left_alone() {
    let mut world = deployed(&of("halt"), NO_HOOKS);
    world.weigh(REGIONS[0], Some(42));
    let second = world.upload("branch/main", "two");
    assert_eq!(failed(&ended_of(&mut world, &second)), ("failed", "FL0558"));
    weights(&world, [42, 100, 100]);
    world.weigh(REGIONS[0], None);
    let third = world.upload("branch/main", "three");
    let end = ended_of(&mut world, &third);
    assert_eq!(failed(&end), ("failed", "FL0558"));
    assert!(end.cause.unwrap().message.contains("there is no weighted record"));
}

#[test]
fn a_weight_that_is_changed_while_the_region_gets_its_traffic_back_is_left_alone() {
    let mut world = deployed(&of("halt"), NO_HOOKS);
    let second = world.upload("branch/main", "two");
    world.until("the first step", |w| w.weight(REGIONS[0]) == Some(10));
    world.weigh(REGIONS[0], Some(70));
    let end = ended_of(&mut world, &second);
    assert_eq!(end.status, "failed");
    let cause = end.deployments.iter().find_map(|d| d.cause.clone()).unwrap();
    assert_eq!(cause.code, "FL0554", "it should have no traffic");
    assert!(cause.message.contains("has the weight 70, and was given 10"), "{cause:?}");
    weights(&world, [70, 100, 100]);
}

#[test]
fn a_region_that_was_left_without_traffic_stays_so_if_the_next_update_is_rolled_back() {
    let mut world = deployed(&of("halt"), [Some("before"), None]);
    world.replies(REGIONS[0], "before", false, "broken");
    let second = world.upload("branch/main", "two");
    assert_eq!(failed(&ended_of(&mut world, &second)), ("failed", "FL0551"));
    assert_eq!(world.left_drained(), [REGIONS[0]]);
    world.replies(REGIONS[0], "before", true, "fine").behaves(REGIONS[0], Behaviour::RollsBack("no".into()));
    let third = world.upload("branch/main", "three");
    assert_eq!(ended_of(&mut world, &third).status, "failed");
    weights(&world, [0, 100, 100]);
    world.behaves(REGIONS[0], Behaviour::Works);
    let fourth = world.upload("branch/main", "four");
    assert_eq!(ended_of(&mut world, &fourth).status, "succeeded");
    weights(&world, [100; 3]);
    assert_eq!(world.left_drained(), [""; 0]);
}

#[test]
fn a_weight_of_0_that_an_operator_has_set_stays() {
    let mut world = deployed(&of("halt"), NO_HOOKS);
    world.weigh(REGIONS[0], Some(0));
    let second = world.upload("branch/main", "two");
    assert_eq!(failed(&ended_of(&mut world, &second)), ("failed", "FL0558"));
    weights(&world, [0, 100, 100]);
}

#[test]
fn the_last_region_with_traffic_is_not_drained() {
    let mut world = deployed(&of("halt"), NO_HOOKS);
    world.weigh(REGIONS[1], Some(0)).weigh(REGIONS[2], Some(0));
    let second = world.upload("branch/main", "two");
    let end = ended_of(&mut world, &second);
    assert_eq!(failed(&end), ("failed", "FL0558"));
    assert!(end.cause.unwrap().message.contains("no other region has traffic"));
    weights(&world, [100, 0, 0]);
}

#[test]
fn a_rollback_does_not_wait_for_drains() {
    let mut world = deployed(&of("halt"), NO_HOOKS);
    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "succeeded");
    let id = world.roll_back(&crate::slots::rollback()).unwrap();
    let changes = world.calls("route53:ChangeResourceRecordSets");
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    assert_eq!(world.calls("route53:ChangeResourceRecordSets"), changes);
    weights(&world, [100; 3]);
}
