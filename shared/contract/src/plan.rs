//! Plans: what the change sets of a rollout would change, recorded when they were created.

use crate::views::{CauseView, ChangesView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The changes at all targets of a rollout, merged into one diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    /// The rollout.
    pub rollout: String,
    /// Its service.
    pub service: String,
    /// Its stage.
    pub stage: String,
    /// The release that is deployed; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The rollout's state.
    pub status: String,
    /// Whether the rollout has ended.
    pub ended: bool,
    /// The digest of the plan made before the first wave, if there is one. Approvals are bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The targets, in the order of the waves.
    pub targets: Vec<TargetPlanView>,
    /// The changes, by stack and logical id. A resource is listed more than once if its targets differ.
    pub changes: Vec<PlannedChangeView>,
    /// The number of changes that are not listed.
    pub omitted: usize,
}

/// One target's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetPlanView {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The stack's name within the package, if the package has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The wave, counted from 1.
    pub wave: usize,
    /// The stack's name.
    pub stack: String,
    /// The digest of the target's plan; absent until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The number of changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesView>,
    /// Whether the listed changes are all changes of the change set.
    pub complete: bool,
    /// The cause, if a safeguard refuses the change set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<CauseView>,
    /// The time at which the change set was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// The change of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedChangeView {
    /// The stack's name within the package, if the package has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The resource's logical id in the template.
    pub logical_id: String,
    /// The resource's type.
    pub resource_type: String,
    /// `add`, `modify`, `remove`, `import`, or `dynamic` if CloudFormation decides during execution.
    pub action: String,
    /// Whether the resource is replaced: `never`, `conditional`, `always`.
    pub replacement: String,
    /// What happens to a removed or replaced resource, if it is known: `deleted`, `snapshotted`, `retained`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<String>,
    /// The properties that change.
    pub properties: Vec<PropertyView>,
    /// The number of changed properties that are not listed.
    pub omitted: usize,
    /// Whether this change is planned at all targets of the stack that have a plan.
    pub everywhere: bool,
    /// The account-regions where this change is planned: `account/region`.
    pub targets: Vec<String>,
}

/// A changed property. `${AWS::Region}` and `${AWS::AccountId}` stand for the values that differ between targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PropertyView {
    /// The path of the property: `Environment.Variables.LEVEL`.
    pub path: String,
    /// The present value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether the values are not shown because they may be secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Whether this change alone replaces the resource: `never`, `conditional`, `always`.
    pub recreation: String,
}

/// Asks for a plan without starting a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// The stage that would be deployed to.
    pub stage: String,
    /// The release; default: the stable release of `from`, else the service's newest release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The stage whose stable release is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}
