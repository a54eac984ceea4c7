//! What a rollout would change, or was to change when its change sets were made.

use crate::views::{CauseView, ChangesView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The change sets of all targets of a rollout, as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    /// The rollout.
    pub rollout: String,
    /// Its service.
    pub service: String,
    /// Its stage.
    pub stage: String,
    /// The release that it brings, if it brings one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Where the rollout stands.
    pub status: String,
    /// Whether it is over.
    pub ended: bool,
    /// The digest of the plans that were made before its first wave, if any were: what an approval is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Its targets, in the order of the waves.
    pub targets: Vec<TargetPlanView>,
    /// What changes, by stack and logical id; a resource is there more than once where targets differ.
    pub changes: Vec<PlannedChangeView>,
    /// How many more changes there are than are listed.
    pub omitted: usize,
}

/// One target's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetPlanView {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Which of the package's stacks, if it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The wave, counted from 1.
    pub wave: usize,
    /// The stack.
    pub stack: String,
    /// The digest of its plan; absent as long as there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its changes in numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesView>,
    /// Whether its changes are all that the change set makes.
    pub complete: bool,
    /// Why it is not carried out, if a safeguard refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<CauseView>,
    /// When the change set was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedChangeView {
    /// In which of the package's stacks, if it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Its id in the template.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// `add`, `modify`, `remove`, `import`, or `dynamic` if CloudFormation knows only when it comes to it.
    pub action: String,
    /// Whether another resource takes its place: `never`, `conditional`, `always`.
    pub replacement: String,
    /// What becomes of the one that leaves, if CloudFormation says so: `deleted`, `snapshotted`, `retained`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<String>,
    /// Which of its properties change.
    pub properties: Vec<PropertyView>,
    /// How many more of its properties change than are listed.
    pub omitted: usize,
    /// Whether this is so at all targets of its stack that have a plan.
    pub everywhere: bool,
    /// The targets where it is so: `account/region`.
    pub targets: Vec<String>,
}

/// A property that changes. `${AWS::Region}` and `${AWS::AccountId}` stand for what differs between targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PropertyView {
    /// Where it is: `Environment.Variables.LEVEL`.
    pub path: String,
    /// Its value now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Its value to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether its values are kept from everybody, because they may be secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Whether this change alone replaces the resource: `never`, `conditional`, `always`.
    pub recreation: String,
}
