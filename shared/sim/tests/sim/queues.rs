//! What queues, functions and the table do wrong, one fault at a time: rows of the fault table by their ids.

use flotilla_sim::{Behaviour, Faults, World};

const THREE: &[&[&str]] = &[&["eu-west-1", "us-east-1", "ap-south-1"]];

#[test]
fn q02_c12_a_function_that_crashes_after_any_call_leaves_nothing_undone_or_done_twice() {
    let mut calm = World::new(1, THREE);
    let version = calm.upload("branch/main", "one");
    calm.end_of(&version);
    let calls = calm.calls_made();
    assert!((60..300).contains(&calls), "{calls} calls");
    for nth in 1..=calls {
        let mut world = World::new(1, THREE);
        world.crash_after_call(nth);
        let version = world.upload("branch/main", "one");
        assert_eq!(world.end_of(&version).status, "succeeded", "after call {nth}");
        assert_eq!(world.executions_max(), 1, "after call {nth}");
    }
}

#[test]
fn q01_q10_a_reply_that_is_lost_after_every_write_changes_nothing() {
    for seed in 0..20 {
        let mut world = World::new(seed, THREE);
        world.faults(Faults { reply_lost: 150, duplicated: 500, ..Faults::NONE });
        let version = world.upload("branch/main", "one");
        assert_eq!(world.end_of(&version).status, "succeeded");
        assert_eq!(world.executions_max(), 1);
    }
}

#[test]
fn s02_events_in_the_wrong_order_do_not_bring_the_older_upload_back() {
    let mut world = World::new(2, THREE);
    let key = "incoming/orders/branch/main/build.zip";
    let older = world.upload_bytes(key, flotilla_sim::package("one"), false);
    let newer = world.upload_bytes(key, flotilla_sim::package("two"), false);
    world.event_of(key, &newer);
    assert_eq!(world.end_of(&newer).status, "succeeded");
    world.event_of(key, &older);
    assert_eq!(world.end_of(&older).status, "superseded");
    assert_eq!(world.stage("staging").stable, world.verdict(&newer).unwrap().release);
}

#[test]
fn s05_an_object_that_is_overwritten_after_its_event_deploys_the_old_bytes() {
    let mut world = World::new(3, THREE);
    let key = "incoming/orders/branch/main/build.zip";
    let first = world.upload_bytes(key, flotilla_sim::package("one"), true);
    let second = world.upload_bytes(key, flotilla_sim::package("two"), false);
    let end = world.end_of(&first);
    assert_eq!(end.status, "succeeded");
    assert_ne!(world.verdict(&first).unwrap().release, world.verdict(&second).and_then(|v| v.release));
}

#[test]
fn q13_an_index_that_lags_delays_and_decides_nothing() {
    for seed in 0..10 {
        let mut world = World::new(seed, THREE);
        world.faults(Faults { stale_index: 700, dropped: 300, ..Faults::NONE });
        let version = world.upload("branch/main", "one");
        assert_eq!(world.end_of(&version).status, "succeeded");
    }
}

#[test]
fn q07_a_step_ends_by_its_own_budget_and_is_gone_on_with() {
    let mut world = World::new(4, &[&["eu-west-1"]]);
    world.behaves("eu-west-1", Behaviour::Takes(50 * 60_000));
    let version = world.upload("branch/main", "one");
    let end = world.end_of_within_hours(&version, 3);
    assert_eq!(end.status, "succeeded", "far more than sixteen ticks that send the next one");
    assert!(world.calls("sqs:SendMessageBatch") > 40);
}
