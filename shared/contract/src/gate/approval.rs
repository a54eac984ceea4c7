//! Approvals of waves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Approves the wave that a rollout waits to begin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The digest of the package that was reviewed; refused if the rollout deploys another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The digest of the plan that was reviewed; refused if the rollout's plan has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    /// The principal that approved.
    pub by: String,
    /// The person that it counts as, if that is not the principal itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The reason, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The time of the approval.
    pub at: String,
    /// The approved wave, counted from 1.
    pub wave: usize,
    /// The digest of the approved package.
    pub package: String,
    /// The digest of the approved plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}
