//! Access grants, as operators write them and as the API shows them, and the audit.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A link that signs a browser in to the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsoleLinkView {
    /// Its path on the API. It works once: treat it like a password.
    pub path: String,
    /// When it expires.
    pub expires_at: String,
}

/// The access grants. Without any, every principal that IAM lets call the API may do everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// All grants.
    pub grants: Vec<GrantConfig>,
    /// How principals are recognised as persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityConfig>,
}

/// How principals are recognised as persons, for approvals and four eyes. Without it, all sessions of a role are one person, but those of
/// roles that IAM Identity Center makes, which are named by their users.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// The ARNs of roles whose trust policies pin the name of each session to who assumes them (`sts:RoleSessionName` or
    /// `sts:SourceIdentity`); names may contain `*` and `?`. Their sessions are persons of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["arn:aws:iam::111122223333:role/team-*"]))]
    pub pinned_session_names: Vec<String>,
    /// Who the authors of releases are: by the name that the signed provenance gives an author, the ARN of a principal, or the name of a
    /// user of IAM Identity Center. An author who is not listed is the user of IAM Identity Center of the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"ann@example.com": "arn:aws:iam::111122223333:user/ann"}))]
    pub authors: BTreeMap<String, String>,
}

/// Grants a role to principals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantConfig {
    /// The ARN of a user or role; the name may contain `*` and `?`. A grant to a role applies to its sessions.
    #[schema(example = "arn:aws:iam::111122223333:role/release-*")]
    pub principal: String,
    /// `viewer`, `deployer`, `approver` or `admin`.
    #[schema(example = "deployer")]
    pub role: String,
    /// Names or patterns of stages; default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["staging", "pr-*"]))]
    pub stages: Option<Vec<String>>,
    /// Names or patterns of services; default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<String>>,
}

/// The access grants, with their version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionedAccessConfig {
    /// The version, counted from 1.
    pub version: u64,
    /// The principal that made the last change.
    pub changed_by: String,
    /// The time of the last change.
    pub changed_at: String,
    /// The grants.
    pub config: AccessConfig,
}

/// Who the caller is, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoAmIView {
    /// The principal that signed the request.
    #[schema(example = "arn:aws:sts::111122223333:assumed-role/release/ann")]
    pub principal: String,
    /// The person that it counts as, for approvals and four eyes.
    #[schema(example = "arn:aws:iam::111122223333:role/release")]
    pub person: String,
    /// What it may do. Empty if nothing is granted to it.
    pub grants: Vec<OwnGrantView>,
}

/// A role that the caller has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnGrantView {
    /// `viewer`, `deployer`, `approver` or `admin`.
    #[schema(example = "deployer")]
    pub role: String,
    /// Patterns of services; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Patterns of stages; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
}

/// One entry of the audit: a command that a principal gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// The time of the command.
    pub at: String,
    /// The principal's ARN.
    pub principal: String,
    /// The person that it counts as, if that is not the principal itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The command.
    #[schema(example = "promote")]
    pub act: String,
    /// `accepted`, or `refused` if the principal lacked the role.
    pub outcome: String,
    /// The service that the command is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Details: the reason given, the version of a configuration, or why the command was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The id of the API request.
    pub request_id: String,
}
