//! A batch of the intake queue: each message names uploads.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use flotilla_aws::messages::{batch_reply, decode_intake};
use flotilla_domain::Timestamp;
use flotilla_engine::EngineError;
use flotilla_engine::release::Ingest;

/// Ingests the uploads of each message. Only the messages that fail are delivered again.
pub async fn handle(ingest: &Ingest, event: SqsEvent) -> SqsBatchResponse {
    let began_at = ingest.clock.now();
    let mut failed = Vec::new();
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        if let Err(error) = take(ingest, &message, began_at).await {
            tracing::error!(message.id = id, "the message failed: {error}");
            failed.push(id);
        }
    }
    batch_reply(failed)
}

async fn take(ingest: &Ingest, message: &SqsMessage, began_at: Timestamp) -> Result<(), EngineError> {
    let body = message.body.as_deref().unwrap_or_default();
    let intake = decode_intake(body).map_err(|e| EngineError::Defect(e.to_string()))?;
    for upload in &intake {
        let noticed_at = upload.happened_at.unwrap_or_else(|| ingest.clock.now());
        ingest.intake_in_turn(&upload.object, noticed_at, began_at).await?;
    }
    Ok(())
}
