//! What is published to a profile's topics.

use crate::views::CauseView;
use serde::{Deserialize, Serialize};

/// What a rollout has come to. The same may come twice: rollout and kind tell.
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
    /// The release it brings; none for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The package's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The set of services that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Who asked for it.
    pub requested_by: String,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// When.
    pub at: String,
}
