//! The specification of a deployment. It is fixed when the deployment is opened, so that a change of the
//! configuration does not affect running deployments.

use super::apis::ApiMapping;
use super::records::WeightedRecord;
use crate::names::{ServiceName, StackName, StageName};
use crate::plan::Safeguards;
use crate::release::StackRelease;
use std::collections::{BTreeMap, BTreeSet};

/// The goal of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentKind {
    /// Deploy one stack of a release.
    Deploy(StackRelease),
    /// Delete the stack; that of a preview with the contents of its own buckets.
    Remove,
}

/// How the target is reached; see [`crate::config::account::TargetAccount`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The role that Flotilla assumes.
    pub role_arn: String,
    /// The external id that the role requires.
    pub external_id: String,
    /// CloudFormation's service role.
    pub service_role_arn: String,
    /// The permissions boundary of the roles that templates make: a policy's ARN. `None` for an account that was prepared without one.
    pub role_boundary: Option<String>,
}

/// The handling of properties that were changed outside of CloudFormation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drift {
    /// Ordinary change sets, which do not detect drift.
    #[default]
    Ignore,
    /// Drift-aware change sets (`REVERT_DRIFT`): drift is reverted, and shown.
    Revert,
    /// Drift-aware change sets. One that would revert drift is refused until an operator accepts the drift.
    Refuse,
}

/// What Flotilla may do to a stack beyond updating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackPolicy {
    /// Whether a stack whose first creation failed may be deleted and recreated.
    pub recreate_failed: bool,
    /// Whether a stack that cannot be deleted may be force-deleted, which leaves resources behind.
    pub force_delete: bool,
    /// Whether operations end when the configuration is applied, before resources are stable (`EXPRESS`).
    pub express: bool,
    /// The handling of drift.
    pub drift: Drift,
    /// Whether a change set with validation warnings is refused.
    pub refuse_warnings: bool,
    /// Resources that a stuck rollback may skip, by logical id. An operator names them.
    pub skip_resources: BTreeSet<String>,
    /// The safeguards, with what an operator has approved.
    pub safeguards: Safeguards,
}

impl Default for StackPolicy {
    fn default() -> Self {
        Self {
            recreate_failed: true,
            force_delete: false,
            express: false,
            drift: Drift::Ignore,
            refuse_warnings: false,
            skip_resources: BTreeSet::new(),
            safeguards: Safeguards::default(),
        }
    }
}

/// A version that an alias names again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredVersion {
    /// The version that the deployment which is rolled back has given the alias. If it names another one by now, it is left as it is.
    pub from: String,
    /// The version that it named before.
    pub to: String,
}

/// The specification of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentSpec {
    /// The service.
    pub service: ServiceName,
    /// The stage.
    pub stage: StageName,
    /// The stack.
    pub stack: StackName,
    /// How the target is reached.
    pub access: Access,
    /// Deploy or remove.
    pub kind: DeploymentKind,
    /// The values of the template's parameters, without `FlotillaAssetsBucket`.
    pub parameters: BTreeMap<String, String>,
    /// The stack's tags.
    pub tags: BTreeMap<String, String>,
    /// The capabilities the profile grants.
    pub capabilities: BTreeSet<String>,
    /// What Flotilla may do to the stack.
    pub policy: StackPolicy,
    /// Whether the rollout shifts traffic: the update publishes new versions, and the aliases keep the old ones.
    pub shifts: bool,
    /// The versions that aliases name again before the update, by logical id: those of the release that is rolled back to, where they are known.
    pub restores: BTreeMap<String, RestoredVersion>,
    /// The API mapping that gets the stack its traffic, if it is one of two that are deployed blue/green.
    pub mapping: Option<ApiMapping>,
    /// The DNS record by which its region gets traffic, if the rollout sets its weight.
    pub record: Option<WeightedRecord>,
    /// Whether the region gets no traffic while the stack is updated.
    pub drains: bool,
    /// Whether a rollout that failed has left the region without traffic.
    pub was_drained: bool,
    /// The names of the alarms that are rollback triggers of an update.
    pub alarms: BTreeSet<String>,
}
