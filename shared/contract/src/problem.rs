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
    /// With status 409: what there is, where something else was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<CurrentState>,
}

/// What there is: a rollout with its state, a stage with its rollouts, or a version of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CurrentState {
    /// The rollout; of a stage, its newest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The set of services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The rollout's, or the set's, state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The rollout's package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The rollout's plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The stage's rollout under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// The stage's rollout that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<String>,
    /// The configuration's version, 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Who changed the configuration last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
}
