//! CloudWatch metrics of the functions of one account-region.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::Timestamp;
use flotilla_domain::analysis::{Counts, Slow};
use flotilla_domain::deployment::AliasVersions;
use std::ops::Range;

/// The two versions of a function that an alias shares invocations between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionsMeasured {
    /// The alias's ARN.
    pub alias_arn: String,
    /// The new version's number.
    pub new: String,
    /// The number of the version before.
    pub stable: String,
    /// What counts as slow, if anything does.
    pub slow: Option<Slow>,
}

impl VersionsMeasured {
    /// The versions of an alias; `None` if it has no new one.
    pub fn of(alias: &AliasVersions) -> Option<Self> {
        Some(Self {
            alias_arn: alias.arn.clone(),
            new: alias.new.clone()?,
            stable: alias.stable.clone(),
            slow: None,
        })
    }

    /// The names of the function and the alias, which an ARN ends with.
    pub fn names(&self) -> (&str, &str) {
        let (function, alias) = self.alias_arn.rsplit_once(':').unwrap_or((&self.alias_arn, ""));
        (function.rsplit(':').next().unwrap_or(function), alias)
    }
}

/// CloudWatch.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// What happened to the invocations of each alias within whole minutes, in the order of the request: of the new version, and of the one
    /// before. The metrics of the last minutes may be incomplete.
    async fn counts(
        &self,
        place: &Place,
        versions: &[VersionsMeasured],
        within: Range<Timestamp>,
    ) -> Result<Vec<(Counts, Counts)>, PortError>;

    /// The 99th percentile of the durations of each version before, in milliseconds: the median of those of the minutes. `None` if it was not
    /// invoked.
    async fn stable_p99s(
        &self,
        place: &Place,
        versions: &[VersionsMeasured],
        within: Range<Timestamp>,
    ) -> Result<Vec<Option<u32>>, PortError>;
}
