//! Prepares a target account and its regions: for `install`, the control plane's own account, for `account add`,
//! another one.

use super::keys::Key;
use super::names;
use super::own_stack::OwnStack;
use super::stacks::{bring, is_settled};
use crate::api::Api;
use crate::args::{AccountRoles, Global};
use crate::error::CliError;
use crate::{error_text, home};
use aws_config::SdkConfig;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use flotilla_contract::{AccountConfig, PreviewRolesConfig};
use flotilla_domain::{AccountId, Region};

/// The template of an account-region.
pub const REGIONAL: &str = include_str!("../../../../infra/regional.yaml");
/// The template of an account.
pub const ACCOUNT: &str = include_str!("../../../../infra/account.yaml");

/// A target account to prepare.
pub struct Target<'a> {
    /// The global options; their prefix is part of all names.
    pub global: &'a Global,
    /// The account.
    pub account: &'a AccountId,
    /// The control plane's account; it may be the same.
    pub home_account: &'a AccountId,
    /// The control plane's region.
    pub home_region: &'a Region,
    /// Whether the policies that require TLS are left out.
    pub allow_plain_http: bool,
    /// Called with a line for each step.
    pub say: &'a dyn Fn(&str),
}

/// What the stack of an account's roles decides, to be registered with the control plane.
pub struct Registration {
    /// The external id that the roles require.
    pub external_id: String,
    /// What marks the names of a preview's resources.
    pub preview_mark: String,
}

impl Target<'_> {
    /// Creates or updates the stack of a region: its artifact bucket and, with a bus, its event rule. Without a bus an
    /// existing stack stays as it is. The configuration is the target account's.
    pub async fn regional(
        &self,
        config: &SdkConfig,
        region: &Region,
        bus: Option<&str>,
        key: Option<&Key>,
    ) -> Result<(), CliError> {
        let name = format!("{}-regional", self.global.prefix);
        let config = home::in_region(config, region.as_str());
        if bus.is_none() && is_settled(&config, &name).await? {
            return Ok(());
        }
        let mut parameters = vec![
            ("Prefix".to_owned(), self.global.prefix.clone()),
            ("RequireTls".to_owned(), (!self.allow_plain_http).to_string()),
        ];
        parameters.extend(key.map(|key| ("KmsKeyArn".to_owned(), key.in_region(region))));
        // A stack that is repaired before the bus is known keeps its rule.
        parameters.extend(bus.map(|bus| ("EventBusArn".to_owned(), bus.to_owned())));
        let template = names::literal(REGIONAL, &self.global.prefix, self.account, region);
        let brought =
            bring(&config, &OwnStack { name, template: Some(&template), template_url: None, parameters })
                .await?;
        (self.say)(&format!("region {region}: {brought}"));
        Ok(())
    }

    /// Creates or updates the roles of the account, by a stack in the control plane's region. `keys`: the ARNs of the KMS keys that
    /// the account may use, separated by commas; `None` keeps them.
    pub async fn roles(
        &self,
        config: &SdkConfig,
        options: &AccountRoles,
        keys: Option<String>,
    ) -> Result<Registration, CliError> {
        let name = format!("{}-account", self.global.prefix);
        let config = home::in_region(config, self.home_region.as_str());
        let known =
            home::outputs(&config, &name).await?.and_then(|outputs| outputs.get("ExternalId").cloned());
        let external_id = match known {
            Some(external_id) => external_id,
            None => random_id()?,
        };
        let mut parameters = vec![
            ("Prefix".to_owned(), self.global.prefix.clone()),
            ("ControlPlaneAccount".to_owned(), self.home_account.to_string()),
            ("ControlPlaneRegion".to_owned(), self.home_region.to_string()),
            ("ExternalId".to_owned(), external_id.clone()),
        ];
        parameters.extend(keys.map(|keys| ("KmsKeyArns".to_owned(), keys)));
        for (name, value) in [
            ("PreviewMark", &options.preview_mark),
            ("VerifyFunctions", &options.verify_functions),
            ("TrafficDomains", &options.traffic_domains),
            ("TrafficZones", &options.traffic_zones),
            ("Macros", &options.macros),
            ("RoleBoundaries", &options.role_boundaries),
            ("ProtectedRoles", &options.protected_roles),
            ("ExtraActions", &options.extra_actions),
            ("ExtraPolicyArns", &options.extra_policies),
            ("PreviewPolicyArns", &options.preview_policies),
        ] {
            parameters.extend(value.clone().map(|value| (name.to_owned(), value)));
        }
        let brought = bring(
            &config,
            &OwnStack { name: name.clone(), template: Some(ACCOUNT), template_url: None, parameters },
        )
        .await?;
        (self.say)(&format!("account roles: {brought}"));
        let mark =
            home::outputs(&config, &name).await?.and_then(|outputs| outputs.get("PreviewMark").cloned());
        let preview_mark = mark.ok_or_else(|| {
            CliError::failed(
                format!("the stack {name} has no output PreviewMark"),
                "someone else has changed it; run the command again",
            )
        })?;
        Ok(Registration { external_id, preview_mark })
    }

    /// The ARN of a role of infra/account.yaml.
    pub fn role_arn(&self, role: &str) -> String {
        let partition = self.home_region.partition();
        format!("arn:{partition}:iam::{}:role/{}-{role}", self.account, self.global.prefix)
    }

    /// The ARN of a boundary of infra/account.yaml for the roles that templates make.
    fn boundary_arn(&self, policy: &str) -> String {
        let partition = self.home_region.partition();
        format!("arn:{partition}:iam::{}:policy/{}-{policy}", self.account, self.global.prefix)
    }

    /// Registers the account with the control plane.
    pub async fn register(&self, api: &Api, registration: Registration) -> Result<(), CliError> {
        let body = AccountConfig {
            role_arn: self.role_arn("deployer"),
            external_id: registration.external_id,
            service_role_arn: self.role_arn("cloudformation"),
            role_boundary: Some(self.boundary_arn("workload")),
            previews: Some(PreviewRolesConfig {
                service_role_arn: self.role_arn("cloudformation-previews"),
                role_boundary: self.boundary_arn("preview-workload"),
                mark: registration.preview_mark,
            }),
        };
        api.put(&format!("/v1/accounts/{}", self.account), &body).await?;
        (self.say)(&format!("account {}: registered", self.account));
        Ok(())
    }
}

/// Parses a region code.
pub fn region(text: &str) -> Result<Region, CliError> {
    let known = Region::parse(text).ok().filter(Region::is_known);
    known.ok_or_else(|| {
        CliError::usage(format!("{text:?} is not a region"), "use region codes such as eu-central-1")
    })
}

/// The account of the credentials.
pub async fn account_of(config: &SdkConfig) -> Result<AccountId, CliError> {
    let who = caller(config).await?;
    AccountId::parse(who.account().unwrap_or_default())
        .map_err(|e| CliError::failed("the account of your credentials is invalid", e))
}

/// The principal of the credentials as access is granted to it: a user, or a role instead of its session.
pub async fn administrator(config: &SdkConfig) -> Result<String, CliError> {
    Ok(grantee(caller(config).await?.arn().unwrap_or_default()))
}

async fn caller(config: &SdkConfig) -> Result<GetCallerIdentityOutput, CliError> {
    let who = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    who.map_err(|e| {
        CliError::failed("cannot read who you are for AWS (sts:GetCallerIdentity)", error_text(&e))
    })
}

/// `arn:aws:iam::111122223333:role/NAME` for a session of the role.
fn grantee(arn: &str) -> String {
    let role = arn.split_once(":assumed-role/").and_then(|(account, session)| {
        let (name, _) = session.split_once('/')?;
        Some(format!("{}:role/{name}", account.replacen(":sts:", ":iam:", 1)))
    });
    role.unwrap_or_else(|| arn.to_owned())
}

/// An external id of 128 random bits, so that nobody can guess it.
fn random_id() -> Result<String, CliError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| CliError::failed("cannot create an external id", e.to_string()))?;
    Ok(format!("flotilla-{}", hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_granted_to_a_role_and_not_to_its_session() {
        let session = "arn:aws-cn:sts::111122223333:assumed-role/platform/ann";
        assert_eq!(grantee(session), "arn:aws-cn:iam::111122223333:role/platform");
        for other in ["arn:aws:iam::111122223333:user/ops/ann", "arn:aws:iam::111122223333:root"] {
            assert_eq!(grantee(other), other);
        }
    }
}
