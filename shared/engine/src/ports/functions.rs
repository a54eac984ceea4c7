//! Lambda functions of the services.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::Digest;
use serde_json::Value;

/// What Lambda says of a function's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionCodeSeen {
    /// The digest of the zip it runs.
    pub code_sha256: Option<Digest>,
    /// Whether an update is still being applied.
    pub pending: bool,
}

/// What a function that was invoked has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// Whether it came to its end; else it has failed, and the reply says how.
    pub ok: bool,
    /// Its reply: the first 2 KB, in one line.
    pub reply: String,
}

/// Lambda.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Reads back what a function runs; `None` when there is no such function.
    async fn code(&self, place: &Place, function: &str) -> Result<Option<FunctionCodeSeen>, PortError>;

    /// Invokes a function once and waits for its reply, at most 20 seconds. `Missing` if there is no such
    /// function; a function that takes longer goes on without being heard, and is `Transient`.
    async fn invoke(&self, place: &Place, function: &str, payload: &Value) -> Result<Invoked, PortError>;
}
