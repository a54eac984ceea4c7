//! Notices, as published to a profile's SNS topics.

use crate::views::CauseView;
use serde::{Deserialize, Serialize};

/// The progress of a rollout. A notice may be delivered twice: rollout and kind identify it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeView {
    /// `begun`, `waits`, `broken_open`, `reverting`, `succeeded`, `failed`, `reverted` or `cancelled`.
    pub kind: String,
    /// The rollout.
    pub rollout: String,
    /// The service.
    pub service: String,
    /// The stage.
    pub stage: String,
    /// The profile.
    pub profile: String,
    /// The release that is deployed; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The package's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The set that the rollout belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The principal that requested the rollout, or what started it.
    pub requested_by: String,
    /// The reason, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What the rollout waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// The cause of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// The time of the change.
    pub at: String,
}
