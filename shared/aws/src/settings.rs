//! Settings of a function, from environment variables that `infra/control-plane.yaml` sets.

use flotilla_domain::{AccountId, Region};

/// A function's settings. Settings that a function does not need may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The control plane's account.
    pub account: AccountId,
    /// The control plane's region.
    pub region: Region,
    /// Prefix of the names of buckets.
    pub prefix: String,
    /// The table.
    pub table: String,
    /// The ingest bucket.
    pub ingest_bucket: String,
    /// The queue of upload events.
    pub intake_queue_url: String,
    /// The queue of replications.
    pub replicate_queue_url: String,
    /// The queue of ticks.
    pub tick_queue_url: String,
    /// The function that runs policy checks.
    pub guard_function: String,
    /// The principals that may do everything as long as no access is granted.
    pub administrators: Vec<String>,
}

/// A setting is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSetting(pub &'static str);

impl std::fmt::Display for MissingSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the environment variable {} is missing or wrong; infra/control-plane.yaml sets it", self.0)
    }
}

impl std::error::Error for MissingSetting {}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// The name of the first variable that is missing or wrong.
    pub fn from_env() -> Result<Self, MissingSetting> {
        Self::read(|name| {
            #[allow(clippy::disallowed_methods, reason = "this is where a function reads its environment")]
            std::env::var(name).ok()
        })
    }

    /// Reads variables by `get`.
    ///
    /// # Errors
    /// The name of the first variable that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, MissingSetting> {
        let required =
            |name: &'static str| get(name).filter(|value| !value.is_empty()).ok_or(MissingSetting(name));
        let optional = |name: &str| get(name).unwrap_or_default();
        Ok(Self {
            account: AccountId::parse(&required("FLOTILLA_ACCOUNT")?)
                .map_err(|_| MissingSetting("FLOTILLA_ACCOUNT"))?,
            region: Region::parse(&required("AWS_REGION")?).map_err(|_| MissingSetting("AWS_REGION"))?,
            prefix: required("FLOTILLA_PREFIX")?,
            table: required("FLOTILLA_TABLE")?,
            ingest_bucket: optional("FLOTILLA_INGEST_BUCKET"),
            intake_queue_url: optional("FLOTILLA_INTAKE_QUEUE_URL"),
            replicate_queue_url: optional("FLOTILLA_REPLICATE_QUEUE_URL"),
            tick_queue_url: optional("FLOTILLA_TICK_QUEUE_URL"),
            guard_function: optional("FLOTILLA_GUARD_FUNCTION"),
            administrators: optional("FLOTILLA_ADMINISTRATORS")
                .split(',')
                .filter(|arn| !arn.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let all = |name: &str| {
            Some(if name == "FLOTILLA_ACCOUNT" { "111122223333" } else { "eu-central-1" }.to_owned())
        };
        assert!(Settings::read(all).is_ok());
        for name in ["FLOTILLA_ACCOUNT", "AWS_REGION", "FLOTILLA_PREFIX", "FLOTILLA_TABLE"] {
            let error = Settings::read(|asked| all(asked).filter(|_| asked != name)).unwrap_err();
            assert_eq!(error.0, name);
        }
    }
}
