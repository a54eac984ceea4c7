//! The control plane as this machine reaches it.

use crate::args::Global;
use crate::error::CliError;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::Client;
use std::collections::BTreeMap;

/// The name of the control plane's stack.
pub fn control_plane_stack(prefix: &str) -> String {
    format!("{prefix}-control-plane")
}

/// The AWS configuration by the ordinary chain, in the control plane's region.
pub async fn load(global: &Global) -> Result<SdkConfig, CliError> {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let loader = match &global.region {
        Some(region) => loader.region(Region::new(region.clone())),
        None => loader,
    };
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(CliError::usage("no region is configured", "give --region, or set AWS_REGION"));
    }
    Ok(config)
}

/// The same in another region.
pub fn in_region(config: &SdkConfig, region: &str) -> SdkConfig {
    config.to_builder().region(Region::new(region.to_owned())).build()
}

/// The region of a configuration.
pub fn region_of(config: &SdkConfig) -> String {
    config.region().map(ToString::to_string).unwrap_or_default()
}

/// The outputs of a stack; `None` when there is none.
pub async fn outputs(config: &SdkConfig, stack: &str) -> Result<Option<BTreeMap<String, String>>, CliError> {
    let found = match Client::new(config).describe_stacks().stack_name(stack).send().await {
        Ok(found) => found,
        Err(error)
            if error
                .as_service_error()
                .and_then(|e| e.meta().message())
                .is_some_and(|m| m.contains("does not exist")) =>
        {
            return Ok(None);
        }
        Err(error) => {
            return Err(CliError::failed(format!("reading stack {stack}"), crate::error_text(&error)));
        }
    };
    let outputs = found.stacks().first().map(|stack| stack.outputs()).unwrap_or_default();
    let pair = |o: &aws_sdk_cloudformation::types::Output| {
        Some((o.output_key()?.to_owned(), o.output_value()?.to_owned()))
    };
    Ok(Some(outputs.iter().filter_map(pair).collect()))
}

/// The outputs of the control plane.
pub async fn control_plane(config: &SdkConfig, prefix: &str) -> Result<BTreeMap<String, String>, CliError> {
    let stack = control_plane_stack(prefix);
    let missing = || {
        let what = format!("there is no control plane {stack} in {}", region_of(config));
        CliError::usage(what, "run flotilla install, or give --region and --prefix of yours")
    };
    outputs(config, &stack).await?.filter(|outputs| outputs.contains_key("ApiUrl")).ok_or_else(missing)
}
