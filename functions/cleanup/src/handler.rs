//! One run of the sweep, and a part of garbage collection if a round is due or in progress. The schedule's event has
//! no parameters. An operator may send `{"dry_run": true, "removals_max": 5}`, or after an outage `{"ahead_s": 120}`,
//! which sends ticks before they are due. No event can change how old an object must be to be collected.

use flotilla_engine::EngineError;
use flotilla_engine::preview::{Sweep, SweepLimits, SweepReport};
use flotilla_engine::retention::{CollectorLimits, CollectorReport, GarbageCollector};
use flotilla_telemetry::Unit;
use serde_json::{Value, json};

/// Runs the sweep and garbage collection, and returns what they found.
pub async fn handle(sweep: &Sweep, collect: &GarbageCollector, event: &Value) -> Result<Value, EngineError> {
    let limits = limits(event);
    let mut report = sweep.run(limits).await?;
    tracing::info!(
        limits.dry_run,
        ticks = report.ticks,
        removals = report.removals.len(),
        uploads = report.uploads.len(),
        "swept"
    );
    let now = || sweep.clock.now().as_millisecond();
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let seconds = |s: i64| f64::from(u32::try_from(s).unwrap_or(0));
    // The metrics of the sweep are emitted even if garbage collection fails.
    let swept = [
        ("LostTicks", count(report.ticks), Unit::Count),
        ("LostUploads", count(report.uploads.len()), Unit::Count),
        ("Removals", count(report.removals.len()), Unit::Count),
        ("OldestDueSeconds", seconds(report.oldest_due_s), Unit::Seconds),
    ];
    flotilla_telemetry::emit(now(), "cleanup", &swept);
    let collected = match collect.run(collect_limits(event)).await {
        Ok(collected) => collected,
        Err(error) => CollectorReport { failures: vec![error.to_string()], ..CollectorReport::default() },
    };
    report.failures.extend(collected.failures.iter().map(|failure| format!("garbage collection: {failure}")));
    for failure in &report.failures {
        tracing::error!("the cleanup failed: {failure}");
    }
    if collected.pages > 0 {
        let CollectorReport { pages, objects, bytes, .. } = collected;
        tracing::info!(limits.dry_run, pages, objects, bytes, "collected unneeded objects");
    }
    #[allow(clippy::cast_precision_loss, reason = "a metric is a number of sixteen digits")]
    let large = |n: u64| n as f64;
    let collection = [
        ("CleanupFailures", count(report.failures.len()), Unit::Count),
        ("CollectedObjects", large(if limits.dry_run { 0 } else { collected.objects }), Unit::Count),
        ("CollectedBytes", large(if limits.dry_run { 0 } else { collected.bytes }), Unit::Bytes),
    ];
    flotilla_telemetry::emit(now(), "cleanup", &collection);
    Ok(reply(limits, report, &collected))
}

/// The maximum number of seconds that a run may look ahead.
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

fn collect_limits(event: &Value) -> CollectorLimits {
    let default = CollectorLimits::default();
    let pages = event["collect_pages_max"].as_u64().and_then(|n| usize::try_from(n).ok());
    CollectorLimits {
        dry_run: event["dry_run"].as_bool().unwrap_or(default.dry_run),
        pages_max: pages.map_or(default.pages_max, |n| n.min(COLLECT_PAGES_MAX)),
        ..default
    }
}

/// The maximum number of pages that a run may read, whatever the event asks for.
const COLLECT_PAGES_MAX: usize = 200;

fn reply(limits: SweepLimits, report: SweepReport, collected: &CollectorReport) -> Value {
    json!({
        "dry_run": limits.dry_run,
        "ticks": report.ticks,
        "removals": report.removals,
        "uploads": report.uploads,
        "collected": { "pages": collected.pages, "objects": collected.objects, "bytes": collected.bytes },
        "failures": report.failures,
    })
}
