//! Traffic shifting, as a profile configures it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How traffic is shifted to the new versions of the functions of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficConfig {
    /// What routes the traffic: `lambda-alias`, the default, `api-mapping` or `route53`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "lambda-alias")]
    pub router: Option<String>,
    /// With `lambda-alias` and `route53`: the steps, with growing shares. After the last one the new versions, or the region, get everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<TrafficStepConfig>,
    /// With `api-mapping`: the custom domain, which exists in every region of the profile. `{service}` and `{stage}` are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{service}.example.com")]
    pub domain: Option<String>,
    /// With `api-mapping`: the path under which the API is served. Default: the whole domain. `{service}` and `{stage}` are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{service}")]
    pub path: Option<String>,
    /// With `api-mapping`: the logical id of the API, if a template has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "HttpApi")]
    pub api: Option<String>,
    /// With `api-mapping`: the API's stage, if a template has several. `{stage}` is replaced by the stage's name in the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "$default")]
    pub api_stage: Option<String>,
    /// With `route53`: the id of the hosted zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Z0123456789ABCDEFGHIJ")]
    pub hosted_zone: Option<String>,
    /// With `route53`: the name of the weighted records, one for each region. `{service}` and `{stage}` are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{service}.example.com")]
    pub record: Option<String>,
    /// With `route53`: their type, `A` (the default), `AAAA` or `CNAME`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "A")]
    pub record_type: Option<String>,
    /// With `route53`: the set identifier of a region's record; default: `{region}`. `{region}`, `{account}`, `{service}` and `{stage}` are
    /// replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{region}")]
    pub set_identifier: Option<String>,
    /// With `route53`: the weight at which a region gets its whole share; default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 100, minimum = 1, maximum = 255)]
    pub weight: Option<u8>,
    /// How the metrics of the new versions are judged during each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisConfig>,
    /// The function of each target that is invoked before its new versions get traffic. `{service}` and `{stage}` are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{service}-{stage}-before-verify")]
    pub before: Option<String>,
    /// The function of each target that is invoked after its new versions got all traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{service}-{stage}-after-verify")]
    pub after: Option<String>,
}

/// The limits of the new versions. The rollout shifts all traffic back as soon as it is sure that one is breached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalysisConfig {
    /// How often invocations may fail: a share (`2%`), or how many times as often as those of the version before (`1x`, the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2%")]
    pub errors: Option<String>,
    /// The time within which 99 of 100 invocations must end, in milliseconds or seconds, or how many times that of the version before it may
    /// be (`1.5x`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "800ms")]
    pub latency_p99: Option<String>,
    /// How many invocations of the new versions each step needs that has no `requests` of its own; default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 200)]
    pub requests: Option<u32>,
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
    /// How many invocations of the new versions the step needs, in all regions of the wave together. The step lasts until there were as
    /// many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 500)]
    pub requests: Option<u32>,
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
    /// The metrics of the step, if it needs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<TrafficMeasuredView>,
}

/// What CloudWatch counted since the step began, of all functions of the wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrafficMeasuredView {
    /// When the metrics were read. CloudWatch has those of the last minutes later.
    pub at: String,
    /// The new versions.
    pub new: InvocationsView,
    /// The versions before.
    pub stable: InvocationsView,
}

/// Invocations, and how they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvocationsView {
    /// All of them.
    pub invocations: u64,
    /// Those that ended with an error of the function.
    pub errors: u64,
    /// Those that took longer than `latency_p99`. Relative to the version before: those of the new versions that took longer than so many times
    /// its 99th percentile, and its own that took longer than that percentile.
    pub slow: u64,
}
