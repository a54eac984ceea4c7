//! Lambda functions of the services.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::Digest;

/// What Lambda says of a function's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionCodeSeen {
    /// The digest of the zip it runs.
    pub code_sha256: Option<Digest>,
    /// Whether an update is still being applied.
    pub pending: bool,
}

/// Lambda.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Reads back what a function runs; `None` when there is no such function.
    async fn code(&self, place: &Place, function: &str) -> Result<Option<FunctionCodeSeen>, PortError>;
}
