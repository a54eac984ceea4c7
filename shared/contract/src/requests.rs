//! The bodies of requests.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Starts a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRollout {
    /// The service.
    pub service: String,
    /// The release: it must be one of the service.
    pub release: String,
    /// The stage; one that a rule names, or that exists.
    pub stage: String,
    /// Resources that may be lost although a safeguard keeps them, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// How a rollout is called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRollout {
    /// Stop updates that run, so that CloudFormation rolls them back; else they are finished.
    #[serde(default)]
    pub stop_running: bool,
}

/// What an operator allows for one retry, beyond what the profile does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRollout {
    /// Resources that a stuck rollback may leave as they are, by logical id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub skip: BTreeSet<String>,
    /// What was changed outside of CloudFormation may be changed back.
    #[serde(default)]
    pub accept_drift: bool,
    /// A stack that resists its deletion may be deleted by force.
    #[serde(default)]
    pub force: bool,
    /// Resources that may be lost although a safeguard keeps them, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// Whether the API works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// `ok` when the table answers.
    pub status: String,
    /// Flotilla's version.
    pub version: String,
    /// What an operator should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// Brings the release that runs everywhere at one stage to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// The stage where it runs.
    pub from: String,
    /// The stage where it is to run.
    pub to: String,
    /// The release; the stable one of `from` if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Why. Another release than the stable one needs a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Resources that may be lost although a safeguard keeps them, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// Brings a stage back to an earlier release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBack {
    /// The stage.
    pub stage: String,
    /// The release; the one that was stable before the present one if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// In the profile's waves; else everywhere at once.
    #[serde(default)]
    pub by_waves: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Resources that may be lost although a safeguard keeps them, by logical id: `Orders`, or `Orders@eu-west-1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
}

/// Holds a release's package at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The release.
    pub release: String,
    /// Why.
    pub because: String,
}

/// Lifts a hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftHold {
    /// The release; every hold of the stage if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}
