//! Logs as JSON lines with the fields of their spans; metrics in CloudWatch's embedded metric format.
//!
//! A log line is a readable message plus fields (`rollout.id`, `target.region`, …). It never contains a body, a
//! token or a parameter's value. Lambda collects standard output.

use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Flotilla";

/// Starts logging. `level` is a filter such as `info` or `info,flotilla_engine=debug`. The SDK's own lines are
/// dropped below warnings, because some of them show credentials at trace level (RUSTSEC-2023-0125).
pub fn init(level: Option<&str>) {
    let filter = EnvFilter::builder().parse_lossy(format!(
        "{},aws_config=warn,aws_smithy_runtime=warn,aws_sigv4=off,hyper=warn",
        level.unwrap_or("info")
    ));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .init();
}

/// A metric's unit, as CloudWatch names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number.
    Count,
    /// A duration in seconds.
    Seconds,
    /// A size in bytes.
    Bytes,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
        }
    }
}

/// One line with metrics of a function. Source: CloudWatch's "embedded metric format" specification.
/// The dimension `prefix` keeps two control planes of one account apart.
pub fn metric_line(timestamp_ms: i64, prefix: &str, function: &str, metrics: &[(&str, f64, Unit)]) -> Value {
    let definitions: Vec<Value> =
        metrics.iter().map(|(name, _, unit)| json!({"Name": name, "Unit": unit.as_str()})).collect();
    let dimensions = json!([["prefix", "function"]]);
    let mut line = json!({
        "_aws": {
            "Timestamp": timestamp_ms,
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions}],
        },
        "prefix": prefix,
        "function": function,
    });
    for (name, value, _) in metrics {
        line[*name] = json!(value);
    }
    line
}

/// Writes metrics to standard output. The prefix of the control plane is in the environment of its functions.
#[expect(clippy::disallowed_methods, reason = "a dimension of every metric, and no setting of a function")]
pub fn emit(timestamp_ms: i64, function: &str, metrics: &[(&str, f64, Unit)]) {
    let prefix = std::env::var("FLOTILLA_PREFIX").unwrap_or_default();
    println!("{}", metric_line(timestamp_ms, &prefix, function, metrics));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_line_defines_every_metric_it_carries() {
        let line = metric_line(1, "flotilla", "cleanup", &[("OldestDueSeconds", 3.0, Unit::Seconds)]);
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Metrics"][0]["Name"], "OldestDueSeconds");
        assert_eq!(line["OldestDueSeconds"], 3.0);
        assert_eq!(metrics["Dimensions"], json!([["prefix", "function"]]));
        assert_eq!((&line["prefix"], &line["function"]), (&json!("flotilla"), &json!("cleanup")));
    }
}
