//! How much Lambda concurrency the control plane takes, decided by what the account has.
//!
//! Lambda refuses a reservation that leaves less than 100 unreserved
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>), and the limit of a new account may be 10.

use crate::args::Concurrency;
use crate::error::CliError;
use crate::{error_text, home};
use aws_config::SdkConfig;
use std::collections::BTreeMap;

/// What `infra/control-plane.yaml` reserves for api and cleanup.
const RESERVED: i32 = 21;
/// What must stay unreserved.
const UNRESERVED_MIN: i32 = 100;
/// The most that the event source mappings of `infra/control-plane.yaml` use at once, unless concurrency is low.
const MAPPINGS: i32 = 20;

/// What an account can give.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most invocations at once.
    pub limit: i32,
    /// What of it is not reserved.
    pub unreserved: i32,
}

/// Reads the limits of the account in a region.
pub async fn limits(config: &SdkConfig) -> Result<Limits, CliError> {
    let found = aws_sdk_lambda::Client::new(config).get_account_settings().send().await;
    let found = found.map_err(|e| {
        CliError::failed("cannot read the concurrency limit (lambda:GetAccountSettings)", error_text(&e))
    })?;
    let account = found.account_limit();
    let limit = account.map_or(0, |account| account.concurrent_executions());
    let unreserved = account.and_then(|account| account.unreserved_concurrent_executions()).unwrap_or(limit);
    Ok(Limits { limit, unreserved })
}

/// What a new control plane takes of it.
pub fn decide(Limits { limit, unreserved }: Limits) -> Concurrency {
    match () {
        () if unreserved >= UNRESERVED_MIN + RESERVED => Concurrency::Reserved,
        // As much again for the API, the schedule, and the account's own functions.
        () if limit >= 2 * MAPPINGS => Concurrency::Shared,
        () => Concurrency::Low,
    }
}

/// The parameters of the control plane's stack: none if it has them already and nobody asks for others.
pub async fn parameters(
    config: &SdkConfig,
    asked: Option<Concurrency>,
    stack: &str,
    say: &dyn Fn(&str),
) -> Result<Vec<(String, String)>, CliError> {
    let known: BTreeMap<String, String> = home::parameters(config, stack).await?;
    let concurrency = match asked {
        None if known.contains_key("ReserveConcurrency") => return Ok(Vec::new()),
        None | Some(Concurrency::Auto) => {
            let limits = limits(config).await?;
            let decided = decide(limits);
            let Limits { limit, unreserved } = limits;
            say(&format!(
                "concurrency: {decided}; the account's limit is {limit}, of which {unreserved} is unreserved"
            ));
            decided
        }
        Some(asked) => asked,
    };
    let flag = |name: &str, on: bool| (name.to_owned(), on.to_string());
    Ok(vec![
        flag("ReserveConcurrency", concurrency == Concurrency::Reserved),
        flag("LowConcurrency", concurrency == Concurrency::Low),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_gives_what_its_limit_allows() {
        for (limit, unreserved, expected) in [
            (1_000, 1_000, Concurrency::Reserved),
            (1_000, 121, Concurrency::Reserved),
            (1_000, 120, Concurrency::Shared),
            (40, 40, Concurrency::Shared),
            (10, 10, Concurrency::Low),
            (0, 0, Concurrency::Low),
        ] {
            assert_eq!(decide(Limits { limit, unreserved }), expected, "{limit}, {unreserved}");
        }
    }
}
