//! Blue/green: a stage with two stacks in each region, of which one gets the traffic of a domain.

use crate::traffic::{REGIONS, ended, ended_of, profile};
use flotilla_contract::{ProfileConfig, RolloutView};
use flotilla_domain::rollout::TrafficOrder;
use flotilla_domain::{ReleaseId, StageName};
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::{RetryOptions, Rollback};
use flotilla_sim::{Behaviour, World};

pub const NO_HOOKS: [Option<&str>; 2] = [None, None];

pub fn of(waves: &[&[&str]], on_failure: &str) -> ProfileConfig {
    ProfileConfig { on_failure: Some(on_failure.into()), ..profile(waves) }
}

/// A world in which these releases were deployed, one after the other.
pub fn deployed(profile: &ProfileConfig, hooks: [Option<&str>; 2], releases: &[&str]) -> World {
    let mut world = World::with(7, profile.clone());
    world.slots(profile, &REGIONS, hooks);
    for release in releases {
        let version = world.upload("branch/main", release);
        let end = ended_of(&mut world, &version);
        assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    }
    world
}

#[track_caller]
pub fn live(world: &World, slots: [&str; 3]) {
    for (region, slot) in REGIONS.iter().zip(slots) {
        assert_eq!(world.live_slot(region).as_deref(), Some(slot), "{region}");
    }
    // A running rollout has not saved it yet.
    if world.open_rollouts().is_empty() {
        let stage = world.stage("staging");
        for target in stage.targets {
            let at = REGIONS.iter().position(|region| *region == target.region).unwrap();
            assert_eq!(target.live, Some(target.slot.as_deref() == Some(slots[at])), "{target:?}");
        }
    }
}

/// Whether the domain points at this slot in every region.
pub fn all_are(world: &World, slot: &str) -> bool {
    REGIONS.iter().all(|region| world.live_slot(region).as_deref() == Some(slot))
}

pub fn rollback() -> Rollback {
    Rollback {
        stage: StageName::parse("staging").unwrap(),
        to: None,
        by_waves: false,
        because: None,
        allow: AllowedLosses::default(),
    }
}

pub fn failed(end: &RolloutView) -> (&str, &str) {
    (end.status.as_str(), end.cause.as_ref().map_or("", |cause| cause.code.as_str()))
}

#[test]
fn each_release_goes_to_the_slot_without_traffic_and_then_gets_it_everywhere() {
    let mut world = deployed(&of(&[&REGIONS], "halt"), NO_HOOKS, &["one"]);
    live(&world, ["blue"; 3]);
    let changes = world.calls("apigateway:CreateApiMapping");
    assert_eq!((changes, world.calls("apigateway:UpdateApiMapping")), (3, 0));
    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "succeeded");
    live(&world, ["green"; 3]);
    assert_eq!(world.calls("apigateway:UpdateApiMapping"), 3, "one for each region");
    let rollout = world.rollout(&second).unwrap();
    let stacks: Vec<&str> = rollout.deployments.iter().map(|d| d.stack.as_str()).collect();
    assert_eq!(stacks, ["orders-staging-green"; 3]);
    let third = world.upload("branch/main", "three");
    assert_eq!(ended_of(&mut world, &third).status, "succeeded");
    live(&world, ["blue"; 3]);
    // Two stacks in each region, both known.
    assert_eq!(world.stage("staging").targets.len(), 6);
}

#[test]
fn a_failing_hook_before_keeps_the_traffic_and_one_after_gives_it_back_everywhere() {
    let hooks = [Some("{service}-{stage}-before"), Some("{service}-{stage}-after")];
    let mut world = World::with(7, of(&[&REGIONS], "halt"));
    let replies = |world: &mut World, slot: &str, before: bool, after: bool| {
        for region in REGIONS {
            let broken = region == REGIONS[1];
            world.replies(region, &format!("orders-staging-{slot}-before"), before || !broken, "it says");
            world.replies(region, &format!("orders-staging-{slot}-after"), after || !broken, "it says");
        }
    };
    world.slots(&of(&[&REGIONS], "halt"), &REGIONS, hooks);
    replies(&mut world, "blue", true, true);
    let first = world.upload("branch/main", "one");
    assert_eq!(ended_of(&mut world, &first).status, "succeeded");

    replies(&mut world, "green", false, true);
    let second = world.upload("branch/main", "two");
    assert_eq!(failed(&ended_of(&mut world, &second)), ("failed", "FL0551"));
    assert_eq!(world.calls("apigateway:UpdateApiMapping"), 0, "nothing was switched");

    replies(&mut world, "green", true, false);
    let third = world.upload("branch/main", "three");
    world.until("the switch", |w| all_are(w, "green"));
    let updates = world.calls("cloudformation:ExecuteChangeSet");
    world.until("the switch back", |w| all_are(w, "blue"));
    assert_eq!(failed(&ended_of(&mut world, &third)), ("failed", "FL0551"));
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), updates, "no stack was updated for it");
    live(&world, ["blue"; 3]);

    replies(&mut world, "green", true, true);
    let retry = world.retry(&world.rollout(&third).unwrap().id, &RetryOptions::default()).unwrap();
    let end = ended(&mut world, &retry);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    live(&world, ["green"; 3]);
}

#[test]
fn a_failed_update_touches_nothing_that_has_traffic() {
    let mut world = deployed(&of(&[&REGIONS], "revert"), NO_HOOKS, &["one"]);
    world.behaves(REGIONS[1], Behaviour::RollsBack("it says no".into()));
    let second = world.upload("branch/main", "two");
    // There is nothing to revert, either.
    assert_eq!(ended_of(&mut world, &second).status, "failed");
    assert_eq!(world.calls("apigateway:UpdateApiMapping"), 0);
    live(&world, ["blue"; 3]);
}

#[test]
fn a_later_wave_that_fails_reverts_the_earlier_one_by_its_mapping() {
    let profile = of(&[&REGIONS[..1], &REGIONS[1..]], "revert");
    let mut world = deployed(&profile, NO_HOOKS, &["one"]);
    world.behaves(REGIONS[2], Behaviour::RollsBack("it says no".into()));
    let second = world.upload("branch/main", "two");
    world.until("the first wave", |w| w.live_slot(REGIONS[0]).as_deref() == Some("green"));
    let end = ended_of(&mut world, &second);
    assert_eq!(end.status, "reverted", "{:?}", end.cause);
    live(&world, ["blue"; 3]);
    let back = end.deployments.iter().find_map(|d| d.back.as_ref()).expect("one was reverted");
    assert_eq!((back.status.as_str(), back.changed), ("succeeded", Some(true)));
    assert_eq!(world.executions_max(), 1);
}

#[test]
fn a_wave_that_fails_and_halts_leaves_each_region_with_what_is_live_there() {
    let profile = of(&[&REGIONS[..1], &REGIONS[1..]], "halt");
    let mut world = deployed(&profile, NO_HOOKS, &["one"]);
    world.behaves(REGIONS[2], Behaviour::RollsBack("it says no".into()));
    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "failed");
    live(&world, ["green", "blue", "blue"]);
    world.behaves(REGIONS[2], Behaviour::Works);
    let retry = world.retry(&world.rollout(&second).unwrap().id, &RetryOptions::default()).unwrap();
    let end = ended(&mut world, &retry);
    assert_eq!((end.status.as_str(), end.deployments.len()), ("succeeded", 2), "{:?}", end.cause);
    live(&world, ["green"; 3]);
    assert_eq!(world.stage("staging").stable, end.release);
}

#[test]
fn a_rollback_switches_to_the_stack_that_is_still_there() {
    let mut world = deployed(&of(&[&REGIONS[..1], &REGIONS[1..]], "halt"), NO_HOOKS, &["one", "two"]);
    live(&world, ["green"; 3]);
    let updates = world.calls("cloudformation:ExecuteChangeSet");
    let id = world.roll_back(&rollback()).unwrap();
    let end = ended(&mut world, &id);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    live(&world, ["blue"; 3]);
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), updates, "the stacks run that release");
    assert_eq!(world.stage("staging").holds.len(), 1, "only what had the traffic is held");
}

#[test]
fn an_operator_aborts_while_it_is_verified() {
    let hooks = [None, Some("after")];
    let mut world = World::with(7, of(&[&REGIONS], "halt"));
    world.slots(&of(&[&REGIONS], "halt"), &REGIONS, hooks);
    for region in REGIONS {
        world.replies(region, "after", true, "fine");
    }
    let first = world.upload("branch/main", "one");
    assert_eq!(ended_of(&mut world, &first).status, "succeeded");
    world.replies(REGIONS[0], "after", false, "not yet");
    let second = world.upload("branch/main", "two");
    world.until("the switch", |w| all_are(w, "green"));
    let id = world.rollout(&second).unwrap().id;
    world.until("its verification", |w| w.rollout_by_id(&id).status == "checking");
    world.cancel(&id).unwrap();
    assert_eq!(ended(&mut world, &id).status, "cancelled");
    live(&world, ["blue"; 3]);
    assert!(world.traffic(&id, TrafficOrder::Abort).is_err(), "it has ended");
}

#[test]
fn a_plan_is_that_of_the_slot_without_traffic() {
    let mut world = deployed(&of(&[&REGIONS], "halt"), NO_HOOKS, &["one"]);
    let id = world.plan("staging").unwrap();
    let end = ended(&mut world, &id);
    assert_eq!(end.status, "planned", "{:?}", end.cause);
    assert!(end.deployments.iter().all(|d| d.stack == "orders-staging-green"), "{:?}", end.deployments);
    live(&world, ["blue"; 3]);
}

#[test]
fn a_domain_that_does_not_exist_fails_before_anything_is_changed() {
    let mut world = World::with(7, of(&[&REGIONS], "halt"));
    world.slots(&of(&[&REGIONS], "halt"), &REGIONS[..2], NO_HOOKS);
    let first = world.upload("branch/main", "one");
    let end = ended_of(&mut world, &first);
    assert_eq!(end.status, "failed");
    assert!(end.cause.unwrap().message.contains(REGIONS[2]));
    assert_eq!(world.stack(REGIONS[2], "staging-blue"), None);
    assert!(REGIONS.iter().all(|region| world.live_slot(region).is_none()), "no region was switched");
}

#[test]
fn a_package_of_several_stacks_is_refused() {
    let mut world = World::with(7, of(&[&REGIONS], "halt"));
    world.slots(&of(&[&REGIONS], "halt"), &REGIONS, NO_HOOKS);
    world.layered();
    let first = world.upload("branch/main", "one");
    world.until("a verdict", |w| w.verdict(&first).is_some());
    let refused = world.verdict(&first).unwrap();
    assert_eq!(refused.refusal.map(|cause| cause.code).as_deref(), Some("FL0320"));
}

#[test]
fn an_old_release_can_be_named() {
    let mut world = deployed(&of(&[&REGIONS], "halt"), NO_HOOKS, &["one"]);
    let first = world.stage("staging").stable.unwrap();
    for release in ["two", "three"] {
        let version = world.upload("branch/main", release);
        assert_eq!(ended_of(&mut world, &version).status, "succeeded");
    }
    let id = world.start(&first, "staging").unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    assert!(ReleaseId::parse(&first).is_ok());
    live(&world, ["green"; 3]);
}
