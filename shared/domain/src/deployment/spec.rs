//! What a deployment is to bring about: all of it is fixed when the deployment is opened, so that a
//! configuration that changes meanwhile changes no deployment under way.

use crate::digest::Digest;
use crate::ids::ReleaseId;
use crate::names::{ServiceName, StackName, StageName};
use crate::package::FunctionCode;
use std::collections::{BTreeMap, BTreeSet};

/// What kind of work it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentKind {
    /// Bring a release to the stack.
    Deploy {
        /// The release.
        release: ReleaseId,
        /// Its package.
        package: Digest,
        /// The template: `templates/<digest>.json` in the target's bucket.
        template: Digest,
        /// The functions whose code is read back in the end.
        functions: Vec<FunctionCode>,
    },
    /// Delete the stack of a preview, with what its own buckets hold.
    Remove,
}

/// How the target is reached; see [`crate::account::TargetAccount`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The role that Flotilla assumes.
    pub role_arn: String,
    /// The external id the role asks for.
    pub external_id: String,
    /// The role CloudFormation acts with.
    pub service_role_arn: String,
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
}
