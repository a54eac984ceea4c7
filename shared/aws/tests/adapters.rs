//! The adapters against scripted replies of AWS: what the emulator cannot do wrong.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use aws_sdk_dynamodb::error::ErrorMetadata;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::error::{ConditionalCheckFailedException, TransactionCanceledException};
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::BatchResultErrorEntry;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use flotilla_aws::{DynamoStateStore, S3PackageStore, Settings, SqsWorkQueue};
use flotilla_domain::{Digest, RolloutId, Timestamp};
use flotilla_engine::ports::{
    DueKey, ErrorKind, Expect, Item, Key, ObjectRef, PackageStore, Query, StateStore, Subject, Work,
    WorkQueue, Write, WriteError,
};
use serde_json::json;

fn settings() -> Settings {
    Settings::read(|name| {
        let value = match name {
            "FLOTILLA_ACCOUNT" => "111122223333",
            "AWS_REGION" => "eu-central-1",
            "FLOTILLA_INGEST_BUCKET" => "ingest",
            "FLOTILLA_TICK_QUEUE_URL" => "https://tick",
            "FLOTILLA_REPLICATE_QUEUE_URL" => "https://replicate",
            _ => "flotilla",
        };
        Some(value.to_owned())
    })
    .unwrap()
}

fn write(expect: Expect) -> Write {
    let body = json!({"text": "x"}).as_object().cloned().unwrap();
    let item = Item { key: Key::new("pk", "sk"), version: 2, due_at: None, expires_at: None, body };
    Write::put(item, expect)
}

fn attributes() -> std::collections::HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.into());
    [("pk", text("pk")), ("sk", text("sk")), ("text", text("x")), ("lock", AttributeValue::N("2".into()))]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

async fn refused_put(found: std::collections::HashMap<String, AttributeValue>) -> Result<(), WriteError> {
    let rule = mock!(aws_sdk_dynamodb::Client::put_item).then_error(move || {
        let failed = ConditionalCheckFailedException::builder().set_item(Some(found.clone())).build();
        PutItemError::ConditionalCheckFailedException(failed)
    });
    let client = mock_client!(aws_sdk_dynamodb, [&rule]);
    DynamoStateStore::new(client, "flotilla").write(vec![write(Expect::Version(1))]).await
}

#[tokio::test]
async fn q10_an_own_write_whose_reply_was_lost_is_recognised() {
    assert_eq!(refused_put(attributes()).await, Ok(()));
    let mut other = attributes();
    other.insert("text".into(), AttributeValue::S("somebody else's".into()));
    assert_eq!(refused_put(other).await, Err(WriteError::Conflict(vec![0])));
}

#[tokio::test]
async fn q01_a_put_carries_its_condition() {
    let rule = mock!(aws_sdk_dynamodb::Client::put_item)
        .match_requests(|r| {
            r.condition_expression() == Some("#lock = :lock") && r.table_name() == Some("flotilla")
        })
        .then_output(|| PutItemOutput::builder().build());
    let client = mock_client!(aws_sdk_dynamodb, [&rule]);
    assert_eq!(
        DynamoStateStore::new(client, "flotilla").write(vec![write(Expect::Version(1))]).await,
        Ok(())
    );
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn a_transaction_may_hang_on_an_item_that_it_does_not_write() {
    let rule = mock!(aws_sdk_dynamodb::Client::transact_write_items)
        .match_requests(|r| {
            let [put, check] = r.transact_items() else { return false };
            let (Some(put), Some(check)) = (put.put(), check.condition_check()) else { return false };
            put.condition_expression() == Some("attribute_not_exists(pk)")
                && check.condition_expression() == "#lock = :lock"
                && check.key().len() == 2
                && check.key().get("sk") == Some(&AttributeValue::S("other".into()))
                && [put.table_name(), check.table_name()] == ["flotilla"; 2]
        })
        .then_output(|| TransactWriteItemsOutput::builder().build());
    let client = mock_client!(aws_sdk_dynamodb, [&rule]);
    let writes = vec![write(Expect::Absent), Write::check(Key::new("pk", "other"), Expect::Version(7))];
    assert_eq!(DynamoStateStore::new(client, "flotilla").write(writes).await, Ok(()));
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn q12_q13_what_decides_is_read_consistently_and_only_the_index_is_not() {
    let read = mock!(aws_sdk_dynamodb::Client::get_item)
        .match_requests(|r| r.consistent_read() == Some(true))
        .then_output(|| {
            // Past its TTL, but still there: it is handed out with its time, which the reader compares.
            let mut item = attributes();
            item.insert("expires".into(), AttributeValue::N("1".into()));
            GetItemOutput::builder().set_item(Some(item)).build()
        });
    let query = mock!(aws_sdk_dynamodb::Client::query)
        .match_requests(|r| r.index_name().is_none() && r.consistent_read() == Some(true))
        .then_output(|| QueryOutput::builder().items(attributes()).build());
    let due = mock!(aws_sdk_dynamodb::Client::query)
        .match_requests(|r| r.index_name() == Some("due"))
        .then_output(|| {
            let mut key = attributes();
            key.insert("due_at".into(), AttributeValue::N("1000".into()));
            QueryOutput::builder().items(key).build()
        });
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&read, &query, &due]);
    let store = DynamoStateStore::new(client, "flotilla");
    let item = store.get(&[Key::new("pk", "sk")]).await.unwrap().remove(0).unwrap();
    assert_eq!((item.version, item.expires_at), (2, Some(Timestamp::from_second(1).unwrap())));
    let all = Query { pk: "pk".into(), prefix: String::new(), after: None, newest_first: false, limit: 1 };
    assert_eq!(store.query(all).await.unwrap().items.len(), 1);
    // The index answers keys only: there is nothing in it to decide by.
    let due_at = Timestamp::from_second(1).unwrap();
    assert_eq!(store.due(0, due_at, 9).await.unwrap(), [DueKey { due_at, key: Key::new("pk", "sk") }]);
    assert_eq!((read.num_calls(), query.num_calls(), due.num_calls()), (1, 1, 1));
}

#[tokio::test]
async fn q11_an_item_that_is_too_large_fails_for_good_and_says_so() {
    let rule = mock!(aws_sdk_dynamodb::Client::put_item).then_error(|| {
        let text = "Item size has exceeded the maximum allowed size";
        PutItemError::generic(ErrorMetadata::builder().code("ValidationException").message(text).build())
    });
    let client = mock_client!(aws_sdk_dynamodb, [&rule]);
    match DynamoStateStore::new(client, "flotilla").write(vec![write(Expect::Absent)]).await {
        Err(WriteError::Port(error)) => {
            assert_eq!(error.kind, ErrorKind::Permanent);
            assert!(error.message.contains("Item size has exceeded"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

async fn cancelled(codes: &'static [&'static str]) -> Result<(), WriteError> {
    let rule = mock!(aws_sdk_dynamodb::Client::transact_write_items).then_error(move || {
        let reasons = codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
        let error = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
        TransactWriteItemsError::TransactionCanceledException(error)
    });
    let client = mock_client!(aws_sdk_dynamodb, [&rule]);
    let writes = vec![write(Expect::Absent), write(Expect::Absent)];
    DynamoStateStore::new(client, "flotilla").write(writes).await
}

#[tokio::test]
async fn a_cancelled_transaction_names_the_places_and_throttling_is_no_conflict() {
    assert_eq!(cancelled(&["None", "ConditionalCheckFailed"]).await, Err(WriteError::Conflict(vec![1])));
    assert_eq!(cancelled(&["TransactionConflict", "None"]).await, Err(WriteError::Conflict(vec![0])));
    match cancelled(&["ThrottlingError", "None"]).await {
        Err(WriteError::Port(error)) => assert_eq!(error.kind, ErrorKind::Throttled),
        other => panic!("{other:?}"),
    }
}

fn object() -> ObjectRef {
    ObjectRef { key: "incoming/x".into(), version_id: "v1".into() }
}

fn body(content_range: Option<&str>, bytes: &'static [u8]) -> GetObjectOutput {
    GetObjectOutput::builder()
        .set_content_range(content_range.map(str::to_owned))
        .content_length(i64::try_from(bytes.len()).unwrap())
        .last_modified(DateTime::from_secs(1_800_000_000))
        .body(ByteStream::from_static(bytes))
        .build()
}

#[tokio::test]
async fn s05_a_tail_is_read_by_its_version_and_owner_whether_or_not_the_range_is_heeded() {
    for (range, bytes) in [(Some("bytes 6-9/10"), &b"6789"[..]), (None, &b"0123456789"[..])] {
        let rule = mock!(aws_sdk_s3::Client::get_object)
            .match_requests(|r| {
                r.version_id() == Some("v1")
                    && r.range() == Some("bytes=-4")
                    && r.expected_bucket_owner() == Some("111122223333")
            })
            .then_output(move || body(range, bytes));
        let client = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&rule]);
        let tail = S3PackageStore::new(client, &settings()).read_tail(&object(), 4).await.unwrap();
        assert_eq!((&tail.bytes[..], tail.total_bytes), (&b"6789"[..], 10));
        assert_eq!(tail.uploaded_at, Timestamp::from_second(1_800_000_000).unwrap());
    }
}

#[tokio::test]
async fn a_range_is_passed_over_to_where_it_begins_and_a_body_that_ends_early_is_no_success() {
    for (range, bytes, ok) in [
        (Some("bytes 2-5/10"), &b"2345"[..], true),
        (None, &b"0123456789"[..], true),
        (Some("bytes 2-5/10"), &b"23"[..], false),
    ] {
        let rule = mock!(aws_sdk_s3::Client::get_object)
            .match_requests(|r| r.range() == Some("bytes=2-5"))
            .then_output(move || body(range, bytes));
        let client = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&rule]);
        let mut stream = S3PackageStore::new(client, &settings()).read(&object(), 2..6).await.unwrap();
        let mut all = Vec::new();
        let end = loop {
            match stream.next().await {
                Ok(Some(chunk)) => all.extend_from_slice(&chunk),
                other => break other,
            }
        };
        assert_eq!(end.is_ok(), ok);
        assert!(!ok || all == b"2345");
    }
}

#[tokio::test]
async fn s06_s10_an_object_is_held_only_if_s3_proves_its_digest() {
    let digest = Digest::of(b"x");
    for (checksum, held) in [
        (Some(digest.to_base64()), true),
        (Some(Digest::of(b"y").to_base64()), false),
        (Some(format!("{}-2", digest.to_base64())), false),
        (None, false),
    ] {
        let rule = mock!(aws_sdk_s3::Client::head_object).then_output(move || {
            let at = aws_sdk_s3::primitives::DateTime::from_secs(7);
            HeadObjectOutput::builder().set_checksum_sha256(checksum.clone()).last_modified(at).build()
        });
        let client = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&rule]);
        let since = held.then(|| Timestamp::from_second(7).unwrap());
        assert_eq!(S3PackageStore::new(client, &settings()).holds("assets/x.zip", &digest).await, Ok(since));
    }
}

#[tokio::test]
async fn q08_messages_go_in_batches_with_a_delay_that_sqs_takes_and_a_failed_entry_is_an_error() {
    let tick = || Work::Tick(Subject::Rollout(RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"])));
    let ok = mock!(aws_sdk_sqs::Client::send_message_batch)
        .match_requests(|r| {
            r.queue_url() == Some("https://tick")
                && r.entries().len() <= 10
                && r.entries().iter().all(|e| e.delay_seconds() == Some(900))
        })
        .then_output(|| {
            SendMessageBatchOutput::builder()
                .set_successful(Some(Vec::new()))
                .set_failed(Some(Vec::new()))
                .build()
                .unwrap()
        });
    let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&ok]);
    // A longer delay is cut: a step that comes too early waits again.
    SqsWorkQueue::new(client, &settings()).send((0..23).map(|_| (tick(), 5_000)).collect()).await.unwrap();
    assert_eq!(ok.num_calls(), 3);

    let failed = mock!(aws_sdk_sqs::Client::send_message_batch).then_output(|| {
        let entry = BatchResultErrorEntry::builder()
            .id("0")
            .code("InternalError")
            .sender_fault(false)
            .build()
            .unwrap();
        SendMessageBatchOutput::builder().set_successful(Some(Vec::new())).failed(entry).build().unwrap()
    });
    let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&failed]);
    let error = SqsWorkQueue::new(client, &settings()).send(vec![(tick(), 0)]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
}
