//! A few points of the crash sweep; `scripts/crash-sweep --all` does every one.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use flotilla_lab::crash_sweep::CrashLab;
use flotilla_lab::points::{Calls, Kind, sample_points};

const POINTS: usize = 8;

#[tokio::test]
async fn promise_5_a_crash_at_any_call_loses_nothing_and_executes_nothing_twice() {
    let mut lab = CrashLab::start().await.expect("Flotilla behind a proxy");
    let mut calls = Calls::new();
    for kind in Kind::ALL {
        calls.insert(kind, lab.calls(kind).await.expect("a rollout that nothing happens to"));
    }
    let mut reached = 0;
    for point in sample_points(&calls, POINTS) {
        let run = lab.run_point(&point).await.unwrap_or_else(|error| panic!("{point}: {error}"));
        reached += usize::from(run.reached);
    }
    // Which calls there are varies a little; a sweep that spoils none of them proves nothing.
    assert!(reached >= POINTS - 2, "only {reached} of {POINTS} calls were reached");
}
