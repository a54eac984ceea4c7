//! A batch of the intake queue: each message names uploads.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use flotilla_aws::messages::{batch_reply, decode_intake};
use flotilla_engine::release::Ingest;

/// Ingests the uploads of all messages. Only the messages that fail are delivered again.
pub async fn handle(ingest: &Ingest, event: SqsEvent) -> SqsBatchResponse {
    let (mut ids, mut uploads, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        match decode_intake(message.body.as_deref().unwrap_or_default()) {
            Ok(found) => {
                for upload in found {
                    ids.push(id.clone());
                    uploads.push((upload.object, upload.happened_at.unwrap_or_else(|| ingest.clock.now())));
                }
            }
            Err(unreadable) => {
                tracing::error!(message.id = id, "the message cannot be read: {unreadable}");
                failed.push(id);
            }
        }
    }
    for (id, result) in ids.into_iter().zip(ingest.intake_all(&uploads).await) {
        if let Err(error) = result {
            tracing::error!(message.id = id, "the message failed: {error}");
            // A message may name several uploads.
            if !failed.contains(&id) {
                failed.push(id);
            }
        }
    }
    batch_reply(failed)
}
