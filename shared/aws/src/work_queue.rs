//! The queues on SQS.

use crate::Settings;
use crate::classify::classify;
use crate::messages::encode;
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use flotilla_domain::release::upload_key::UploadKey;
use flotilla_engine::ports::{ErrorKind, PortError, Subject, Work, WorkQueue};
use std::collections::BTreeMap;

/// SQS accepts ten messages in one batch.
const BATCH: usize = 10;
/// The longest delay of SQS. A longer wait is split into several ticks.
const DELAY_S_MAX: u32 = 900;

/// The queues of ticks, replications and uploads.
#[derive(Debug, Clone)]
pub struct SqsWorkQueue {
    client: Client,
    tick_url: String,
    replicate_url: String,
    intake_url: String,
}

impl SqsWorkQueue {
    /// The queues of the settings.
    pub fn new(client: Client, settings: &Settings) -> Self {
        Self {
            client,
            tick_url: settings.tick_queue_url.clone(),
            replicate_url: settings.replicate_queue_url.clone(),
            intake_url: settings.intake_queue_url.clone(),
        }
    }

    fn url(&self, work: &Work) -> &str {
        match work {
            Work::Tick(_) => &self.tick_url,
            Work::Replicate { .. } => &self.replicate_url,
            Work::Intake { .. } => &self.intake_url,
        }
    }

    async fn send_batch(&self, url: &str, batch: &[Message]) -> Result<(), PortError> {
        const OPERATION: &str = "sqs:SendMessageBatch";
        let entries = batch.iter().enumerate().map(|(n, Message { body, delay_s, group })| {
            SendMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .message_body(body)
                .message_group_id(group)
                .delay_seconds(i32::try_from((*delay_s).min(DELAY_S_MAX)).unwrap_or(0))
                .build()
        });
        let entries = entries
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| PortError::new(ErrorKind::Permanent, OPERATION, e.to_string()))?;
        let sent = self.client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let sent = sent.map_err(|e| classify(OPERATION, e))?;
        match sent.failed().first() {
            None => Ok(()),
            Some(failed) => {
                let kind = if failed.sender_fault() { ErrorKind::Permanent } else { ErrorKind::Transient };
                Err(PortError::new(
                    kind,
                    OPERATION,
                    format!("{}: {}", failed.code(), failed.message().unwrap_or_default()),
                ))
            }
        }
    }
}

struct Message {
    body: String,
    delay_s: u32,
    group: String,
}

/// Whose message it is. With groups, a standard queue is fair: messages of a group with a large backlog wait for those of others (Amazon SQS
/// Developer Guide, "Amazon SQS fair queues").
fn group(work: &Work) -> String {
    match work {
        Work::Tick(Subject::Rollout(id)) => id.to_string(),
        Work::Tick(Subject::Deployment(id)) => id.rollout.to_string(),
        Work::Tick(Subject::Set(id)) => id.to_string(),
        Work::Replicate { rollout, .. } => rollout.to_string(),
        // A group has 128 characters at most; names and ids are shorter.
        Work::Intake { key, .. } => {
            UploadKey::service_of(key).map_or_else(|| "unknown".to_owned(), |service| service.to_string())
        }
    }
}

#[async_trait]
impl WorkQueue for SqsWorkQueue {
    async fn send(&self, work: Vec<(Work, u32)>) -> Result<(), PortError> {
        let mut by_queue: BTreeMap<&str, Vec<Message>> = BTreeMap::new();
        for (work, delay_s) in &work {
            let message = Message { body: encode(work), delay_s: *delay_s, group: group(work) };
            by_queue.entry(self.url(work)).or_default().push(message);
        }
        for (url, messages) in by_queue {
            for batch in messages.chunks(BATCH) {
                self.send_batch(url, batch).await?;
            }
        }
        Ok(())
    }
}
