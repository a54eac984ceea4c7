//! What the schedule finds: lost ticks, previews whose end has come, uploads that nobody was told of.

use crate::meddled::{First, Meddled};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ServiceName, SignedDuration, StageName, Timestamp};
use flotilla_engine::ports::{Change, ErrorKind, PortError, Write};
use flotilla_engine::preview::{Sweep, SweepLimits, SweepReport};
use flotilla_engine::records::{Versioned, read, stage_key};
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;
use std::sync::Arc;

const REGION: &str = "eu-west-1";
const LIMITS: SweepLimits =
    SweepLimits { dry_run: false, removals_max: 20, ticks_max: 500, pages_max: 5, ahead_s: 0 };

fn world() -> World {
    World::new(1, &[&[REGION]])
}

fn head(world: &World, stage: &str) -> Versioned<StageHead> {
    let key = stage_key(&ServiceName::parse("orders").unwrap(), &StageName::parse(stage).unwrap());
    let found = block_on(world.step_ports().store.get(&[key])).unwrap().remove(0);
    read::<StageHead>(found.unwrap()).unwrap()
}

/// Sets a preview's end.
fn ends_at(world: &World, stage: &str, end: Timestamp) {
    let before = head(world, stage);
    let after = StageHead { expires_at: Some(end), ..before.value.clone() };
    block_on(world.step_ports().store.write(vec![before.write(&after, Some(end))])).unwrap();
}

fn now(world: &World) -> Timestamp {
    Timestamp::from_millisecond(world.now_ms()).unwrap()
}

/// So many rollouts whose ticks are lost, half an hour ago.
fn lost(count: usize) -> World {
    let mut world = world();
    world.behaves(REGION, Behaviour::Takes(3_600_000));
    for n in 1..=count {
        let version = world.upload(&format!("pr/{n}"), "one");
        world.until("it executes", |w| w.stack(REGION, &format!("pr-{n}")) == Some("CREATE_IN_PROGRESS"));
        assert!(world.rollout(&version).is_some());
    }
    world.drop_messages();
    world
}

#[test]
fn ticks_that_are_overdue_are_sent_again_as_many_as_a_run_may() {
    let mut world = lost(3);
    assert_eq!(world.sweep(LIMITS), SweepReport::default(), "none is overdue yet");
    world.jump(1);
    let sent = world.calls("sqs:SendMessageBatch");
    let dry = world.sweep(SweepLimits { dry_run: true, ..LIMITS });
    assert_eq!(
        (dry.ticks, world.calls("sqs:SendMessageBatch")),
        (6, sent),
        "three rollouts, three deployments"
    );
    assert!((3_000..3_700).contains(&dry.oldest_due_s), "{}", dry.oldest_due_s);
    for max in [0, 1, 4] {
        assert_eq!(world.sweep(SweepLimits { ticks_max: max, dry_run: true, ..LIMITS }).ticks, max);
    }
    assert_eq!(world.sweep(LIMITS).ticks, 6);
    assert_eq!(world.calls("sqs:SendMessageBatch"), sent + 1);
    world.until("all end", |w| w.open_rollouts().is_empty());
}

#[test]
fn what_is_due_soon_counts_for_whoever_does_not_want_to_wait() {
    let mut world = lost(1);
    assert_eq!(world.sweep(SweepLimits { ahead_s: 3_600, dry_run: true, ..LIMITS }).ticks, 2);
    let before = world.calls("sqs:SendMessageBatch");
    assert_eq!(world.sweep(LIMITS).ticks, 0);
    assert_eq!(world.calls("sqs:SendMessageBatch"), before, "nothing is sent where nothing is found");
}

#[test]
fn a_preview_is_removed_from_the_moment_its_life_is_over() {
    let mut world = world();
    let version = world.upload("pr/7", "one");
    world.end_of(&version);
    let end = now(&world) + SignedDuration::from_millis(1_500);
    ends_at(&world, "pr-7", end);
    assert_eq!(world.sweep(SweepLimits { ahead_s: 60, ..LIMITS }).removals, Vec::<String>::new());
    ends_at(&world, "pr-7", now(&world));
    assert_eq!(world.sweep(LIMITS).removals, ["orders/pr-7"]);
    world.until("it is gone", |w| w.stack(REGION, "pr-7").is_none());
}

#[test]
fn a_preview_that_is_extended_while_its_removal_begins_stays() {
    let mut world = world();
    let version = world.upload("pr/7", "one");
    world.end_of(&version);
    ends_at(&world, "pr-7", now(&world));
    let before = head(&world, "pr-7");
    let later = now(&world) + SignedDuration::from_hours(1);
    let extended = StageHead { expires_at: Some(later), ..before.value.clone() };
    let extension = First::Write(Box::new(before.write(&extended, Some(later))));
    let sweep = world.sweep_case();
    let store = Arc::new(Meddled::new(sweep.store.clone(), extension));
    let report = block_on(Sweep { store, ..sweep }.run(LIMITS)).unwrap();
    assert_eq!((report.removals, report.failures), (vec![], vec![]));
    assert_eq!(head(&world, "pr-7").value, extended);
    assert!(world.open_rollouts().is_empty());
}

#[test]
fn a_removal_is_newer_than_what_it_removes_even_if_the_end_was_set_back() {
    let mut world = world();
    let version = world.upload("pr/7", "one");
    world.end_of(&version);
    ends_at(&world, "pr-7", Timestamp::UNIX_EPOCH);
    assert_eq!(world.sweep(LIMITS).removals, ["orders/pr-7"]);
    world.until("it is gone", |w| w.stack(REGION, "pr-7").is_none());
    world.until("the rollout's end", |w| w.open_rollouts().is_empty());
    assert_eq!(world.stage("pr-7").expires_at, None);
}

#[test]
fn as_many_previews_are_removed_as_a_run_may() {
    let mut world = world();
    for version in world.upload_previews(5, "one") {
        world.end_of(&version);
    }
    world.jump(25);
    for max in [0, 2, 5] {
        let limits = SweepLimits { removals_max: max, dry_run: true, ..LIMITS };
        assert_eq!(world.sweep(limits).removals.len(), max);
    }
}

#[test]
fn a_preview_that_never_got_a_stack_ends_without_a_removal() {
    let mut world = world();
    world.refuses_copies(REGION, PortError::new(ErrorKind::Denied, "s3:CopyObject", "AccessDenied"));
    let version = world.upload("pr/7", "one");
    assert_eq!(world.end_of(&version).status, "failed");
    ends_at(&world, "pr-7", now(&world));
    let dry = world.sweep(SweepLimits { dry_run: true, ..LIMITS });
    assert_eq!((dry.removals.len(), world.stage("pr-7").expires_at.is_some()), (0, true));
    assert_eq!(world.sweep(LIMITS).removals, Vec::<String>::new());
    assert_eq!(world.stage("pr-7").expires_at, None, "it is no longer a preview that expires");
    assert!(head(&world, "pr-7").due_at.is_none());
}

#[test]
fn a_preview_whose_first_rollout_is_under_way_keeps_its_end() {
    let mut world = world();
    let version = world.upload("pr/7", "one");
    world.until("it is admitted", |w| w.rollout(&version).is_some());
    ends_at(&world, "pr-7", now(&world));
    assert_eq!(world.sweep(LIMITS).removals, Vec::<String>::new());
    assert!(world.stage("pr-7").expires_at.is_some());
}

#[test]
fn what_is_due_and_nobody_knows_is_told_and_keeps_nothing_else_from_being_found() {
    let mut world = lost(1);
    world.jump(1);
    let mut item = match head(&world, "pr-1").write(&head(&world, "pr-1").value, Some(now(&world))).change {
        Change::Put(item) => item,
        Change::Check(key) => panic!("{key:?}"),
    };
    item.key.pk = "XXX#orders".into();
    let write = Write::put(item, flotilla_engine::ports::Expect::Anything);
    block_on(world.step_ports().store.write(vec![write])).unwrap();
    let report = world.sweep(SweepLimits { dry_run: true, ..LIMITS });
    assert_eq!(
        (report.ticks, report.failures),
        (2, vec!["XXX#orders / pr-1 is due, but of unknown kind".to_owned()])
    );
}

/// An upload without an event.
fn without_event(world: &mut World, key: &str) -> String {
    world.upload_bytes(key, flotilla_sim::package("one"), false)
}

#[test]
fn an_upload_is_left_to_its_event_for_two_minutes() {
    let mut world = world();
    let key = "incoming/orders/branch/main/1.zip";
    without_event(&mut world, key);
    let dry = || SweepLimits { dry_run: true, ..LIMITS };
    world.wait_ms(119_999);
    assert_eq!(world.sweep(dry()).uploads, Vec::<String>::new());
    world.wait_ms(1);
    let sent = world.calls("sqs:SendMessageBatch");
    assert_eq!(
        (world.sweep(dry()).uploads, world.calls("sqs:SendMessageBatch")),
        (vec![key.to_owned()], sent)
    );
    assert_eq!(world.sweep(LIMITS).uploads, [key]);
    assert_eq!(world.sweep(LIMITS).uploads, [key], "the message may be lost as well");
    world.until("it is decided", |w| w.rollout("v1").is_some());
    assert_eq!(world.sweep(LIMITS).uploads, Vec::<String>::new());
}

#[test]
fn an_upload_in_parts_that_was_slow_is_found_and_stays_older_than_what_began_after_it() {
    let mut world = world();
    // Each round settles what was uploaded before it.
    for _ in 0..3 {
        world.wait_ms(600_000);
        world.sweep(LIMITS);
    }
    let newer = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&newer).status, "succeeded");
    let key = "incoming/orders/branch/main/slow.zip";
    let slow = without_event(&mut world, key);
    world.uploaded_in_parts(&slow, 3_600);
    assert_eq!(world.sweep(LIMITS).uploads, [key]);
    world.until("a verdict", |w| w.verdict(&slow).is_some());
    assert_eq!(world.end_of(&slow).status, "superseded", "its upload began before the newer one");
}

#[test]
fn an_upload_that_was_too_young_in_one_round_is_looked_at_in_the_next() {
    let mut world = world();
    let key = "incoming/orders/branch/main/1.zip";
    // The first round settles what came before it; the second one sees the upload too young.
    world.sweep(LIMITS);
    without_event(&mut world, key);
    for (wait_ms, found) in [(119_500, vec![]), (5_000, vec![key.to_owned()])] {
        world.wait_ms(wait_ms);
        // One run ends a round, the next one is a round of its own.
        world.sweep(LIMITS);
        world.sweep(LIMITS);
        let again = world.sweep(SweepLimits { dry_run: true, ..LIMITS }).uploads;
        assert_eq!(again, found, "after {wait_ms} ms");
    }
}

#[test]
fn a_list_that_is_longer_than_a_run_reads_is_gone_on_with_in_the_next() {
    let mut world = world();
    for n in 1..=20 {
        without_event(&mut world, &format!("incoming/orders/branch/main/{n:02}.zip"));
    }
    world.wait_ms(200_000);
    let run = |world: &mut World| world.sweep(SweepLimits { pages_max: 3, ..LIMITS }).uploads.len();
    let found: Vec<usize> = (0..4).map(|_| run(&mut world)).collect();
    assert_eq!(found, [9, 9, 2, 9], "three of a page; then from the beginning, since nothing is decided");
    assert_eq!(world.sweep(SweepLimits { pages_max: 0, ..LIMITS }).uploads, Vec::<String>::new());
}

#[test]
fn what_was_decided_is_not_asked_for_again_in_every_round() {
    let mut world = world();
    for n in 1..=5 {
        let version = world.upload("branch/main", &format!("code {n}"));
        world.end_of(&version);
    }
    world.wait_ms(200_000);
    world.sweep(LIMITS);
    world.wait_ms(200_000);
    world.sweep(LIMITS);
    let before = world.calls("dynamodb:GetItem");
    world.wait_ms(1_000);
    world.sweep(LIMITS);
    assert_eq!(world.calls("dynamodb:GetItem") - before, 1, "its own place in the list");
}
