//! A rollout's own steps: when it sleeps, what ends it before it has begun, and what its timeline says.

use flotilla_contract::{EventView, ProfileConfig, WaveConfig};
use flotilla_domain::RolloutId;
use flotilla_engine::ports::{ErrorKind, PortError, Subject};
use flotilla_engine::rollout::Control;
use flotilla_engine::status::PageRequest;
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;

const WAVES: [&str; 2] = ["eu-west-1", "us-east-1"];

fn world(change: impl FnOnce(&mut ProfileConfig)) -> World {
    let waves = WAVES.map(|region| WaveConfig::Regions(vec![region.to_owned()])).into();
    let mut profile = ProfileConfig { waves, ..ProfileConfig::default() };
    change(&mut profile);
    World::with(1, profile)
}

fn is(version: &str, status: &str) -> impl Fn(&World) -> bool {
    move |world| world.rollout(version).is_some_and(|rollout| rollout.status == status)
}

/// What a rollout's timeline says beyond names, in order.
fn details(world: &World, id: &str) -> Vec<String> {
    let page = PageRequest { cursor: None, limit: 100 };
    let events = block_on(world.api().1.events(&RolloutId::parse(id).unwrap(), page)).unwrap().items;
    let of_rollout = |event: &EventView| event.target.is_none();
    let line = |event: EventView| format!("{}: {}", event.what, event.detail.unwrap_or_default());
    events.into_iter().filter(of_rollout).map(line).collect()
}

#[test]
fn a_wave_bakes_as_long_as_it_should_and_nobody_polls() {
    let mut world = world(|profile| profile.bake = Some("10m".into()));
    let version = world.upload("branch/main", "one");
    world.until("it bakes", is(&version, "baking"));
    let (began_ms, sent) = (world.now_ms(), world.calls("sqs:SendMessageBatch"));
    world.until("the next wave", is(&version, "rolling"));
    let baked_s = (world.now_ms() - began_ms) / 1_000;
    assert!((600..605).contains(&baked_s), "{baked_s} s");
    assert!(world.calls("sqs:SendMessageBatch") - sent <= 4);
    let id = world.rollout(&version).unwrap().id;
    assert_eq!(world.end_of(&version).status, "succeeded");
    let told: Vec<String> = details(&world, &id).into_iter().filter(|line| line.contains("wave")).collect();
    let expected =
        ["rolling: wave 1 of 2", "baking: wave 1 of 2", "rolling: wave 2 of 2", "baking: wave 2 of 2"];
    assert_eq!(told, expected);
}

#[test]
fn a_tick_that_comes_while_it_bakes_changes_nothing_and_one_that_was_lost_is_made_up_for() {
    let mut world = world(|profile| profile.bake = Some("40m".into()));
    let version = world.upload("branch/main", "one");
    world.until("it bakes", is(&version, "baking"));
    world.drop_messages();
    let work = |world: &World| {
        ["sqs:SendMessageBatch", "dynamodb:TransactWriteItems"].map(|operation| world.calls(operation))
    };
    let id = RolloutId::parse(&world.rollout(&version).unwrap().id).unwrap();
    let controllers = world.controllers();
    block_on(controllers.tick(&Subject::Rollout(id))).unwrap();
    let before = work(&world);
    for wait_ms in [0, 300_000] {
        world.wait_ms(wait_ms);
        block_on(controllers.tick(&Subject::Rollout(id))).unwrap();
        assert_eq!(work(&world), before, "the one that was sent is still to come");
    }
    // SQS takes a quarter of an hour: it is due, and did not come.
    world.wait_ms(605_000);
    block_on(controllers.tick(&Subject::Rollout(id))).unwrap();
    let after = work(&world);
    assert!(after[0] > before[0] && after[1] == before[1] + 1, "{before:?}, then {after:?}");
    world.until("the next wave", is(&version, "rolling"));
}

#[test]
fn what_has_not_begun_or_only_bakes_is_called_off_at_once() {
    let mut baking = world(|profile| profile.bake = Some("10m".into()));
    let version = baking.upload("branch/main", "one");
    baking.until("it bakes", is(&version, "baking"));
    let (id, began_ms) = (baking.rollout(&version).unwrap().id, baking.now_ms());
    baking.cancel(&id).unwrap();
    assert_eq!(baking.end_of(&version).status, "cancelled");
    assert!(baking.now_ms() - began_ms < 5_000);

    let mut copying = world(|_| {});
    copying.refuses("s3:CopyObject", ErrorKind::Transient, "503 Slow Down");
    let version = copying.upload("branch/main", "one");
    copying.until("it copies", is(&version, "replicating"));
    let (id, began_ms) = (copying.rollout(&version).unwrap().id, copying.now_ms());
    copying.control(&id, Control::Cancel { stop_running: true }).unwrap();
    assert_eq!(copying.end_of(&version).status, "cancelled");
    assert!(copying.now_ms() - began_ms < 5_000);
    assert_eq!(copying.stack("eu-west-1", "staging"), None);
}

#[test]
fn a_role_that_cannot_be_assumed_is_tried_again_for_two_minutes_after_its_registration() {
    let denied = || PortError::new(ErrorKind::Denied, "sts:AssumeRole", "AccessDenied: not authorized");
    for operation in ["s3:CopyObject", "cloudformation:DescribeStacks"] {
        let mut world = world(|_| {});
        world.fails(operation, denied());
        let version = world.upload("branch/main", "one");
        world.until("it was refused twice", |w| w.calls(operation) > 2);
        world.allows(operation);
        assert_eq!(world.end_of(&version).status, "succeeded", "{operation}");
        world.wait_ms(120_000);
        world.fails(operation, denied());
        let version = world.upload("branch/main", "two");
        let end = world.end_of(&version);
        assert_eq!(
            (end.status.as_str(), end.cause.unwrap().code.as_str()),
            ("failed", "FL0306"),
            "{operation}"
        );
    }
}

#[test]
fn a_newer_upload_does_not_wait_for_copies_that_nobody_needs_any_more() {
    let mut world = world(|_| {});
    world.refuses("s3:CopyObject", ErrorKind::Transient, "503 Slow Down");
    let first = world.upload("branch/main", "one");
    world.until("it copies", is(&first, "replicating"));
    let second = world.upload("branch/main", "two");
    world.until("the first is put out", is(&first, "superseded"));
    world.allows("s3:CopyObject");
    assert_eq!(world.end_of(&second).status, "succeeded");
    let ids = [&first, &second].map(|version| world.rollout(version).unwrap().id);
    assert!(details(&world, &ids[0]).contains(&format!("superseded: by {}", ids[1])));
}

#[test]
fn the_timeline_says_why_a_rollout_goes_back_and_how_it_ended() {
    let mut world = world(|profile| profile.on_failure = Some("revert".into()));
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    world.behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    let second = world.upload("branch/main", "two");
    let end = world.end_of(&second);
    assert_eq!(end.status, "reverted");
    let told = details(&world, &end.id);
    let said = |what: &str| told.iter().filter(|line| line.starts_with(what)).collect::<Vec<_>>();
    assert_eq!(said("reverting:").len(), 1, "the steps of a revert are one entry");
    assert!(said("reverting:")[0].contains("Template error"), "{told:?}");
    assert!(said("reverted: FL05")[0].contains("Template error"), "{told:?}");
    let third = world.upload("branch/main", "three");
    assert_eq!(world.end_of(&third).status, "reverted");
    world.behaves("us-east-1", Behaviour::Works);
    let again = world.upload("branch/main", "four");
    assert_eq!(world.end_of(&again).status, "succeeded");
}

#[test]
fn there_is_no_way_back_to_what_failed_itself_or_to_nothing() {
    let mut world = world(|profile| profile.on_failure = Some("revert".into()));
    world.behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    let first = world.upload("branch/main", "one");
    let end = world.end_of(&first);
    assert_eq!((end.status.as_str(), end.reverts_to), ("failed", None), "nothing was stable before");
    world.behaves("us-east-1", Behaviour::Works);
    let second = world.upload("branch/main", "two");
    let stable = world.end_of(&second).release.unwrap();
    world.behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    world.tamper("us-east-1", "staging");
    let again = world.start(&stable, "staging").unwrap();
    let end = world.end_of_rollout(&again);
    assert_eq!((end.status.as_str(), end.reverts_to), ("failed", None), "it is what failed");
}
