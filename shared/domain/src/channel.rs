//! Where notices are published: SNS topics and EventBridge event buses.

use crate::names::{AccountId, InvalidName, Region};
use std::fmt;

/// An SNS topic, `arn:aws:sns:eu-central-1:111122223333:flotilla-releases`, or an event bus,
/// `arn:aws:events:eu-central-1:111122223333:event-bus/default`. FIFO topics (`.fifo`) are refused: they need a message group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelArn {
    text: String,
    kind: ChannelKind,
    region: Region,
}

/// The kind of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKind {
    /// An SNS topic.
    Topic,
    /// An EventBridge event bus.
    EventBus,
}

impl ChannelArn {
    /// Reads an ARN.
    ///
    /// # Errors
    /// [`InvalidName`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let parts: Vec<&str> = text.split(':').collect();
        let is_name = |name: &str, also: &[u8]| {
            (1..=256).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || also.contains(&b))
        };
        let found = match parts[..] {
            ["arn", "aws" | "aws-cn" | "aws-us-gov", service, region, account, resource]
                if AccountId::parse(account).is_ok() =>
            {
                let kind = match (service, resource.strip_prefix("event-bus/")) {
                    ("sns", _) if is_name(resource, b"") => Some(ChannelKind::Topic),
                    // CreateEventBus, Name: also dots. A slash is only in the names of partners' buses.
                    ("events", Some(name)) if is_name(name, b".") => Some(ChannelKind::EventBus),
                    _ => None,
                };
                kind.zip(Region::parse(region).ok())
            }
            _ => None,
        };
        let channel = found.map(|(kind, region)| Self { text: text.to_owned(), kind, region });
        channel.ok_or_else(|| InvalidName {
            kind: "notification channel",
            given: text.chars().take(64).collect(),
            rule: "it must be the ARN of a standard SNS topic (not FIFO) or of an EventBridge event bus",
        })
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it is.
    pub fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// The region it is in.
    pub fn region(&self) -> &Region {
        &self.region
    }
}

impl fmt::Display for ChannelArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_event_buses_are_read_strictly() {
        for (text, kind) in [
            ("arn:aws:sns:eu-central-1:111122223333:flotilla-releases", ChannelKind::Topic),
            ("arn:aws:events:eu-central-1:111122223333:event-bus/default", ChannelKind::EventBus),
            ("arn:aws:events:eu-central-1:111122223333:event-bus/flotilla-a.b_c", ChannelKind::EventBus),
        ] {
            let channel = ChannelArn::parse(text).unwrap();
            assert_eq!(
                (channel.kind(), channel.region().as_str(), channel.as_str()),
                (kind, "eu-central-1", text)
            );
        }
        for wrong in [
            "",
            "flotilla-releases",
            "arn:aws:sqs:eu-central-1:111122223333:releases",
            "arn:aws:sns:eu-central-1:1111:releases",
            "arn:aws:sns:eu-central-1:111122223333:releases.fifo",
            "arn:aws:sns:eu-central-1:111122223333:",
            "arn:aws:sns:nowhere at all:111122223333:releases",
            "arn:aws:sns:eu-central-1:111122223333:releases:0a1b",
            "arn:aws:sns:eu-central-1:111122223333:event-bus/default",
            "arn:aws:events:eu-central-1:111122223333:rule/default",
            "arn:aws:events:eu-central-1:111122223333:event-bus/",
            "arn:aws:events:eu-central-1:111122223333:event-bus/aws.partner/x",
        ] {
            assert!(ChannelArn::parse(wrong).is_err(), "{wrong}");
        }
    }
}
