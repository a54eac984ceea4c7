//! Alarms: what CloudWatch is asked for, in CBOR, and what its answers mean.

use crate::script::{Reply, Script, place, reply};
use flotilla_aws::CloudWatchAlarms;
use flotilla_domain::AlarmState;
use flotilla_engine::ports::{Alarms, ErrorKind, PortError};
use std::collections::{BTreeMap, BTreeSet};

/// A short text, in CBOR (RFC 8949, major type 3).
fn text(text: &str) -> Vec<u8> {
    [&[0x78, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// A short list or map, in CBOR (major types 4 and 5).
fn many(kind: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let count = u8::try_from(if kind == 0xa0 { parts.len() / 2 } else { parts.len() }).unwrap();
    [vec![kind | count], parts.concat()].concat()
}

fn page(metric: &[(&str, &str)], composite: &[(&str, &str)], next: Option<&str>) -> Reply {
    let alarm =
        |(name, state): &(&str, &str)| many(0xa0, &["AlarmName", name, "StateValue", state].map(text));
    let list = |alarms: &[(&str, &str)]| many(0x80, &alarms.iter().map(alarm).collect::<Vec<_>>());
    let mut parts = vec![text("MetricAlarms"), list(metric), text("CompositeAlarms"), list(composite)];
    parts.extend(next.into_iter().flat_map(|next| [text("NextToken"), text(next)]));
    cbor(200, many(0xa0, &parts))
}

fn cbor(status: u16, body: Vec<u8>) -> Reply {
    reply(status, body).header("smithy-protocol", "rpc-v2-cbor").header("content-type", "application/cbor")
}

async fn states(script: &Script, names: &[String]) -> Result<BTreeMap<String, AlarmState>, PortError> {
    let names: BTreeSet<String> = names.iter().cloned().collect();
    CloudWatchAlarms::new(script.sessions()).states(&place("eu-west-1"), &names).await
}

#[tokio::test]
async fn alarms_of_both_types_are_read_from_every_page_and_one_that_is_missing_is_absent() {
    let first = page(&[("errors", "OK"), ("latency", "INSUFFICIENT_DATA")], &[], Some("more"));
    let script = Script::new([first, page(&[], &[("all", "ALARM")], None)]);
    let names = ["all", "errors", "latency", "missing"].map(str::to_owned);
    let expected = [
        ("all".to_owned(), AlarmState::Alarm),
        ("errors".to_owned(), AlarmState::Ok),
        ("latency".to_owned(), AlarmState::InsufficientData),
    ];
    assert_eq!(states(&script, &names).await, Ok(expected.into()));
    let calls = script.calls();
    assert!(calls[0].uri.contains("monitoring.eu-west-1.") && calls[0].uri.ends_with("DescribeAlarms"));
    for part in ["MetricAlarm", "CompositeAlarm", "missing"] {
        assert!(calls[0].body.contains(part), "{part}");
    }
    assert!(calls[1].body.contains("more"));
}

#[tokio::test]
async fn a_state_that_aws_has_added_since_is_not_ok() {
    let script = Script::new([page(&[("errors", "SOMETHING_NEW")], &[], None)]);
    let seen = states(&script, &["errors".to_owned()]).await;
    assert_eq!(seen, Ok([("errors".to_owned(), AlarmState::InsufficientData)].into()));
}

#[tokio::test]
async fn a_call_takes_a_hundred_names_and_without_names_there_is_none() {
    let script = Script::new([page(&[], &[], None), page(&[], &[], None)]);
    let names: Vec<String> = (0..101).map(|n| format!("alarm-{n:03}.")).collect();
    assert_eq!(states(&script, &names).await, Ok(BTreeMap::new()));
    let named = script.calls().iter().map(|call| call.body.matches("alarm-").count()).collect::<Vec<_>>();
    assert_eq!(named, [100, 1]);
    let silent = Script::new([]);
    assert_eq!(states(&silent, &[]).await, Ok(BTreeMap::new()));
    assert!(silent.calls().is_empty(), "it would have asked for all alarms");
}

#[tokio::test]
async fn a_role_that_may_not_read_alarms_is_told_so() {
    let refused = many(0xa0, &["__type", "AccessDenied", "message", "no"].map(text));
    let script = Script::new([cbor(403, refused)]);
    let error = states(&script, &["errors".to_owned()]).await.unwrap_err();
    assert_eq!((error.kind, error.operation), (ErrorKind::Denied, "cloudwatch:DescribeAlarms"));
}

#[tokio::test]
async fn pages_without_an_end_are_no_answer() {
    let script = Script::new((0..9).map(|_| page(&[], &[], Some("more"))));
    assert_eq!(states(&script, &["errors".to_owned()]).await.unwrap_err().kind, ErrorKind::Transient);
}
