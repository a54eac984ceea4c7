//! Channels for notices: SNS topics and EventBridge event buses.

use super::PortError;
use async_trait::async_trait;
use flotilla_domain::channel::ChannelArn;
use serde_json::Value;
use std::collections::BTreeMap;

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The subject of a mail: one line of ASCII, at most [`Said::SUBJECT_MAX`] characters.
    pub subject: String,
    /// The text for people.
    pub text: String,
    /// The `detail-type` of an event, such as `Rollout Succeeded`.
    pub detail_type: String,
    /// The JSON document for programs.
    pub document: Value,
    /// Attributes that subscriptions of a topic can filter by.
    pub attributes: BTreeMap<&'static str, String>,
}

impl Said {
    /// SNS requires fewer than 100 characters (Publish, Subject).
    pub const SUBJECT_MAX: usize = 99;
}

/// SNS topics and event buses.
#[async_trait]
pub trait Channels: Send + Sync {
    /// Publishes a notice once. A repeated call publishes it again. `Missing` or `Denied` if the channel does not
    /// exist or Flotilla may not publish to it.
    async fn publish(&self, channel: &ChannelArn, said: &Said) -> Result<(), PortError>;
}
