//! Blue/green: what went wrong, and what was changed outside of Flotilla.

use crate::slots::{NO_HOOKS, all_are, deployed, failed, live, of, rollback};
use crate::stage_removal::confirmed;
use crate::traffic::{REGIONS, ended, ended_of};
use flotilla_contract::ProfileConfig;
use flotilla_domain::AlarmState;
use flotilla_domain::rollout::TrafficOrder;
use flotilla_engine::ports::ErrorKind;
use flotilla_engine::rollout::{Control, RetryOptions};
use flotilla_sim::{Behaviour, World};

#[test]
fn a_mapping_that_another_actor_changed_is_left_alone_and_reported() {
    let mut world = deployed(&of(&[&REGIONS], "halt"), NO_HOOKS, &["one", "two"]);
    // Another actor has switched one region to the slot that would be updated next.
    world.domain_points_at(REGIONS[1], Some("blue"));
    let third = world.upload("branch/main", "three");
    assert_eq!(failed(&ended_of(&mut world, &third)), ("failed", "FL0556"));
    live(&world, ["green", "blue", "green"]);
    let retry = world.retry(&world.rollout(&third).unwrap().id, &RetryOptions::default()).unwrap();
    let end = ended(&mut world, &retry);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    live(&world, ["blue", "green", "blue"]);

    // While the stacks are updated, the mapping is pointed at an API of another service.
    let fourth = world.upload("branch/main", "four");
    world.until("the updates", |w| w.rollout(&fourth).is_some_and(|r| r.status == "rolling"));
    world.until("a stack", |w| {
        w.stack(REGIONS[0], "staging-green").is_some_and(|s| s.contains("IN_PROGRESS"))
    });
    world.domain_points_at(REGIONS[0], Some("neither"));
    assert_eq!(failed(&ended_of(&mut world, &fourth)), ("failed", "FL0556"));
    assert_eq!(world.live_slot(REGIONS[0]).as_deref(), Some("another API"), "it is left alone");
}

#[test]
fn what_cannot_be_switched_back_says_which_api_should_have_the_traffic() {
    let mut world = deployed(&of(&[&REGIONS], "halt"), [None, Some("after")], &[]);
    for region in REGIONS {
        world.replies(region, "after", true, "fine");
    }
    let first = world.upload("branch/main", "one");
    assert_eq!(ended_of(&mut world, &first).status, "succeeded");
    world.replies(REGIONS[0], "after", false, "broken");
    let second = world.upload("branch/main", "two");
    world.until("the switch", |w| all_are(w, "green"));
    world.refuses("apigateway:UpdateApiMapping", ErrorKind::Denied, "not allowed");
    let end = ended_of(&mut world, &second);
    assert_eq!(end.status, "failed");
    let cause = end.deployments.iter().find_map(|d| d.cause.clone()).expect("a cause");
    assert_eq!(cause.code, "FL0554", "{cause:?}");
    assert!(cause.fix.contains("staging.orders.example.com"), "{}", cause.fix);
    world.allows("apigateway:UpdateApiMapping");
    world.replies(REGIONS[0], "after", true, "fine");
    // The next rollout goes to the other slot.
    let third = world.upload("branch/main", "three");
    assert_eq!(ended_of(&mut world, &third).status, "succeeded");
    live(&world, ["blue"; 3]);
}

#[test]
fn a_removal_deletes_the_mapping_and_both_stacks() {
    let mut world = deployed(&of(&[&REGIONS], "halt"), NO_HOOKS, &["one", "two"]);
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    let end = ended(&mut world, &id);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    for region in REGIONS {
        assert_eq!(world.live_slot(region), None);
        for slot in ["staging-blue", "staging-green"] {
            assert_eq!(world.stack(region, slot), None, "{region} {slot}");
        }
    }
    assert_eq!(world.calls("apigateway:DeleteApiMapping"), 3, "one for each region");
}

#[test]
fn a_stage_that_was_deployed_without_slots_gets_them_and_is_rolled_back_to_its_release_before() {
    let profile = of(&[&REGIONS], "halt");
    let mut world = World::with(7, profile.clone());
    let first = world.upload("branch/main", "one");
    let one = ended_of(&mut world, &first);
    assert_eq!(one.status, "succeeded");
    world.slots(&profile, &REGIONS, NO_HOOKS);
    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "succeeded");
    live(&world, ["blue"; 3]);
    let id = world.roll_back(&rollback()).unwrap();
    let end = ended(&mut world, &id);
    assert_eq!((end.status.as_str(), &end.release), ("succeeded", &one.release), "{:?}", end.cause);
    live(&world, ["green"; 3]);
    let held: Vec<_> = world.stage("staging").holds.into_iter().map(|hold| hold.digest).collect();
    assert_eq!(held, [world.rollout(&second).unwrap().digest.unwrap()], "what had the traffic");
}

#[test]
fn a_retry_after_a_revert_switches_every_region_and_its_release_is_stable() {
    let mut world = deployed(&of(&[&REGIONS[..1], &REGIONS[1..]], "revert"), NO_HOOKS, &["one"]);
    world.behaves(REGIONS[2], Behaviour::RollsBack("it says no".into()));
    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "reverted");
    world.behaves(REGIONS[2], Behaviour::Works);
    let retry = world.retry(&world.rollout(&second).unwrap().id, &RetryOptions::default()).unwrap();
    let end = ended(&mut world, &retry);
    assert_eq!((end.status.as_str(), end.deployments.len()), ("succeeded", 3), "{:?}", end.cause);
    live(&world, ["green"; 3]);
    assert_eq!(world.stage("staging").stable, end.release);
}

#[test]
fn a_rollback_does_not_depend_on_slots_that_it_does_not_need() {
    let mut world = deployed(&of(&[&REGIONS[..1], &REGIONS[1..]], "halt"), NO_HOOKS, &["one"]);
    // The green stacks of the second wave cannot be updated.
    world.behaves(REGIONS[2], Behaviour::Refuses("no more of these".into()));
    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "failed");
    live(&world, ["green", "blue", "blue"]);
    let id = world.roll_back(&rollback()).unwrap();
    let end = ended(&mut world, &id);
    assert_eq!((end.status.as_str(), end.deployments.len()), ("succeeded", 1), "{:?}", end.cause);
    live(&world, ["blue"; 3]);
}

#[test]
fn what_cannot_be_switched_back_is_live_and_can_be_rolled_back() {
    let mut world = deployed(&of(&[&REGIONS], "halt"), [None, Some("after")], &[]);
    for region in REGIONS {
        world.replies(region, "after", true, "fine");
    }
    let first = world.upload("branch/main", "one");
    let one = ended_of(&mut world, &first);
    world.replies(REGIONS[0], "after", false, "broken");
    let second = world.upload("branch/main", "two");
    world.until("the switch", |w| all_are(w, "green"));
    world.refuses("apigateway:UpdateApiMapping", ErrorKind::Denied, "not allowed");
    assert_eq!(ended_of(&mut world, &second).status, "failed");
    live(&world, ["green"; 3]);
    world.allows("apigateway:UpdateApiMapping");
    world.replies(REGIONS[0], "after", true, "fine");
    let id = world.roll_back(&rollback()).unwrap();
    let end = ended(&mut world, &id);
    assert_eq!((end.status.as_str(), &end.release), ("succeeded", &one.release), "{:?}", end.cause);
    live(&world, ["blue"; 3]);
}

#[test]
fn a_paused_rollout_switches_nothing_and_neither_does_one_whose_alarm_is_raised() {
    let alarmed = ProfileConfig {
        alarms: vec!["errors".into()],
        rollback_triggers: Some(false),
        ..of(&[&REGIONS], "halt")
    };
    let mut world = World::with(7, alarmed.clone());
    for region in REGIONS {
        world.alarm(region, "errors", AlarmState::Ok);
    }
    world.slots(&alarmed, &REGIONS, NO_HOOKS);
    let first = world.upload("branch/main", "one");
    assert_eq!(ended_of(&mut world, &first).status, "succeeded");

    let second = world.upload("branch/main", "two");
    world.until("its updates", |w| w.rollout(&second).is_some_and(|r| r.status == "rolling"));
    let id = world.rollout(&second).unwrap().id;
    world.control(&id, Control::Pause).unwrap();
    world.wait_ms(20 * 60_000);
    live(&world, ["blue"; 3]);
    assert!(world.traffic(&id, TrafficOrder::Set(50)).is_err(), "a mapping has no percentages");
    world.control(&id, Control::Resume).unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    live(&world, ["green"; 3]);

    let third = world.upload("branch/main", "three");
    world.until("its updates", |w| w.rollout(&third).is_some_and(|r| r.status == "rolling"));
    world.alarm(REGIONS[1], "errors", AlarmState::Alarm);
    let updates = world.calls("apigateway:UpdateApiMapping");
    assert_eq!(failed(&ended_of(&mut world, &third)), ("failed", "FL0550"));
    assert_eq!(world.calls("apigateway:UpdateApiMapping"), updates, "nothing was switched");
}

#[test]
fn another_route_is_refused_and_a_removal_takes_the_one_that_is_known() {
    let profile = of(&[&REGIONS], "halt");
    let mut world = deployed(&profile, NO_HOOKS, &["one"]);
    world.put_profile(profile).unwrap();
    let second = world.upload("branch/main", "two");
    world.until("a verdict", |w| w.verdict(&second).is_some());
    let code = world.verdict(&second).unwrap().refusal.map(|refusal| refusal.code);
    assert_eq!(code.as_deref(), Some("FL0321"), "the domain would go on with what it points at");
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    assert!(REGIONS.iter().all(|region| world.live_slot(region).is_none()));
    let third = world.upload("branch/main", "three");
    assert_eq!(ended_of(&mut world, &third).status, "succeeded", "without slots");
}
