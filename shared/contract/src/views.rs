//! What the API shows.

use crate::config::{ProfileConfig, ServiceConfigDoc};
use crate::gates::GatesView;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, newest first where they have a time.
    pub items: Vec<T>,
    /// Give this as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    /// Its name.
    pub service: String,
    /// The version of its configuration.
    pub config_version: u64,
}

/// A service with its stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceStagesView {
    /// Its name.
    pub service: String,
    /// Its stages by name.
    pub stages: Vec<StageView>,
}

/// A stage: what runs where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageView {
    /// The stage.
    pub stage: String,
    /// The profile of its newest rollout.
    pub profile: String,
    /// The rollout under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// The rollout that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<String>,
    /// The release that last succeeded everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// The releases that were stable before it, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<String>,
    /// Packages that nothing brings here until their hold is lifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldView>,
    /// A preview's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Per target what the last rollout left there.
    pub targets: Vec<RunningView>,
}

/// A package that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// The package's digest.
    pub digest: String,
    /// Who holds it.
    pub by: String,
    /// Why.
    pub because: String,
    /// Since when.
    pub at: String,
}

/// What runs at one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunningView {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Which of the package's stacks it is, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The release that was last proven to run there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Its package's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How the last rollout ended there; only `succeeded` means that it brought its release.
    pub status: String,
    /// That rollout.
    pub rollout: String,
    /// When it ended there.
    pub at: String,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseView {
    /// Its id.
    pub id: String,
    /// The service.
    pub service: String,
    /// What it was built from: `branch:main`.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// What CI calls the build.
    pub build: String,
    /// The package's digest.
    pub digest: String,
    /// What made the package.
    pub format: String,
    /// When it was uploaded.
    pub uploaded_at: String,
    /// How many bytes its assets have.
    pub asset_bytes: u64,
    /// Whether it can still be rolled out: what is not kept has to be uploaded again.
    #[serde(default = "yes")]
    pub kept: bool,
    /// Its stacks in their order, if it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<String>,
    /// The one stage it fits, if names of it are baked in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What was replaced to make it the same everywhere, the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<RewriteView>,
    /// What the user should know, the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningView>,
}

fn yes() -> bool {
    true
}

/// A literal that became a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RewriteView {
    /// Where.
    pub path: String,
    /// What stood there.
    pub from: String,
    /// What stands there now, such as `AWS::Region`.
    pub to: String,
}

/// Something the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WarningView {
    /// The stable code.
    pub code: String,
    /// Where.
    pub path: String,
    /// What.
    pub message: String,
}

/// An upload and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadView {
    /// Its id.
    pub id: String,
    /// The key it was uploaded to.
    pub key: String,
    /// The object's version.
    pub version_id: String,
    /// When it was uploaded.
    pub uploaded_at: String,
    /// `accepted` or `refused`.
    pub status: String,
    /// The release it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The rollout it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<CauseView>,
}

/// Why something was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CauseView {
    /// The stable code, see `docs/errors.md`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub fix: String,
    /// The resource or place it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A rollout with its deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloutView {
    /// Its id.
    pub id: String,
    /// The service.
    pub service: String,
    /// The stage.
    pub stage: String,
    /// `deploy` or `remove`.
    pub kind: String,
    /// The release it brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The package's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its state.
    pub status: String,
    /// Whether nothing follows.
    pub ended: bool,
    /// Who or what started it.
    pub requested_by: String,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Who called it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// Who paused it, while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
    /// The rollout whose failed targets it does again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// The set of services that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The release that it brings back, if it reverts or reverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts_to: Option<String>,
    /// The rollout that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// The digest of its plan, if one was made before its first wave: an approval is bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Its gates, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<GatesView>,
    /// When it was accepted.
    pub created_at: String,
    /// When it entered its state.
    pub entered_at: String,
    /// Its targets in the order of the waves.
    pub deployments: Vec<DeploymentView>,
}

/// One target of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentView {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Which of the package's stacks it is, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The wave, from 1.
    pub wave: u32,
    /// The stack.
    pub stack: String,
    /// Its state; `pending` before its wave begins.
    pub status: String,
    /// Whether the stack was changed, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// What the change set changes, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesView>,
    /// Why it ended badly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// What an operator should know although it is no failure: resources left behind, drift, warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The SHA-256 of each function's code, in hex: what the package holds and, once the deployment has
    /// succeeded, what Lambda says it runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub code_sha256: BTreeMap<String, String>,
    /// When it entered its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<String>,
    /// The way back to the stage's last stable release, if the rollout failed and reverts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub back: Option<Box<DeploymentView>>,
}

/// What a change set changes, in numbers of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangesView {
    /// Added.
    pub add: u32,
    /// Changed in place.
    pub modify: u32,
    /// Replaced, or possibly so.
    pub replace: u32,
    /// Removed.
    pub remove: u32,
}

/// One entry of a rollout's timeline and audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// When.
    pub at: String,
    /// Who: a principal's ARN for what people asked for, `flotilla` for what follows from it.
    pub actor: String,
    /// Which target, if it is about one: `<account>/<region>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What: a state that was entered, or a command.
    pub what: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The configuration of a service, with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionedServiceConfig {
    /// Counted from 1.
    pub version: u64,
    /// Who changed it last.
    pub changed_by: String,
    /// When.
    pub changed_at: String,
    /// The configuration.
    pub config: ServiceConfigDoc,
}

/// A profile, with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionedProfileConfig {
    /// Counted from 1.
    pub version: u64,
    /// Who changed it last.
    pub changed_by: String,
    /// When.
    pub changed_at: String,
    /// The configuration.
    pub config: ProfileConfig,
}
