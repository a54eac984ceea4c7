//! Safeguards: what a profile lets no change set do.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// What no change set may do unless an operator has said so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SafeguardsConfig {
    /// Whether resources that hold data may be removed or replaced: `block` (the default, but for previews) or
    /// `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful: Option<String>,
    /// Types that do not count as holding data here, such as `AWS::Logs::*`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(example = json!(["AWS::Logs::LogGroup"]))]
    pub allow_types: BTreeSet<String>,
    /// Tags that every stack must have, from the profile or the package.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(example = json!(["team"]))]
    pub required_tags: BTreeSet<String>,
    /// Types of which nothing is made or changed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(example = json!(["AWS::IAM::User", "AWS::EC2::*"]))]
    pub forbidden_types: BTreeSet<String>,
    /// Most resources that one change set deletes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_deletions: Option<usize>,
    /// Rules of CloudFormation Guard to which every template has to hold: their text, 64 KB at most. In a file for
    /// `flotilla apply` also the path of a file that has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "rule encrypted { Resources.*[ Type == 'AWS::S3::Bucket' ].Properties.BucketEncryption exists }"
    )]
    pub guard: Option<String>,
}
