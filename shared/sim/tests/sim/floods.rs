//! What one service does to the queues keeps another one waiting for seconds at most.
//!
//! A call takes a millisecond here and functions take turns, which is as much as ten functions do side by side with calls of ten
//! milliseconds.

use flotilla_contract::ProfileConfig;
use flotilla_domain::names::KNOWN_REGIONS;
use flotilla_sim::{Faults, World};

/// How long another service waits for its rollout at the median, in milliseconds.
const MEDIAN_MS_MAX: i64 = 10_000;

/// How long an upload of another service waits until its rollout begins, in milliseconds.
fn wait_ms(world: &mut World) -> i64 {
    let version = world.upload_of("database", "1");
    let began_ms = world.now_ms();
    world.until_at_last("a verdict", |w| w.verdict(&version).is_some());
    assert_eq!(world.verdict(&version).unwrap().status, "accepted");
    world.now_ms() - began_ms
}

#[track_caller]
fn check(what: &str, mut waits: Vec<i64>) {
    waits.sort_unstable();
    let median = waits[waits.len() / 2];
    println!("{what}: {median} ms at the median, {} ms at most, of {}", waits[waits.len() - 1], waits.len());
    assert!(median <= MEDIAN_MS_MAX, "{what}: {waits:?}");
}

#[test]
fn a_thousand_uploads_of_one_service_at_once() {
    let waits = (1..=11).map(|seed| {
        let mut world = World::new(seed, &[&["eu-west-1"]]);
        world.shop(&["eu-west-1"]);
        for n in 0..1_000 {
            world.upload("branch/main", &n.to_string());
            world.wait_ms(-1_000);
        }
        wait_ms(&mut world)
    });
    check("1,000 uploads", waits.collect());
}

#[test]
fn a_rollout_to_every_region() {
    let waits = (1..=11).map(|seed| {
        let regions = KNOWN_REGIONS.iter().take(40).map(|region| (*region).to_owned()).collect();
        let mut world = World::with(seed, ProfileConfig { regions, ..ProfileConfig::default() });
        world.shop(&["eu-west-1"]).layered();
        let version = world.upload("branch/main", "large");
        world.until("it is rolling", |w| w.rollout(&version).is_some_and(|r| r.status == "rolling"));
        wait_ms(&mut world)
    });
    check("a rollout of 80 targets", waits.collect());
}

#[test]
fn uploads_that_take_a_function_all_its_time() {
    let waits = (1..=11).map(|seed| {
        let mut world = World::new(seed, &[&["eu-west-1"]]);
        world.shop(&["eu-west-1"]);
        for n in 0..3 {
            world.upload("branch/main", &n.to_string());
            world.wait_ms(-1_000);
        }
        // Each stalls before its first call, for up to a minute.
        world.faults(Faults { stalled: 1_000, ..Faults::NONE }).steps(10).faults(Faults::NONE);
        wait_ms(&mut world)
    });
    check("3 stalled uploads", waits.collect());
}
