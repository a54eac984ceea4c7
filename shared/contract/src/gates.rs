//! Gates: their configuration, the commands about them, and their views.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A weekly window in which waves may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// The days on which it begins: `mon` to `sun`; default: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["mon", "tue", "wed", "thu"]))]
    pub days: Vec<String>,
    /// Its start.
    #[schema(example = "09:00")]
    pub from: String,
    /// Its end; an end that is not after `from` is on the next day.
    #[schema(example = "16:00")]
    pub to: String,
}

/// A scheduled freeze: a period in which no wave begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeConfig {
    /// Its start, in the profile's time zone.
    #[schema(example = "2026-12-20T00:00")]
    pub from: String,
    /// Its end.
    #[schema(example = "2027-01-04T08:00")]
    pub to: String,
    /// The reason.
    pub because: String,
}

/// A verification: an HTTPS request to a URL that the stack outputs, or a Lambda function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckConfig {
    /// The stack output that holds the URL. Give either this or `function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ServiceEndpoint")]
    pub output: Option<String>,
    /// The path that is appended to the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/health")]
    pub path: Option<String>,
    /// The expected HTTP status; default: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A function in the target's account and region. It is invoked with the deployment's details, and the
    /// verification passes if it returns without an error. `{service}` and `{stage}` are replaced by the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{service}-{stage}-verify")]
    pub function: Option<String>,
    /// How long the verification is repeated until it passes, such as `2m`; at most an hour, default: a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// Approves the wave that a rollout waits to begin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The digest of the package that was reviewed; refused if the rollout deploys another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The digest of the plan that was reviewed; refused if the rollout's plan has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// The reason for a command that requires one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// The reason.
    pub because: String,
}

/// Freezes everything, or a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopLine {
    /// The profile; default: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The reason.
    pub because: String,
}

/// Unfreezes everything, or a profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftLine {
    /// The profile; default: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
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

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    /// The principal that approved.
    pub by: String,
    /// The reason, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The time of the approval.
    pub at: String,
    /// The approved wave, counted from 1.
    pub wave: usize,
    /// The digest of the approved package.
    pub package: String,
    /// The digest of the approved plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// A blocked gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedView {
    /// `line`, `window`, `alarm`, `approval`, `output` or `rules`.
    pub gate: String,
    /// Why it is blocked.
    pub why: String,
    /// The time at which it opens by itself, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// The gates of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct GatesView {
    /// The wave that waits to begin, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    /// The number of approvals that this wave needs.
    pub approvals_needed: usize,
    /// The approvals given so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalView>,
    /// The gates that were blocked at the last observation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ClosedView>,
    /// Who opened all gates by break-glass, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_open: Option<String>,
}

/// A freeze of everything, or of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// The profile; absent: everything is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The principal that froze it.
    pub by: String,
    /// The reason.
    pub because: String,
    /// The time of the freeze.
    pub at: String,
}
