//! What a port can fail with. An adapter classifies an SDK's error once, here nothing else is asked of it.

use std::fmt;

/// What an error means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too many calls: later it may work.
    Throttled,
    /// A failure that may pass: a timeout, a 5xx, a lost connection.
    Transient,
    /// The role may not do this.
    Denied,
    /// A quota of the account is used up.
    Quota,
    /// What it is about does not exist.
    Missing,
    /// It will fail the same way again.
    Permanent,
}

/// A port's failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PortError {
    /// What it means.
    pub kind: ErrorKind,
    /// The operation that failed, by AWS's name: `cloudformation:CreateChangeSet`.
    pub operation: &'static str,
    /// What AWS said: code and message.
    pub message: String,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)
    }
}

impl PortError {
    /// A failure.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { kind, operation, message: flotilla_domain::code::cut(message.into()) }
    }

    /// Whether the same call may work later.
    pub fn may_pass(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Transient)
    }
}
