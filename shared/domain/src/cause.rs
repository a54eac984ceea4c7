//! The cause of a failure.

use crate::code::{Code, Refusal, storable};

/// Why a deployment, rollout or set ended: a stable code, a message with AWS's own words, and the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The stable code.
    pub code: Code,
    /// What happened. A reason from AWS is kept word for word, but for what has the form of a secret.
    pub message: String,
    /// What the operator can do.
    pub fix: String,
    /// The logical id of the resource that failed first, if it is known.
    pub resource: Option<String>,
}

impl Cause {
    /// A cause without a resource; its texts are made [`storable`].
    pub fn new(code: Code, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, message: storable(message.into()), fix: storable(fix.into()), resource: None }
    }

    /// Adds the resource that failed first.
    #[must_use]
    pub fn of(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }
}

/// A refusal without a caller to receive it becomes the cause of the end.
impl From<Refusal> for Cause {
    fn from(Refusal { code, message, fix, path }: Refusal) -> Self {
        Self { code, message, fix, resource: path }
    }
}
