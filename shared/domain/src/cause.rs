//! Why a deployment or rollout ended as it did.

use crate::code::{Code, Refusal, cut};

/// The true cause of a failure: a stable code, AWS's own words, and the resource it began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The stable code.
    pub code: Code,
    /// What happened; a reason that AWS gave is kept word for word.
    pub message: String,
    /// What the operator can do about it.
    pub fix: String,
    /// The logical id of the resource it began with, when one is known.
    pub resource: Option<String>,
}

impl Cause {
    /// A cause without a resource; texts are cut to [`crate::code::TEXT_BYTES_MAX`].
    pub fn new(code: Code, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, message: cut(message.into()), fix: cut(fix.into()), resource: None }
    }

    /// The same with the resource it began with.
    #[must_use]
    pub fn of(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }
}

/// A refusal that nobody is left to hear is the cause of an end.
impl From<Refusal> for Cause {
    fn from(Refusal { code, message, fix, path }: Refusal) -> Self {
        Self { code, message, fix, resource: path }
    }
}
