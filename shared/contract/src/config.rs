//! The configuration, as operators write it in TOML and as `PUT` accepts it in JSON.

use crate::access::{GrantConfig, IdentityConfig};
use crate::gate::{CheckConfig, FreezeConfig, WindowConfig};
use crate::provenance::ProvenanceConfig;
use crate::safeguards::SafeguardsConfig;
pub use crate::services::{ExternalCodeConfig, RuleConfig, ServiceConfigDoc};
use crate::traffic::TrafficConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A configuration file: any number of services and profiles, and the access grants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// All access grants. Empty: the file does not change the grants.
    #[serde(default)]
    pub access: Vec<GrantConfig>,
    /// How principals are recognised as persons. It is part of the access configuration, so it comes with the grants.
    #[serde(default)]
    pub identity: Option<IdentityConfig>,
    /// Profiles by name.
    #[serde(default)]
    pub profiles: BTreeMap<String, ProfileConfig>,
    /// Services by name.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceConfigDoc>,
}

/// A wave: only its regions, or a table with further settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum WaveConfig {
    /// The regions only.
    Regions(Vec<String>),
    /// The regions with further settings.
    Wave(WaveTable),
}

/// A wave with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaveTable {
    /// Its regions, in the order in which their deployments begin.
    #[schema(example = json!(["eu-central-1", "us-east-1"]))]
    pub regions: Vec<String>,
    /// The maximum number of regions that are deployed concurrently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<usize>,
    /// The number of regions that may fail without failing the rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerate_failures: Option<usize>,
    /// How long the wave bakes before the next one begins, such as `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "10m")]
    pub bake: Option<String>,
    /// The number of different people who must approve the wave before it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<usize>,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ParameterConfig {
    /// A text; `{stage}` is replaced by the stage. Refer to secrets by `{{resolve:secretsmanager:…}}`.
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
    /// The service and the output, with the stack appended to the service if it has several.
    #[schema(example = "fullstack-database.TableName")]
    pub output: String,
    /// The other service's stage; default: the stage that is deployed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The region of the output; default: the target's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Where a stack of packages is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StackConfig {
    /// Its only region, one of the profile's.
    #[schema(example = "us-east-1")]
    pub only: String,
}

/// A profile: how rollouts go to one account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// The account of the targets: 12 digits.
    #[schema(example = "111122223333")]
    pub account: String,
    /// The regions, all in one wave. Give either this or `waves`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["eu-central-1", "us-east-1"]))]
    pub regions: Vec<String>,
    /// The regions in waves. A wave begins after the previous one has ended with no more failures than it
    /// tolerates, and has baked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveConfig>,
    /// How packages are copied to the buckets of the account-regions: `s3` (the default) has S3 copy them with the
    /// account's role; `streamed` sends them through the control plane, for a role that cannot read the ingest bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<String>,
    /// For waves without their own value: the maximum number of regions deployed concurrently; default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<usize>,
    /// For waves without their own value: the number of regions that may fail without failing the rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerate_failures: Option<usize>,
    /// For waves without their own value: how long a wave bakes, such as `10m` or `1h 30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<String>,
    /// What a failed rollout does with the regions that it has changed: `halt` (the default) leaves them as they
    /// are, `revert` rolls them back to the stage's last stable release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    /// Whether all change sets are created and shown before the first one is executed. Default: true if approvals
    /// are required, else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_first: Option<bool>,
    /// The number of different people who must approve a rollout before its first wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<usize>,
    /// Who may not approve a rollout: `true` is `["starter"]`; default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub four_eyes: Option<FourEyesConfig>,
    /// Whose signature releases need; default: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<ProvenanceConfig>,
    /// The time zone of the windows and freezes, such as `Europe/Berlin`; default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// The windows in which waves may begin; default: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowConfig>,
    /// Scheduled freezes: periods in which no wave begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<FreezeConfig>,
    /// CloudWatch alarms that must be `OK` before a wave begins and while it bakes, in every region that the
    /// rollout has reached. `{service}` and `{stage}` are replaced by the names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["{service}-{stage}-errors"]))]
    pub alarms: Vec<String>,
    /// Whether the first five alarms are also rollback triggers of the stacks, which requires metric alarms;
    /// default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_triggers: Option<bool>,
    /// The verifications of every target, made after its wave is deployed and before the wave bakes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckConfig>,
    /// How traffic is shifted to the new versions of the functions; without it, they get everything at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficConfig>,
    /// Whether a stack whose first creation failed is deleted and recreated; default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recreate_failed: Option<bool>,
    /// Whether a preview's stack that cannot be deleted otherwise is deleted by force; default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_delete: Option<bool>,
    /// Whether previews are deployed in CloudFormation's EXPRESS mode; default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub express: Option<bool>,
    /// How to treat drift, that is properties changed outside of CloudFormation: `ignore` (the default), `revert`,
    /// or `refuse` unless an operator permits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
    /// How to treat warnings of CloudFormation's validation: `proceed` (the default) or `refuse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_warnings: Option<String>,
    /// What change sets may not do unless an operator permits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safeguards: Option<SafeguardsConfig>,
    /// The CloudFormation capabilities that templates are granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["CAPABILITY_NAMED_IAM"]))]
    pub capabilities: Vec<String>,
    /// The ARN of the policy that bounds the roles that templates make, instead of the account's own. The account must allow it:
    /// `flotilla install` or `flotilla account add` with `--role-boundaries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "arn:aws:iam::111122223333:policy/machine-learning")]
    pub role_boundary: Option<String>,
    /// Values for the parameters of templates: texts, or outputs of other services.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, ParameterConfig>,
    /// Tags for every stack.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Stacks of packages that are deployed in one region only, by their names in the package.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stacks: BTreeMap<String, StackConfig>,
    /// Whether this profile is for previews: stages of routes with `ttl_h`, and only those. Previews are deployed with roles of
    /// their own, which may do less; default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previews: Option<bool>,
    /// How much the previews of the profile may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_quotas: Option<PreviewQuotasConfig>,
    /// The ARNs of SNS topics and EventBridge event buses to which the progress of rollouts is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["arn:aws:sns:eu-central-1:111122223333:flotilla-releases"]))]
    pub notify: Vec<String>,
}

/// Who may not approve a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum FourEyesConfig {
    /// Whether whoever started it may not.
    Starter(bool),
    /// `starter`: whoever started it; `author`: whoever wrote what is deployed, as the signed provenance of the release says.
    Whom(Vec<String>),
}

/// How much the previews of a profile may use. What exceeds it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewQuotasConfig {
    /// Most previews of one service; default: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages_per_service: Option<usize>,
    /// Most previews of all services; default: 200, at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<usize>,
    /// Most stacks of one preview in a region; default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stacks: Option<usize>,
    /// Most resources of one preview in a region, without those of nested stacks; default: 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<usize>,
    /// Most hours from the last upload to the removal; a longer `ttl_h` of a route is cut; default: 336 (two weeks).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
    /// Most uploads to one preview within an hour; default: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploads_per_hour: Option<u32>,
}

/// A target account, as prepared by `infra/account.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// The ARN of the role that Flotilla assumes in the account.
    pub role_arn: String,
    /// The external id that the role requires.
    pub external_id: String,
    /// The ARN of the role that CloudFormation uses.
    pub service_role_arn: String,
    /// The ARN of the policy that bounds the roles that templates make. Without one, they get none, and CloudFormation refuses them in an
    /// account that requires it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "arn:aws:iam::111122223333:policy/flotilla-workload")]
    pub role_boundary: Option<String>,
    /// The roles of previews. Without them, no preview is deployed to the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previews: Option<PreviewRolesConfig>,
}

/// How previews are deployed to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRolesConfig {
    /// The ARN of the role that CloudFormation uses for previews.
    #[schema(example = "arn:aws:iam::111122223333:role/flotilla-cloudformation-previews")]
    pub service_role_arn: String,
    /// The ARN of the policy that bounds the roles that templates of previews make.
    #[schema(example = "arn:aws:iam::111122223333:policy/flotilla-preview-workload")]
    pub role_boundary: String,
    /// What the names of a preview's resources begin with, or have after a hyphen.
    #[schema(example = "pr-")]
    pub mark: String,
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
