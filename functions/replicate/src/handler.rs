//! A batch of the replicate queue: each message names a release and an account-region.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use flotilla_aws::messages::{batch_reply, decode};
use flotilla_engine::ports::Work;
use flotilla_engine::replica::{Replicate, ReplicateJob};

/// Makes all copies of the batch concurrently. Only the messages that fail are delivered again.
pub async fn handle(replicate: &Replicate, event: SqsEvent) -> SqsBatchResponse {
    let (mut ids, mut jobs, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        match decode(message.body.as_deref().unwrap_or_default()) {
            Ok(Work::Replicate { release, rollout, site }) => {
                ids.push(id);
                jobs.push(ReplicateJob { release, rollout, site });
            }
            other => {
                tracing::error!(message.id = id, "the message does not ask for a copy: {other:?}");
                failed.push(id);
            }
        }
    }
    for (id, result) in ids.into_iter().zip(replicate.run(&jobs).await) {
        if let Err(error) = result {
            tracing::error!(message.id = id, "the copy failed: {error}");
            failed.push(id);
        }
    }
    batch_reply(failed)
}
