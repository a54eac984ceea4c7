//! Errors of ports. The adapter classifies an SDK error once; the engine only uses the kind.

use std::fmt;

/// What an error means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// AWS throttled the call. It may succeed later.
    Throttled,
    /// A transient failure: a timeout, a 5xx, a lost connection.
    Transient,
    /// The role lacks the permission.
    Denied,
    /// A quota of the account is reached.
    Quota,
    /// The resource does not exist.
    Missing,
    /// The same call will fail again.
    Permanent,
}

/// A port's failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PortError {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// The operation that failed, by AWS's name: `cloudformation:CreateChangeSet`.
    pub operation: &'static str,
    /// AWS's error code and message.
    pub message: String,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)
    }
}

impl PortError {
    /// Creates an error.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { kind, operation, message: flotilla_domain::code::storable(message.into()) }
    }

    /// Whether the account's role could not be assumed.
    pub fn is_refused_role(&self) -> bool {
        self.kind == ErrorKind::Denied && self.operation == "sts:AssumeRole"
    }

    /// Whether the same call may succeed later.
    pub fn may_pass(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Transient)
    }
}
