//! How the command waits for CloudFormation.

use crate::error::CliError;
use std::time::Duration;

/// Polls in growing pauses of at most five seconds, for about half an hour.
pub const POLLS_MAX: u64 = 400;

/// The pause after a poll, which are counted from 0.
pub async fn pause(poll: u64) {
    tokio::time::sleep(Duration::from_millis((50 + poll * 100).min(5_000))).await;
}

/// A stack that did not settle in all polls.
pub fn unsettled(name: &str) -> CliError {
    CliError::failed(format!("cannot deploy stack {name}"), "it did not settle within half an hour")
}
