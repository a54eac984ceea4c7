//! Several services brought somewhere as one unit.

use crate::views::CauseView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Brings the releases that run everywhere at one stage to another, several services as one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteSet {
    /// The services: 1 to 50.
    pub services: Vec<String>,
    /// The stage where they run.
    pub from: String,
    /// The stage where they are to run.
    pub to: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Brings the services of a set back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBackSet {
    /// To what ran before the set; else to what the set brought.
    #[serde(default)]
    pub before: bool,
    /// In the profiles' waves; else everywhere at once.
    #[serde(default)]
    pub by_waves: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Deploys what takes outputs of a service again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedeployConsumers {
    /// Why.
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
    /// Of a promotion: the stage it comes from. Of a rollback: the set it goes back to. Of a redeploy: the service
    /// whose outputs its members take.
    pub of: String,
    /// `rolling`, `reverting`, `succeeded`, `reverted` or `failed`.
    pub status: String,
    /// Whether nothing follows.
    pub ended: bool,
    /// Who asked for it.
    pub requested_by: String,
    /// Why.
    pub because: String,
    /// Who called it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// When it was accepted.
    pub created_at: String,
    /// When the state was entered.
    pub entered_at: String,
    /// Its members, in the order in which they go.
    pub members: Vec<SetMemberView>,
}

/// One service of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetMemberView {
    /// The service.
    pub service: String,
    /// The stage.
    pub stage: String,
    /// When it goes: members of the same number go together, 1 first.
    pub order: usize,
    /// The release that it is brought to.
    pub release: String,
    /// The release that ran everywhere before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Its way to the release; absent until its turn comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<SetLegView>,
    /// Its way back to the release before, if the set failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<SetLegView>,
}

/// One way of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetLegView {
    /// The rollout that it goes by.
    pub rollout: String,
    /// The rollout's status; `refused` if it was not let in, `overtaken` if somebody else has the stage now.
    pub status: String,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
}

/// What takes outputs of a stage of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsumersView {
    /// The service whose outputs are taken.
    pub service: String,
    /// Its stage.
    pub stage: String,
    /// Who has ever taken some.
    pub consumers: Vec<ConsumerView>,
}

/// Who takes outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsumerView {
    /// The service.
    pub service: String,
    /// Its stage.
    pub stage: String,
    /// The outputs, as its profile names them.
    pub outputs: Vec<String>,
}
