//! Many seeds, every fault: the promises hold at every step, and when the faults end, everything ends well.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use flotilla_sim::{Behaviour, Faults, World};

/// One life of the world. A failure names its seed: run it again with `SEED=n cargo test -p flotilla-sim one_seed`.
fn live(seed: u64) {
    let mut world = World::new(seed, &[&["eu-west-1", "us-east-1"], &["ap-south-1"]]);
    world.faults(Faults::STORM);
    let first = world.upload("branch/main", "one");
    world.steps(u32::try_from(seed % 60).unwrap());
    let second = world.upload("branch/main", "two");
    if seed.is_multiple_of(3) {
        world.behaves("us-east-1", Behaviour::RollsBack("no".into()));
    }
    world.steps(300);
    world.behaves("us-east-1", Behaviour::Works).faults(Faults::NONE);
    for version in [&first, &second] {
        world.until("the end of every rollout", |w| w.rollout(version).is_some_and(|r| r.ended));
    }
    let last = world.upload("branch/main", "three");
    assert_eq!(world.end_of(&last).status, "succeeded", "seed {seed}\n{}", world.trace());
}

#[test]
fn promises_1_to_7_hold_whatever_fails() {
    for seed in 0..120 {
        let result = std::panic::catch_unwind(|| live(seed));
        assert!(
            result.is_ok(),
            "seed {seed} failed; replay it with SEED={seed} cargo test -p flotilla-sim one_seed"
        );
    }
}

#[test]
fn one_seed() {
    #[allow(clippy::disallowed_methods, reason = "the seed to replay")]
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    live(seed);
}
