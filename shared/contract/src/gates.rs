//! Gates: how they are configured, what is said to them, and how they are shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Hours of some days of every week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// The days on which it begins: `mon` to `sun`; every day if it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["mon", "tue", "wed", "thu"]))]
    pub days: Vec<String>,
    /// Its first moment.
    #[schema(example = "09:00")]
    pub from: String,
    /// Its end; one that is not after `from` is on the next day.
    #[schema(example = "16:00")]
    pub to: String,
}

/// A time in which no wave begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeConfig {
    /// Its first moment, by the profile's clock.
    #[schema(example = "2026-12-20T00:00")]
    pub from: String,
    /// Its end.
    #[schema(example = "2027-01-04T08:00")]
    pub to: String,
    /// Why.
    pub because: String,
}

/// A verification: an HTTPS request to what an output of the stack names, or a Lambda function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckConfig {
    /// The output of the stack that has the URL. Give this or `function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ServiceEndpoint")]
    pub output: Option<String>,
    /// What is added to the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/health")]
    pub path: Option<String>,
    /// The status that is wanted; 200 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A function in the target's account and region: it is invoked with the deployment's details, and passes if
    /// it comes to its end. `{service}` and `{stage}` stand for the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{service}-{stage}-verify")]
    pub function: Option<String>,
    /// How long it is tried again until it passes, such as `2m`, an hour at most; a minute if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// Approves the wave that a rollout waits with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The package that was looked at; refused if the rollout brings another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The plan that was looked at, as the rollout names it; refused if it has another by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A reason, for what is not done without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// Why.
    pub because: String,
}

/// Stops a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopLine {
    /// The profile; everything if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Why.
    pub because: String,
}

/// Lets a line go on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftLine {
    /// The profile; everything if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// Asks for the plan of a rollout that is not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// The stage it would go to.
    pub stage: String,
    /// The release; else the stable one of `from`; else the service's newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The stage whose stable release is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    /// Who.
    pub by: String,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// When.
    pub at: String,
    /// Of which wave, counted from 1.
    pub wave: usize,
    /// Of which package.
    pub package: String,
    /// Of which plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// A gate that is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedView {
    /// `line`, `window`, `alarm`, `approval`, `output` or `rules`.
    pub gate: String,
    /// Why.
    pub why: String,
    /// When it opens by itself, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// The gates of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct GatesView {
    /// The wave that waits, counted from 1, and how many approvals it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    /// How many approvals that wave needs.
    pub approvals_needed: usize,
    /// Those that were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalView>,
    /// What was closed when it was looked at last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ClosedView>,
    /// Who has opened all of them, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_open: Option<String>,
}

/// A line that is stopped: everything, or a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// The profile; every one if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Who stopped it.
    pub by: String,
    /// Why.
    pub because: String,
    /// Since when.
    pub at: String,
}
