//! The configuration, as people write it in TOML and as `PUT` takes it in JSON.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A configuration file: any number of services and profiles.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Profiles by name.
    #[serde(default)]
    pub profiles: BTreeMap<String, ProfileConfig>,
    /// Services by name.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceConfigDoc>,
}

/// A service: ordered rules, the first match wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfigDoc {
    /// In order.
    pub rules: Vec<RuleConfig>,
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

/// A profile: where and how a kind of stage is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// The account of its targets: 12 digits.
    #[schema(example = "111122223333")]
    pub account: String,
    /// Its regions, all in one wave. Give this or `waves`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["eu-central-1", "us-east-1"]))]
    pub regions: Vec<String>,
    /// Its regions in waves: a wave begins when the one before it has succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Vec<String>>,
    /// The capabilities it grants to templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["CAPABILITY_NAMED_IAM"]))]
    pub capabilities: Vec<String>,
    /// Values for the templates' parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Tags of every stack.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
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
