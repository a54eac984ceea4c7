//! The configuration of a service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A service: routes in order, the first match applies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfigDoc {
    /// The routes, in order.
    pub rules: Vec<RuleConfig>,
    /// The name of the stacks, with the placeholders `{service}`, `{stage}` and, for a package of several stacks,
    /// `{stack}`. Default: `{service}-{stage}`, with `-{stack}` appended for one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{stage}-{service}")]
    pub stack_name: Option<String>,
    /// The number of newest releases that are kept although no stage needs them; default: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_releases: Option<usize>,
    /// The number of days for which releases are kept although no stage needs them; default: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
    /// The outputs of this service's stages that stay which previews of other services may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["TableName"]))]
    pub shared_outputs: Vec<String>,
    /// The alias that each Lambda function of its packages gets, and that everything which invokes the function then invokes: needed to
    /// shift traffic, unless the templates have aliases of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "live")]
    pub alias: Option<String>,
    /// The code that its templates may take from buckets of others, such as a vendor's layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_code: Vec<ExternalCodeConfig>,
    /// The repositories of Amazon ECR from which container images that its templates name by digest are taken into its packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders"]))]
    pub external_images: Vec<String>,
}

/// An object in a bucket of somebody else, which becomes a part of each package whose templates name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalCodeConfig {
    /// The bucket as the templates name it; `{region}` stands for `AWS::Region`.
    #[schema(example = "vendor-layers-{region}")]
    pub bucket: String,
    /// The key.
    #[schema(example = "extension/3.1.0.zip")]
    pub key: String,
    /// The version of the object; default: the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The SHA-256 that its bytes must have, in hexadecimal digits.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: String,
}

/// One route: releases of a matching ref are deployed to this stage with this profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// The refs that match: `branch:main`, `tag:v*`, `pr:*`.
    #[serde(rename = "ref")]
    #[schema(example = "branch:main")]
    pub git_ref: String,
    /// The stage; `{ref}` is replaced by the ref in a form that fits a name.
    #[schema(example = "staging")]
    pub stage: String,
    /// The profile's name.
    #[schema(example = "staging")]
    pub profile: String,
    /// For previews: the hours from the last upload to the removal of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_h: Option<u32>,
    /// The name of this stage's stacks, as `stack_name` of the service gives it for all stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "orders-PROD")]
    pub stack_name: Option<String>,
    /// The stage to which a release is promoted when its rollout to this stage has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "production")]
    pub promote_to: Option<String>,
}
