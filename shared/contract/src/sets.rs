//! Sets: several services that are promoted or rolled back as one.

use crate::views::CauseView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Promotes the stable releases of several services from one stage to another, as one set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteSet {
    /// The names of 1 to 50 services.
    pub services: Vec<String>,
    /// The stage whose releases are promoted.
    pub from: String,
    /// The stage that is deployed to.
    pub to: String,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Rolls the services of a set back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBackSet {
    /// Whether to roll back to the releases before the set; default: to the releases that the set deployed.
    #[serde(default)]
    pub before: bool,
    /// Whether to roll back in the profiles' waves; default: all targets at once.
    #[serde(default)]
    pub by_waves: bool,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Redeploys the services that take outputs of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedeployConsumers {
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A set of services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetView {
    /// Its id.
    pub id: String,
    /// `promotion`, `rollback` or `redeploy`.
    pub kind: String,
    /// For a promotion: the stage it promotes from. For a rollback: the set it rolls back to. For a redeploy: the
    /// service whose outputs its members take.
    pub of: String,
    /// `rolling`, `reverting`, `succeeded`, `reverted` or `failed`.
    pub status: String,
    /// Whether the set has ended.
    pub ended: bool,
    /// The principal that requested the set.
    pub requested_by: String,
    /// The reason.
    pub because: String,
    /// The principal that cancelled the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// The cause of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// The time at which the set was accepted.
    pub created_at: String,
    /// The time at which the set entered its state.
    pub entered_at: String,
    /// Its members, in the order in which their rollouts start.
    pub members: Vec<SetMemberView>,
}

/// A member of a set: one service at one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetMemberView {
    /// The service.
    pub service: String,
    /// The stage.
    pub stage: String,
    /// The order, from 1: the rollouts of members with the same number run together.
    pub order: usize,
    /// The release that is deployed.
    pub release: String,
    /// The release that was stable before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The rollout to the release; absent until it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<SetLegView>,
    /// The rollout back to the release before, if the set failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<SetLegView>,
}

/// One rollout of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetLegView {
    /// The rollout.
    pub rollout: String,
    /// The rollout's state; `refused` if it was not admitted, `overtaken` if another rollout has the stage now.
    pub status: String,
    /// The cause of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
}

/// The services that take outputs of a service's stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsumersView {
    /// The service whose outputs are taken.
    pub service: String,
    /// Its stage.
    pub stage: String,
    /// The services that have ever taken outputs.
    pub consumers: Vec<ConsumerView>,
}

/// A service that takes outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsumerView {
    /// The service.
    pub service: String,
    /// Its stage.
    pub stage: String,
    /// The outputs, as its profile names them.
    pub outputs: Vec<String>,
}
