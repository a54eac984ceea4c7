//! Safeguards: what a profile forbids change sets to do.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// What change sets may not do unless an operator permits it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SafeguardsConfig {
    /// Whether stateful resources may be deleted or replaced: `block` (the default, except for previews) or
    /// `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful: Option<String>,
    /// Resource types that are not treated as stateful, such as `AWS::Logs::*`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(example = json!(["AWS::Logs::LogGroup"]))]
    pub allow_types: BTreeSet<String>,
    /// Tags that every stack must have, set by the profile or the package.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(example = json!(["team"]))]
    pub required_tags: BTreeSet<String>,
    /// Resource types that may be neither created nor changed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(example = json!(["AWS::IAM::User", "AWS::EC2::*"]))]
    pub forbidden_types: BTreeSet<String>,
    /// The maximum number of resources that one change set deletes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_deletions: Option<usize>,
    /// CloudFormation Guard rules that every template must pass: their text, 64 KB at most. A file for
    /// `flotilla apply` may give the path of a rules file instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "rule encrypted { Resources.*[ Type == 'AWS::S3::Bucket' ].Properties.BucketEncryption exists }"
    )]
    pub guard: Option<String>,
}
