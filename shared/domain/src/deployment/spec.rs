//! What a deployment is to bring about: all of it is fixed when the deployment is opened, so that a
//! configuration that changes meanwhile changes no deployment under way.

use crate::names::{ServiceName, StackName, StageName};
use crate::plan::Safeguards;
use crate::release::StackRelease;
use std::collections::{BTreeMap, BTreeSet};

/// What kind of work it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentKind {
    /// Bring a release's part to the stack.
    Deploy(StackRelease),
    /// Delete the stack of a preview, with what its own buckets hold.
    Remove,
}

/// How the target is reached; see [`crate::config::account::TargetAccount`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The role that Flotilla assumes.
    pub role_arn: String,
    /// The external id the role asks for.
    pub external_id: String,
    /// The role CloudFormation acts with.
    pub service_role_arn: String,
}

/// What is done about properties that somebody changed outside of CloudFormation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drift {
    /// Nobody looks: change sets are made as ever.
    #[default]
    Ignore,
    /// Change sets are drift-aware (`REVERT_DRIFT`): what was changed is changed back, and shown.
    Revert,
    /// They are drift-aware, and one that would change something back is not executed before an
    /// operator says so.
    Refuse,
}

/// What may be done to a stack beyond updating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackPolicy {
    /// A stack whose first creation failed may be deleted and made anew.
    pub recreate_failed: bool,
    /// A stack that resists its deletion may be deleted by force: what is left of it stays behind.
    pub force_delete: bool,
    /// Operations end when the configuration is applied, not when resources serve (`EXPRESS`).
    pub express: bool,
    /// What is done about drift.
    pub drift: Drift,
    /// A change set with validation warnings is not executed.
    pub refuse_warnings: bool,
    /// Resources that a stuck rollback may skip: an operator's word, by logical id.
    pub skip_resources: BTreeSet<String>,
    /// What no change set may do, with what of it an operator has approved.
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

/// What a deployment is to bring about.
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
    /// The values of the template's parameters, less `FlotillaAssetsBucket`.
    pub parameters: BTreeMap<String, String>,
    /// The stack's tags.
    pub tags: BTreeMap<String, String>,
    /// The capabilities the profile grants.
    pub capabilities: BTreeSet<String>,
    /// What may be done to the stack.
    pub policy: StackPolicy,
    /// The alarms, by name, that roll an update back when they are raised.
    pub alarms: BTreeSet<String>,
}
