//! Who may do what, as people write it and as the API shows it, and who did what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who may do what. Without this document, whoever IAM lets in may do everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// Every grant.
    pub grants: Vec<GrantConfig>,
}

/// A role for some principals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantConfig {
    /// The ARN of a user or role; its name may have `*` and `?`. A role's grant is for its sessions.
    #[schema(example = "arn:aws:iam::111122223333:role/release-*")]
    pub principal: String,
    /// `viewer`, `deployer`, `approver` or `admin`.
    #[schema(example = "deployer")]
    pub role: String,
    /// Names or patterns of stages; all if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["staging", "pr-*"]))]
    pub stages: Option<Vec<String>>,
    /// Names or patterns of services; all if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<String>>,
}

/// Who may do what, with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionedAccessConfig {
    /// Counted from 1.
    pub version: u64,
    /// Who changed it last.
    pub changed_by: String,
    /// When.
    pub changed_at: String,
    /// The grants.
    pub config: AccessConfig,
}

/// One entry of the audit: who asked for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When.
    pub at: String,
    /// Who: a principal's ARN.
    pub principal: String,
    /// The command.
    #[schema(example = "promote")]
    pub act: String,
    /// `accepted`, or `refused` for lack of authority.
    pub outcome: String,
    /// The service it is about.
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
    /// More about it: a reason, the version of a configuration, why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The request it came with.
    pub request_id: String,
}
