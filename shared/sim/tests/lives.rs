//! A few lives of the world, so that `cargo test` alone says something: `scripts/simulate` runs many.

use flotilla_sim::lives::{self, Length};

#[test]
fn promises_1_to_12_hold_whatever_fails() {
    for seed in 0..40 {
        if let Err(failure) = lives::run(seed, Length::Whole, false) {
            panic!(
                "seed {seed}: {}\nreplay it with: scripts/simulate --seeds 1 --from {seed} --trace",
                failure.why
            );
        }
    }
}
