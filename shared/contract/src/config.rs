//! The configuration, as people write it in TOML and as `PUT` takes it in JSON.

use crate::access::GrantConfig;
use crate::gates::{CheckConfig, FreezeConfig, WindowConfig};
use crate::safeguards::SafeguardsConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A configuration file: any number of services and profiles, and who may do what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Who may do what: all of it, or nothing of it.
    #[serde(default)]
    pub access: Vec<GrantConfig>,
    /// Profiles by name.
    #[serde(default)]
    pub profiles: BTreeMap<String, ProfileConfig>,
    /// Services by name.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceConfigDoc>,
}

/// A service: ordered rules, the first match wins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfigDoc {
    /// In order.
    pub rules: Vec<RuleConfig>,
    /// How the stacks are called: `{service}`, `{stage}` and, for a package of several stacks, `{stack}` stand for
    /// the names. `{service}-{stage}` if it is left out, with `-{stack}` behind it for one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "{stage}-{service}")]
    pub stack_name: Option<String>,
    /// So many of the newest releases are kept although no stage needs them; 20 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_releases: Option<usize>,
    /// Releases of so many days are kept although no stage needs them; 30 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
}

/// One rule: what matches goes to this stage by this profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Which refs: `branch:main`, `tag:v*`, `pr:*`.
    #[serde(rename = "ref")]
    #[schema(example = "branch:main")]
    pub git_ref: String,
    /// The stage; `{ref}` stands for the ref as part of a name.
    #[schema(example = "staging")]
    pub stage: String,
    /// The profile's name.
    #[schema(example = "staging")]
    pub profile: String,
    /// For previews: hours after the last upload until the stage is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_h: Option<u32>,
}

/// A wave: its regions, alone or with what must hold before the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum WaveConfig {
    /// Only its regions.
    Regions(Vec<String>),
    /// With more about it.
    Wave(WaveTable),
}

/// A wave with what must hold before the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaveTable {
    /// Its regions, in the order in which they are begun.
    #[schema(example = json!(["eu-central-1", "us-east-1"]))]
    pub regions: Vec<String>,
    /// Most of them at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<usize>,
    /// How many of them may fail without stopping the rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerate_failures: Option<usize>,
    /// How long it is left alone before the next one begins, such as `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "10m")]
    pub bake: Option<String>,
    /// How many different people have to approve it before it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<usize>,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ParameterConfig {
    /// A text; `{stage}` stands for the stage. Secrets stay where they are: `{{resolve:secretsmanager:…}}`.
    Text(String),
    /// An output of another service's stack.
    Output(OutputConfig),
}

impl From<&str> for ParameterConfig {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An output of another service's stack, in the same account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// Service and output, with the stack behind the service if it has several.
    #[schema(example = "fullstack-database.TableName")]
    pub output: String,
    /// Another stage than the one that is deployed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Another region than the target's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// A profile: where and how a kind of stage is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// The account of its targets: 12 digits.
    #[schema(example = "111122223333")]
    pub account: String,
    /// Its regions, all in one wave. Give this or `waves`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["eu-central-1", "us-east-1"]))]
    pub regions: Vec<String>,
    /// Its regions in waves: a wave begins when the one before it has ended, with no more failures than it
    /// tolerates, and has baked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveConfig>,
    /// How packages get to the targets' buckets: copied by `s3` itself with the target's role (the default), or
    /// `streamed` through the control plane, where that role cannot read the ingest bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<String>,
    /// For waves that do not say it themselves: most regions at a time; all if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<usize>,
    /// For waves that do not say it themselves: how many regions may fail without stopping the rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerate_failures: Option<usize>,
    /// For waves that do not say it themselves: how long a wave is left alone, such as `10m` or `1h 30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<String>,
    /// What becomes of the regions that a failed rollout has changed: `halt` (the default) leaves them,
    /// `revert` brings them back to the stage's last stable release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    /// Whether every change set is made and shown before the first one is executed; true where approvals are
    /// asked for, false else if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_first: Option<bool>,
    /// How many different people have to approve a rollout before its first wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<usize>,
    /// Whether nobody approves what they have started themselves; false if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub four_eyes: Option<bool>,
    /// Whose clock the windows and freezes go by, such as `Europe/Berlin`; UTC if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// When waves may begin; at any time if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowConfig>,
    /// When no wave begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<FreezeConfig>,
    /// CloudWatch alarms that have to be OK before a wave begins and while it bakes, in every region it has come
    /// to. `{service}` and `{stage}` stand for the names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["{service}-{stage}-errors"]))]
    pub alarms: Vec<String>,
    /// Whether the first five of the alarms are also rollback triggers of the stacks: they must be metric alarms
    /// then; true if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_triggers: Option<bool>,
    /// What is asked of every target when its wave is deployed, before it bakes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckConfig>,
    /// Whether a stack whose first creation failed is deleted and made anew; true if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recreate_failed: Option<bool>,
    /// Whether a preview's stack that resists its deletion is deleted by force; true if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_delete: Option<bool>,
    /// Whether previews are deployed in CloudFormation's EXPRESS mode; false if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub express: Option<bool>,
    /// What is done about properties changed outside of CloudFormation: `ignore` (the default), `revert`, or
    /// `refuse` until an operator says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
    /// What is done about warnings of CloudFormation's validation: `proceed` (the default) or `refuse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_warnings: Option<String>,
    /// What no change set may do unless an operator has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safeguards: Option<SafeguardsConfig>,
    /// The capabilities it grants to templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["CAPABILITY_NAMED_IAM"]))]
    pub capabilities: Vec<String>,
    /// Values for the templates' parameters: texts, or outputs of other services.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, ParameterConfig>,
    /// Tags of every stack.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// SNS topics that are told what becomes of rollouts, by their ARNs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["arn:aws:sns:eu-central-1:111122223333:flotilla-releases"]))]
    pub notify: Vec<String>,
}

/// A target account, as `infra/account.yaml` prepared it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// The role that Flotilla assumes there.
    pub role_arn: String,
    /// The external id that the role asks for.
    pub external_id: String,
    /// The role that CloudFormation acts with.
    pub service_role_arn: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_from_toml() {
        let file: ConfigFile = toml::from_str(
            r#"
            [profiles.staging]
            account = "111122223333"
            regions = ["eu-central-1"]

            [[services.orders.rules]]
            ref = "branch:main"
            stage = "staging"
            profile = "staging"
            "#,
        )
        .unwrap();
        assert_eq!(file.services["orders"].rules[0].git_ref, "branch:main");
        assert_eq!(file.profiles["staging"].regions, ["eu-central-1"]);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        assert!(
            toml::from_str::<ConfigFile>(
                "[profiles.p]\naccount = \"111122223333\"\nregion = [\"eu-central-1\"]"
            )
            .is_err()
        );
    }
}
