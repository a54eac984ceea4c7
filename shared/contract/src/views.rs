//! Views: bodies of replies.

use crate::config::{ProfileConfig, ServiceConfigDoc};
use crate::gate::GatesView;
use crate::provenance::ProvenanceView;
use crate::traffic::TrafficView;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items; newest first if they have a time.
    pub items: Vec<T>,
    /// The `cursor` of the next page; absent on the last page.
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

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseView {
    /// Its id.
    pub id: String,
    /// The service.
    pub service: String,
    /// The ref that it was built from: `branch:main`.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// The name that CI gave the build.
    pub build: String,
    /// The package's digest.
    pub digest: String,
    /// The package's format, that is the tool that wrote it.
    pub format: String,
    /// The time of the upload.
    pub uploaded_at: String,
    /// The size of its assets in bytes, without code that came from other buckets.
    pub asset_bytes: u64,
    /// Whether it can still be deployed; a release that is not kept must be uploaded again.
    #[serde(default = "yes")]
    pub kept: bool,
    /// The names of its stacks, in order, if it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<String>,
    /// Who signed it; absent if it is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<ProvenanceView>,
    /// The only stage that it fits, if its templates contain that stage's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The first hundred literals that were replaced to neutralise the templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<RewriteView>,
    /// The first hundred warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningView>,
}

fn yes() -> bool {
    true
}

/// A literal that was replaced by a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RewriteView {
    /// The place in the template.
    pub path: String,
    /// The literal.
    pub from: String,
    /// The replacement, such as `AWS::Region`.
    pub to: String,
}

/// A warning about a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WarningView {
    /// The stable code.
    pub code: String,
    /// The place in the template.
    pub path: String,
    /// The warning.
    pub message: String,
}

/// An upload and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadView {
    /// Its id.
    pub id: String,
    /// The key of the object.
    pub key: String,
    /// The object's version.
    pub version_id: String,
    /// The time of the upload.
    pub uploaded_at: String,
    /// `accepted`, `refused`, or `closed` for a close marker.
    pub status: String,
    /// The release that was created from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The rollout that it started.
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
    /// What happened, and why.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// The resource or place that it is about.
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
    /// The release that is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The package's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The ref that the release was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// CI's name of the build, such as a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Its state.
    pub status: String,
    /// Whether the rollout has ended.
    pub ended: bool,
    /// The principal or the event that started it.
    pub requested_by: String,
    /// The reason, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The principal that cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// The principal that paused it, while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
    /// The stage to which its release is promoted when it has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotes_to: Option<String>,
    /// The rollout that it retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// The set that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The release that it reverts to, if it is reverting or has reverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts_to: Option<String>,
    /// The rollout that superseded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// The digest of its plan, if one was made before its first wave. Approvals are bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Its traffic, while that is shifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficView>,
    /// Its gates, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<GatesView>,
    /// The time at which it was accepted.
    pub created_at: String,
    /// The time at which it entered its state.
    pub entered_at: String,
    /// Its deployments, in the order of the waves.
    pub deployments: Vec<DeploymentView>,
}

/// A deployment: one target of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentView {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The stack's name within the package, if the package has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The slot, `blue` or `green`, of a stage that is deployed blue/green; absent before it is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// The wave, counted from 1.
    pub wave: u32,
    /// The stack's name.
    pub stack: String,
    /// Its state; `pending` before its wave begins.
    pub status: String,
    /// Whether the stack was changed; absent until it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// What the change set changes; absent until it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesView>,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// Notes for operators that are not failures: retained resources, drift, warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The SHA-256 of each function's code in the package, in hex. Once the deployment has succeeded, Lambda has
    /// reported the same value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub code_sha256: BTreeMap<String, String>,
    /// The time at which it entered its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<String>,
    /// The rollback to the stage's last stable release, if the rollout failed and reverts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub back: Option<Box<DeploymentView>>,
}

/// The number of resources that a change set changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangesView {
    /// Added.
    pub add: u32,
    /// Changed in place.
    pub modify: u32,
    /// Replaced, or possibly replaced.
    pub replace: u32,
    /// Removed.
    pub remove: u32,
}

/// One entry of a rollout's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// The time of the entry.
    pub at: String,
    /// The actor: a principal's ARN for a command, `flotilla` for what follows from it.
    pub actor: String,
    /// The account-region, if the entry is about one: `<account>/<region>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The state that was entered, or the command.
    pub what: String,
    /// Details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The configuration of a service, with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionedServiceConfig {
    /// The version, counted from 1.
    pub version: u64,
    /// The principal that made the last change.
    pub changed_by: String,
    /// The time of the last change.
    pub changed_at: String,
    /// The configuration.
    pub config: ServiceConfigDoc,
}

/// A profile, with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionedProfileConfig {
    /// The version, counted from 1.
    pub version: u64,
    /// The principal that made the last change.
    pub changed_by: String,
    /// The time of the last change.
    pub changed_at: String,
    /// The configuration.
    pub config: ProfileConfig,
}
