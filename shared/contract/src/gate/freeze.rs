//! Freezes: "stop the line".

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
