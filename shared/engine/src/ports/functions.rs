//! Lambda functions of the services.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::Digest;
use serde_json::Value;

/// A function's code as Lambda reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionCodeObserved {
    /// The SHA-256 of the deployed zip, or the digest of the container image (`CodeSha256`).
    pub code_sha256: Option<Digest>,
    /// Whether an update is in progress.
    pub pending: bool,
}

/// The response of an invoked function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// Whether the invocation succeeded. If not, the reply is the error.
    pub ok: bool,
    /// The first 2 KB of the reply, in one line.
    pub reply: String,
}

/// The versions that share the invocations of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasShares {
    /// The version that gets what the other does not get.
    pub version: String,
    /// Another version, and its share in percent: 1 to 99.
    pub other: Option<(String, u8)>,
}

/// An alias as Lambda reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasObserved {
    /// The versions that it names.
    pub shares: AliasShares,
    /// Changes whenever the alias does.
    pub revision: String,
}

/// Lambda.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Reads back the code of a function; `None` if there is no such function.
    async fn code(&self, place: &Place, function: &str) -> Result<Option<FunctionCodeObserved>, PortError>;

    /// Reads an alias; `None` if there is no such alias.
    async fn alias(&self, place: &Place, alias_arn: &str) -> Result<Option<AliasObserved>, PortError>;

    /// Sets the versions that an alias names, if it has this revision. Returns the new revision; `None` if it has another one, and
    /// nothing was changed.
    async fn set_alias(
        &self,
        place: &Place,
        alias_arn: &str,
        shares: &AliasShares,
        revision: &str,
    ) -> Result<Option<String>, PortError>;

    /// Invokes a function once and waits up to 20 seconds for its reply. `Missing` if there is no such
    /// function. `Transient` if it takes longer; it keeps running and its reply is lost.
    async fn invoke(&self, place: &Place, function: &str, payload: &Value) -> Result<Invoked, PortError>;
}
