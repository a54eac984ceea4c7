//! Finds the control plane: AWS configuration, credentials and stack outputs.

use crate::args::Global;
use crate::error::CliError;
use crate::http;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Output, Parameter, Stack};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::collections::BTreeMap;

/// The name of the control plane's stack.
pub fn control_plane_stack(prefix: &str) -> String {
    format!("{prefix}-control-plane")
}

/// The name of the command in the user agent of its calls, which CloudTrail shows.
fn app_name() -> Result<AppName, CliError> {
    AppName::new("flotilla-cli")
        .map_err(|error| CliError::failed("the name of the command is invalid", error))
}

/// Loads the AWS configuration from the default chain, in the control plane's region.
pub async fn load(global: &Global) -> Result<SdkConfig, CliError> {
    let loader =
        aws_config::defaults(BehaviorVersion::latest()).http_client(http::sdk_client()).app_name(app_name()?);
    let loader = match &global.region {
        Some(region) => loader.region(Region::new(region.clone())),
        None => loader,
    };
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(CliError::usage("no region is configured", "set --region or AWS_REGION"));
    }
    Ok(config)
}

/// The configuration for another region.
pub fn in_region(config: &SdkConfig, region: &str) -> SdkConfig {
    config.to_builder().region(Region::new(region.to_owned())).build()
}

/// The region of a configuration.
pub fn region_of(config: &SdkConfig) -> String {
    config.region().map(ToString::to_string).unwrap_or_default()
}

/// The configuration with the credentials of an AWS profile, of a role, or of a role that the profile's credentials
/// assume.
pub async fn acting(config: &SdkConfig, profile: Option<&str>, role_arn: Option<&str>) -> SdkConfig {
    let with = |config: &SdkConfig, provider| config.to_builder().credentials_provider(provider).build();
    let mut config = config.clone();
    if let Some(profile) = profile {
        let sources = ProviderConfig::without_region().with_region(config.region().cloned());
        let sources = sources.with_http_client(http::sdk_client());
        let provider =
            ProfileFileCredentialsProvider::builder().configure(&sources).profile_name(profile).build();
        config = with(&config, SharedCredentialsProvider::new(provider));
    }
    if let Some(role_arn) = role_arn {
        let provider = AssumeRoleProvider::builder(role_arn).session_name("flotilla").configure(&config);
        config = with(&config, SharedCredentialsProvider::new(provider.build().await));
    }
    config
}

/// Reads a stack; `None` if it does not exist.
pub async fn stack(client: &Client, name: &str) -> Result<Option<Stack>, CliError> {
    match client.describe_stacks().stack_name(name).send().await {
        Ok(found) => Ok(found.stacks.unwrap_or_default().into_iter().next()),
        Err(error) if error.message().is_some_and(|m| m.contains("does not exist")) => Ok(None),
        Err(error) => Err(CliError::failed(format!("cannot read stack {name}"), crate::error_text(&error))),
    }
}

/// The outputs of a stack that was read.
pub fn outputs_of(stack: &Stack) -> BTreeMap<String, String> {
    let pair = |o: &Output| Some((o.output_key()?.to_owned(), o.output_value()?.to_owned()));
    stack.outputs().iter().filter_map(pair).collect()
}

/// The parameter values of a stack that was read.
pub fn parameters_of(stack: &Stack) -> BTreeMap<String, String> {
    let pair = |p: &Parameter| Some((p.parameter_key()?.to_owned(), p.parameter_value()?.to_owned()));
    stack.parameters().iter().filter_map(pair).collect()
}

/// The outputs of a stack; `None` if it does not exist.
pub async fn outputs(config: &SdkConfig, name: &str) -> Result<Option<BTreeMap<String, String>>, CliError> {
    Ok(stack(&Client::new(config), name).await?.as_ref().map(outputs_of))
}

/// The parameter values of a stack; empty if it does not exist.
pub async fn parameters(config: &SdkConfig, name: &str) -> Result<BTreeMap<String, String>, CliError> {
    Ok(stack(&Client::new(config), name).await?.as_ref().map(parameters_of).unwrap_or_default())
}

/// Whether AWS has refused the credentials because the account has not enabled the region: there is nothing in it.
pub fn not_enabled(error: &CliError) -> bool {
    const CODES: [&str; 3] = ["InvalidClientTokenId", "UnrecognizedClient", "OptInRequired"];
    let text = error.to_string();
    CODES.iter().any(|code| text.contains(code))
}

/// The outputs of the control plane's stack.
pub async fn control_plane(config: &SdkConfig, prefix: &str) -> Result<BTreeMap<String, String>, CliError> {
    let stack = control_plane_stack(prefix);
    let missing = || {
        let what = format!("no control plane was found: there is no stack {stack} in {}", region_of(config));
        CliError::usage(what, "run flotilla install, or set --region and --prefix of your control plane")
    };
    outputs(config, &stack).await?.filter(|outputs| outputs.contains_key("ApiUrl")).ok_or_else(missing)
}
