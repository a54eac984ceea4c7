//! Metrics of the versions of functions: what CloudWatch is asked for, in CBOR, and what its answers mean.

use crate::script::{Reply, Script, place, reply};
use flotilla_aws::CloudWatchMetrics;
use flotilla_domain::Timestamp;
use flotilla_domain::analysis::{Counts, Slow};
use flotilla_engine::ports::{ErrorKind, Metrics, PortError, VersionsMeasured};
use std::ops::Range;

/// A text, a list or a map, in CBOR (RFC 8949, major types 3, 4 and 5), and a double.
fn text(text: &str) -> Vec<u8> {
    [&[0x78, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn many(kind: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let count = u8::try_from(if kind == 0xa0 { parts.len() / 2 } else { parts.len() }).unwrap();
    [vec![kind | count], parts.concat()].concat()
}

fn double(value: f64) -> Vec<u8> {
    [vec![0xfb], value.to_be_bytes().to_vec()].concat()
}

fn result(id: &str, status: &str, values: &[f64]) -> Vec<u8> {
    let values = many(0x80, &values.iter().map(|value| double(*value)).collect::<Vec<_>>());
    many(0xa0, &[text("Id"), text(id), text("StatusCode"), text(status), text("Values"), values])
}

fn page(results: &[Vec<u8>], next: Option<&str>) -> Reply {
    let mut parts = vec![text("MetricDataResults"), many(0x80, results)];
    parts.extend(next.into_iter().flat_map(|next| [text("NextToken"), text(next)]));
    reply(200, many(0xa0, &parts))
        .header("smithy-protocol", "rpc-v2-cbor")
        .header("content-type", "application/cbor")
}

fn versions(slow: Option<Slow>) -> [VersionsMeasured; 1] {
    let alias_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-get:live".into();
    [VersionsMeasured { alias_arn, new: "8".into(), stable: "7".into(), slow }]
}

fn within() -> Range<Timestamp> {
    let at = |second| Timestamp::from_second(second).unwrap();
    at(600)..at(900)
}

async fn counts(script: &Script, slow: Option<Slow>) -> Result<Vec<(Counts, Counts)>, PortError> {
    let metrics = CloudWatchMetrics::new(script.sessions());
    metrics.counts(&place("eu-west-1"), &versions(slow), within()).await
}

#[tokio::test]
async fn the_99th_percentile_is_the_median_of_the_minutes_of_the_version_before() {
    let seen = result("stable_0_Duration", "Complete", &[90.0, 210.4, 5_000.0]);
    let script =
        Script::new([page(&[seen], None), page(&[result("stable_0_Duration", "Complete", &[])], None)]);
    let metrics = CloudWatchMetrics::new(script.sessions());
    let place = place("eu-west-1");
    let p99s = async || metrics.stable_p99s(&place, &versions(None), within()).await;
    assert_eq!(p99s().await, Ok(vec![Some(210)]));
    assert_eq!(p99s().await, Ok(vec![None]), "it was not invoked");
    let asked = &script.calls()[0].body;
    assert!(
        asked.contains("p99") && asked.contains("ExecutedVersion") && asked.contains("stable_0_Duration")
    );
    assert!(!asked.contains("new_0_"), "{asked}");
}

#[tokio::test]
async fn both_versions_of_an_alias_are_counted_by_one_call_and_what_has_no_value_is_zero() {
    let first = page(
        &[
            result("new_0_Invocations", "Complete", &[100.0, 20.0]),
            result("new_0_Errors", "Complete", &[]),
            result("new_0_Duration", "Complete", &[3.0]),
        ],
        Some("more"),
    );
    let second = page(
        &[
            result("stable_0_Invocations", "Complete", &[900.0]),
            result("stable_0_Errors", "Complete", &[2.0]),
        ],
        None,
    );
    let script = Script::new([first, second]);
    let counted = |invocations, errors, slow| Counts { invocations, errors, slow };
    let slow = Slow { new_ms: 800, stable_ms: 500 };
    assert_eq!(counts(&script, Some(slow)).await, Ok(vec![(counted(120, 0, 3), counted(900, 2, 0))]));
    let asked = &script.calls()[0];
    assert!(
        asked.uri.contains("monitoring.eu-west-1.") && asked.uri.ends_with("GetMetricData"),
        "{}",
        asked.uri
    );
    for part in [
        "orders-get:live",
        "ExecutedVersion",
        "Invocations",
        "TC(800:)",
        "TC(500:)",
        "AWS/Lambda",
        "stable_0_Errors",
    ] {
        assert!(asked.body.contains(part), "{part}");
    }
    assert!(script.calls()[1].body.contains("more"));
}

#[tokio::test]
async fn metrics_that_cloudwatch_cannot_give_are_not_taken_for_none() {
    let script = Script::new([page(&[result("new_0_Errors", "InternalError", &[])], None)]);
    assert_eq!(counts(&script, None).await.unwrap_err().kind, ErrorKind::Transient);
    let endless = || page(&[], Some("more"));
    let script = Script::new(std::iter::repeat_with(endless).take(12));
    assert_eq!(counts(&script, None).await.unwrap_err().kind, ErrorKind::Transient);
}
