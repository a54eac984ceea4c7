//! SNS topics.

use crate::names::{AccountId, InvalidName, Region};
use std::fmt;

/// An SNS topic: `arn:aws:sns:eu-central-1:111122223333:releases`. FIFO topics (`.fifo`) are refused:
/// they need a message group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicArn {
    text: String,
    region: Region,
}

impl TopicArn {
    /// Reads an ARN.
    ///
    /// # Errors
    /// [`InvalidName`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let parts: Vec<&str> = text.split(':').collect();
        let is_name = |name: &str| {
            (1..=256).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let region = match parts[..] {
            ["arn", "aws" | "aws-cn" | "aws-us-gov", "sns", region, account, name]
                if AccountId::parse(account).is_ok() && is_name(name) =>
            {
                Region::parse(region).ok()
            }
            _ => None,
        };
        region.map(|region| Self { text: text.to_owned(), region }).ok_or_else(|| InvalidName {
            kind: "topic",
            given: text.chars().take(64).collect(),
            rule: "it must be the ARN of a standard SNS topic (not FIFO)",
        })
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region it is in.
    pub fn region(&self) -> &Region {
        &self.region
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_strictly() {
        let topic = TopicArn::parse("arn:aws:sns:eu-central-1:111122223333:flotilla-releases").unwrap();
        assert_eq!(topic.region().as_str(), "eu-central-1");
        for wrong in [
            "",
            "flotilla-releases",
            "arn:aws:sqs:eu-central-1:111122223333:releases",
            "arn:aws:sns:eu-central-1:1111:releases",
            "arn:aws:sns:eu-central-1:111122223333:releases.fifo",
            "arn:aws:sns:eu-central-1:111122223333:",
            "arn:aws:sns:nowhere at all:111122223333:releases",
            "arn:aws:sns:eu-central-1:111122223333:releases:0a1b",
        ] {
            assert!(TopicArn::parse(wrong).is_err(), "{wrong}");
        }
    }
}
