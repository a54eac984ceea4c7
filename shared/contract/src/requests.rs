//! Bodies of requests.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Starts a rollout of a release to a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRollout {
    /// The service.
    pub service: String,
    /// The release; it must belong to the service.
    pub release: String,
    /// The stage; a route must name it, or it must exist.
    pub stage: String,
    /// Resources whose replacement or deletion the safeguards permit, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// Cancels a rollout or a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRollout {
    /// Whether CloudFormation cancels running updates and rolls them back; default: they finish.
    #[serde(default)]
    pub stop_running: bool,
}

/// What an operator permits for one retry, in addition to the profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRollout {
    /// Resources that the continuation of a failed stack rollback may skip, by logical id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub skip: BTreeSet<String>,
    /// Whether the rollout may overwrite drift.
    #[serde(default)]
    pub accept_drift: bool,
    /// Whether a stack that cannot be deleted otherwise may be deleted by force.
    #[serde(default)]
    pub force: bool,
    /// Resources whose replacement or deletion the safeguards permit, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// The health of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// `ok` when the table answers.
    pub status: String,
    /// Flotilla's version.
    pub version: String,
    /// Hints for operators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// Promotes the stable release of one stage to another stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// The stage whose release is promoted.
    pub from: String,
    /// The stage that is deployed to.
    pub to: String,
    /// The release; default: the stable release of `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The reason; required for a release that is not the stable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Resources whose replacement or deletion the safeguards permit, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// Rolls a stage back to an earlier release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBack {
    /// The stage.
    pub stage: String,
    /// The release; default: the one that was stable before the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether to roll back in the profile's waves; default: all targets at once.
    #[serde(default)]
    pub by_waves: bool,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Resources whose replacement or deletion the safeguards permit, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// Removes a stage: its stacks are deleted in every region.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveStage {
    /// The name of the stage again; required for a permanent stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Resources of a permanent stage that may be deleted although they hold data, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// Lets a preview end later.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendPreview {
    /// Hours from now; default: the longest lifetime that the profile allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
}

/// Holds a package at a stage: it is not deployed there until the hold is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The release whose package is held.
    pub release: String,
    /// The reason.
    pub because: String,
}

/// Releases a hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftHold {
    /// The release whose package is no longer held; default: release every hold of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

/// The reason for a command that requires one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// The reason.
    pub because: String,
}
