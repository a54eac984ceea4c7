//! Where people are told.

use super::PortError;
use async_trait::async_trait;
use flotilla_domain::topic::TopicArn;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// One line of ASCII, [`Said::SUBJECT_MAX`] characters at most: the subject of a mail.
    pub subject: String,
    /// For people.
    pub text: String,
    /// For programs.
    pub document: Value,
    /// What subscriptions can filter by.
    pub attributes: BTreeMap<&'static str, String>,
}

impl Said {
    /// SNS takes less than 100 (Publish, Subject).
    pub const SUBJECT_MAX: usize = 99;
}

/// Topics of SNS.
#[async_trait]
pub trait Topics: Send + Sync {
    /// Publishes once; the same again is told again. `Missing` or `Denied` if there is no such topic, or it is not ours.
    async fn publish(&self, topic: &TopicArn, said: &Said) -> Result<(), PortError>;
}
