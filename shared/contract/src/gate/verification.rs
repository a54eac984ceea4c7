//! Verifications of a profile.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A verification: an HTTPS request to a URL that the stack outputs, or a Lambda function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckConfig {
    /// The stack output that holds the URL. Give either this or `function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ServiceEndpoint")]
    pub output: Option<String>,
    /// The path that is appended to the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/health")]
    pub path: Option<String>,
    /// The expected HTTP status; default: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A function in the target's account and region. It is invoked with the deployment's details, and the
    /// verification passes if it returns without an error. `{service}` and `{stage}` are replaced by the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{service}-{stage}-verify")]
    pub function: Option<String>,
    /// How long the verification is repeated until it passes, such as `2m`; at most an hour, default: a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}
