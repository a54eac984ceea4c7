//! A few lives of the world, so that `cargo test` alone says something: `scripts/simulate` runs many.

use flotilla_sim::lives::{self, Length};

#[test]
fn promises_1_to_15_hold_whatever_fails() {
    for seed in 0..40 {
        lived(seed, Length::Whole, "");
        lived(seed, Length::Short, "--short ");
    }
}

fn lived(seed: u64, length: Length, option: &str) {
    if let Err(failure) = lives::run(seed, length, false) {
        panic!(
            "seed {seed}: {}\nreplay it with: scripts/simulate --seeds 1 --from {seed} {option}--trace",
            failure.why
        );
    }
}
