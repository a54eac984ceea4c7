//! Traffic shifting, as a profile configures it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How traffic is shifted to the new versions of the functions of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficConfig {
    /// What routes the traffic: `lambda-alias`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "lambda-alias")]
    pub router: Option<String>,
    /// The steps, with growing shares. After the last one the new versions get everything.
    pub steps: Vec<TrafficStepConfig>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficStepConfig {
    /// The share of the new versions in percent, from 1 to 99.
    #[schema(example = 5, minimum = 1, maximum = 99)]
    pub percent: u8,
    /// How long the step lasts, such as `5m`.
    #[serde(rename = "for")]
    #[schema(example = "5m")]
    pub lasts: String,
}

/// Sets the share of the new versions while traffic is shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftTraffic {
    /// The share in percent. 100 ends the steps: the new versions get everything. 0 aborts: the old versions get everything back, and the
    /// rollout fails.
    #[schema(example = 50, minimum = 0, maximum = 100)]
    pub percent: u8,
}

/// The traffic of a rollout that shifts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrafficView {
    /// The wave whose traffic is shifted, counted from 1.
    pub wave: usize,
    /// The share of the new versions in percent.
    pub percent: u8,
    /// The step, counted from 1.
    pub step: usize,
    /// The number of steps.
    pub steps: usize,
    /// When the step ends, once every alias of the wave has its share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}
