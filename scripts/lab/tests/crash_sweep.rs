//! A sample of the crash sweep; `scripts/crash-sweep --all` runs every point.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_lab::crash_sweep::CrashLab;
use flotilla_lab::points::{Calls, Kind, sample_points};

const POINTS: usize = 9;

#[tokio::test]
async fn promise_5_a_crash_at_any_call_loses_nothing_and_executes_nothing_twice() {
    let mut lab = CrashLab::start().await.expect("Flotilla behind a proxy");
    let mut calls = Calls::new();
    for kind in Kind::ALL {
        calls.insert(kind, lab.calls(kind).await.expect("a rollout without a fault"));
    }
    let mut reached = 0;
    for point in sample_points(&calls, POINTS) {
        let run = lab.run_point(&point).await.unwrap_or_else(|error| panic!("{point}: {error}"));
        reached += usize::from(run.reached);
    }
    // The calls vary a little from run to run. A sweep that reaches none of its calls proves nothing.
    assert!(reached >= POINTS - 2, "only {reached} of {POINTS} calls were reached");
}
