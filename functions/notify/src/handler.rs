//! A batch of the table's stream: each record is an item that was saved.

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use flotilla_aws::stream::{Saved, read_saved};
use flotilla_domain::Timestamp;
use flotilla_engine::EngineError;
use flotilla_engine::notice::{NoticeCounts, Notify};
use flotilla_telemetry::Unit;

/// Publishes the notices of each record's rollout, in order. If a record cannot be published now, the batch is retried
/// from it. A record that cannot be read is skipped, because no retry would help.
pub async fn handle(notify: &Notify, now: Timestamp, event: Event) -> DynamoDbEventResponse {
    let (mut counts, mut unreadable, mut again) = (NoticeCounts::default(), 0_u32, Vec::new());
    for record in event.records {
        let sequence = record.change.sequence_number.clone();
        match read_saved(record.change) {
            Ok(Some(saved)) if is_rollout(&saved) => match notify.tell(saved.before, saved.now).await {
                Ok(of_record) => {
                    counts.published += of_record.published;
                    counts.undeliverable += of_record.undeliverable;
                }
                Err(error @ EngineError::Port(_)) => {
                    tracing::error!(sequence, "the notice could not be published: {error}");
                    again.push(failure(sequence));
                    break;
                }
                // For example, another version of Flotilla saved it.
                Err(error) => {
                    unreadable += 1;
                    tracing::error!(sequence, "the rollout cannot be read: {error}");
                }
            },
            Ok(_) => {}
            Err(error) => {
                unreadable += 1;
                tracing::error!(sequence, "the record cannot be read: {error}");
            }
        }
    }
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let lost = count(counts.undeliverable) + f64::from(unreadable);
    let metrics =
        [("NoticesPublished", count(counts.published), Unit::Count), ("NoticesLost", lost, Unit::Count)];
    flotilla_telemetry::emit(now.as_millisecond(), "notify", &metrics);
    let mut response = DynamoDbEventResponse::default();
    response.batch_item_failures = again;
    response
}

/// Whether the record is a rollout. The filter of the event source passes nothing else; an emulator may.
fn is_rollout(saved: &Saved) -> bool {
    saved.now.key.pk.starts_with("RLO#") && saved.now.key.sk == "META"
}

fn failure(sequence: Option<String>) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = sequence;
    failure
}
