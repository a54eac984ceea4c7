//! One run of the sweep. The schedule sends any event; an operator may send
//! `{"dry_run": true, "removals_max": 5}`, or `{"ahead_s": 120}` after an outage, so that nothing waits.

use flotilla_engine::EngineError;
use flotilla_engine::sweep::{Sweep, SweepLimits, SweepReport};
use flotilla_telemetry::Unit;
use serde_json::{Value, json};

/// Runs the sweep and answers what it found.
pub async fn handle(sweep: &Sweep, event: &Value) -> Result<Value, EngineError> {
    let limits = limits(event);
    let report = sweep.run(limits).await?;
    for failure in &report.failures {
        tracing::error!("not cleaned up: {failure}");
    }
    tracing::info!(
        limits.dry_run,
        ticks = report.ticks,
        removals = report.removals.len(),
        uploads = report.uploads.len(),
        "swept"
    );
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let seconds = |s: i64| f64::from(u32::try_from(s).unwrap_or(0));
    let metrics = [
        ("LostTicks", count(report.ticks), Unit::Count),
        ("LostUploads", count(report.uploads.len()), Unit::Count),
        ("Removals", count(report.removals.len()), Unit::Count),
        ("OldestDueSeconds", seconds(report.oldest_due_s), Unit::Seconds),
        ("CleanupFailures", count(report.failures.len()), Unit::Count),
    ];
    flotilla_telemetry::emit(sweep.clock.now().as_millisecond(), "cleanup", &metrics);
    Ok(reply(limits, report))
}

/// Furthest that a run may look ahead.
const AHEAD_S_MAX: u32 = 3600;

fn limits(event: &Value) -> SweepLimits {
    let default = SweepLimits::default();
    let number = |name: &str, default: usize| {
        event[name].as_u64().and_then(|n| usize::try_from(n).ok()).map_or(default, |n| n.min(10_000))
    };
    SweepLimits {
        dry_run: event["dry_run"].as_bool().unwrap_or(default.dry_run),
        removals_max: number("removals_max", default.removals_max),
        ticks_max: number("ticks_max", default.ticks_max),
        pages_max: number("pages_max", default.pages_max),
        ahead_s: event["ahead_s"]
            .as_u64()
            .map_or(default.ahead_s, |s| u32::try_from(s).unwrap_or(AHEAD_S_MAX).min(AHEAD_S_MAX)),
    }
}

fn reply(limits: SweepLimits, report: SweepReport) -> Value {
    json!({
        "dry_run": limits.dry_run,
        "ticks": report.ticks,
        "removals": report.removals,
        "uploads": report.uploads,
        "failures": report.failures,
    })
}
