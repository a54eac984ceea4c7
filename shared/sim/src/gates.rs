//! The fakes that gates read: CloudWatch's alarms, and services by HTTPS. Tests set their state.

use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::analysis::Counts;
use flotilla_domain::{AlarmState, Timestamp};
use flotilla_engine::ports::{Alarms, HttpObserved, Metrics, Place, PortError, Probes, VersionsMeasured};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The fake CloudWatch.
pub struct SimAlarms(pub Shared);

#[async_trait]
impl Alarms for SimAlarms {
    async fn states(
        &self,
        place: &Place,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, AlarmState>, PortError> {
        self.0
            .call("cloudwatch:DescribeAlarms", Some(&place.site), |state| {
                let known = names.iter().filter_map(|name| {
                    let found = state.alarms.get(&(place.site.clone(), name.clone()));
                    found.map(|found| (name.clone(), *found))
                });
                Ok(known.collect())
            })
            .await
    }
}

/// The fake CloudWatch, as it counts invocations: the same number in each minute, which it knows two minutes later.
pub struct SimMetrics(pub Shared);

/// How late CloudWatch is.
const DELAY_MS: i64 = 120_000;

#[async_trait]
impl Metrics for SimMetrics {
    async fn counts(
        &self,
        place: &Place,
        versions: &[VersionsMeasured],
        within: Range<Timestamp>,
    ) -> Result<Vec<(Counts, Counts)>, PortError> {
        let count = |state: &mut State| {
            let known_ms = within.end.as_millisecond().min(state.now_ms - DELAY_MS);
            let minutes =
                u64::try_from((known_ms - within.start.as_millisecond()).div_euclid(60_000)).unwrap_or(0);
            let of = |versions: &VersionsMeasured, version: &str, percent: u8| {
                let invocations = state.load.a_minute * minutes * u64::from(percent) / 100;
                let part = |rates: &BTreeMap<String, u64>| {
                    invocations * rates.get(version).copied().unwrap_or(0) / 1_000
                };
                let slow = if versions.slow.is_some() { part(&state.load.slow) } else { 0 };
                Counts { invocations, errors: part(&state.load.errors), slow }
            };
            let each = versions.iter().map(|versions| {
                let alias = state.aliases.named.get(&(place.site.clone(), versions.alias_arn.clone()));
                let percent =
                    alias.and_then(|alias| alias.shares.other.as_ref()).map_or(0, |(_, percent)| *percent);
                (of(versions, &versions.new, percent), of(versions, &versions.stable, 100 - percent))
            });
            Ok(each.collect())
        };
        self.0.call("cloudwatch:GetMetricData", Some(&place.site), count).await
    }

    async fn stable_p99s(
        &self,
        place: &Place,
        versions: &[VersionsMeasured],
        _: Range<Timestamp>,
    ) -> Result<Vec<Option<u32>>, PortError> {
        let read = |state: &mut State| Ok(vec![(state.load.a_minute > 0).then_some(100); versions.len()]);
        self.0.call("cloudwatch:GetMetricData", Some(&place.site), read).await
    }
}

/// The fake network: URLs without a configured response are unreachable.
pub struct SimProbes(pub Shared);

#[async_trait]
impl Probes for SimProbes {
    async fn get(&self, url: &str) -> Result<HttpObserved, PortError> {
        let nobody = || HttpObserved::Unreachable("nobody is there".into());
        self.0
            .call("https:GET", None, |state| Ok(state.answers.get(url).cloned().unwrap_or_else(nobody)))
            .await
    }
}
