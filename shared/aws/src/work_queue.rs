//! The queues on SQS.

use crate::Settings;
use crate::classify::classify;
use crate::messages::encode;
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use flotilla_engine::ports::{ErrorKind, PortError, Work, WorkQueue};
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

    async fn send_batch(&self, url: &str, batch: &[(String, u32)]) -> Result<(), PortError> {
        const OPERATION: &str = "sqs:SendMessageBatch";
        let entries = batch.iter().enumerate().map(|(n, (body, delay_s))| {
            SendMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .message_body(body)
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

#[async_trait]
impl WorkQueue for SqsWorkQueue {
    async fn send(&self, work: Vec<(Work, u32)>) -> Result<(), PortError> {
        let mut by_queue: BTreeMap<&str, Vec<(String, u32)>> = BTreeMap::new();
        for (work, delay_s) in &work {
            by_queue.entry(self.url(work)).or_default().push((encode(work), *delay_s));
        }
        for (url, messages) in by_queue {
            for batch in messages.chunks(BATCH) {
                self.send_batch(url, batch).await?;
            }
        }
        Ok(())
    }
}
