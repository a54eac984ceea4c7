//! Windows and scheduled freezes of a profile.

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
