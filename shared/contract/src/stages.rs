//! The API's views of stages: what runs where.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A service with its stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceStagesView {
    /// Its name.
    pub service: String,
    /// Its stages by name.
    pub stages: Vec<StageView>,
}

/// A stage, with what runs at each target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageView {
    /// The stage.
    pub stage: String,
    /// The profile of its newest rollout.
    pub profile: String,
    /// The active rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// The queued rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<String>,
    /// The release that last succeeded at every target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// The releases that were stable before it, latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<String>,
    /// Packages that are not deployed here until their hold is released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldView>,
    /// For a preview: the time of its removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// For a preview: the ref of its newest upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// For a preview: the time of its newest upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded_at: Option<String>,
    /// For a preview: the last time at which its ref was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
    /// What the last rollout left at each target.
    pub targets: Vec<RunningView>,
}

/// A preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewView {
    /// The service.
    pub service: String,
    /// `deploying`, `running`, `partial` when a target's last deployment failed, or `removing`.
    pub status: String,
    /// The stage.
    pub stage: StageView,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// The package's digest.
    pub digest: String,
    /// The principal that holds it.
    pub by: String,
    /// The reason.
    pub because: String,
    /// The time of the hold.
    pub at: String,
}

/// What runs at one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunningView {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The stack's name within the package, if the package has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The slot, `blue` or `green`, of a stage that is deployed blue/green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// Whether the slot gets the traffic; absent without slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
    /// The release that was last verified to run there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Its package's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The state in which the last rollout's deployment ended; only `succeeded` means that it deployed its release.
    pub status: String,
    /// The last rollout.
    pub rollout: String,
    /// The time at which its deployment ended.
    pub at: String,
}

impl RunningView {
    /// What tells its stack from the others of the stage in its region: the name within the package, and the slot, such as `green, live`.
    pub fn stack_name(&self) -> Option<String> {
        let slot = self.live.map(|live| {
            format!("{}, {}", self.slot.as_deref().unwrap_or("no slot"), if live { "live" } else { "idle" })
        });
        let names: Vec<String> = self.part.iter().cloned().chain(slot).collect();
        (!names.is_empty()).then(|| names.join(" "))
    }
}
