//! Errors of the API, after RFC 9457.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was not done: `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI of the kind of problem: `urn:flotilla:error:FL0404`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A few words, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// The stable code, see `docs/errors.md`.
    #[schema(example = "FL0404")]
    pub code: String,
    /// What to do about it.
    pub fix: String,
    /// The field or place it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
