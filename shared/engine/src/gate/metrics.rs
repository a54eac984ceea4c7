//! The metrics of the functions whose traffic is shifted.

use crate::EngineError;
use crate::ports::{Place, PortError, VersionsMeasured};
use crate::rollout::RolloutController;
use flotilla_domain::analysis::{Latency, Measured};
use flotilla_domain::deployment::Deployment;
use flotilla_domain::ids::Direction;
use flotilla_domain::rollout::{Rollout, RolloutState};
use flotilla_domain::{Site, Timestamp};
use futures::stream::{self, StreamExt};
use std::collections::BTreeMap;

/// Account-regions whose metrics are read concurrently.
const SITES_AT_ONCE: usize = 10;

impl RolloutController {
    /// What happened to the versions of a wave since the step began, by one call for each account-region, or two; `None` if nothing is to be read
    /// now. A region that does not answer is the reason why nothing is known: what is missing could be what fails.
    pub(super) async fn measured(
        &self,
        rollout: &Rollout,
        wave: usize,
        deployments: &[Deployment],
    ) -> Result<Option<Result<Vec<Measured>, String>>, EngineError> {
        let RolloutState::Shifting(shift) = &rollout.state else { return Ok(None) };
        if rollout.break_glass.is_some() {
            return Ok(None);
        }
        let now = self.clock.now();
        let Some((since, _)) = shift.since.zip(rollout.measures_at().filter(|at| *at <= now)) else {
            return Ok(None);
        };
        // CloudWatch counts by the minute. The minute in which the step began has invocations from before it.
        let (from, until) = (minute_after(since), minute_before(now));
        if from >= until {
            return Ok(None);
        }
        let latency = rollout.traffic.as_ref().and_then(|traffic| traffic.analysis?.latency_p99);
        let mut by_site: BTreeMap<Site, Vec<VersionsMeasured>> = BTreeMap::new();
        for deployment in deployments.iter().filter(|d| is_of_wave(rollout, wave, d)) {
            let versions = deployment.shared().filter_map(VersionsMeasured::of);
            by_site.entry(deployment.id.target.site.clone()).or_default().extend(versions);
        }
        let reads: Vec<_> = by_site
            .into_iter()
            .filter(|(_, versions)| !versions.is_empty())
            .map(|(site, mut versions)| async move {
                let place = Place { site: site.clone(), access: rollout.access.clone() };
                let failed = |error: PortError| format!("{site}: {error}");
                let p99s = match latency {
                    Some(Latency::Times(_)) => self.metrics.stable_p99s(&place, &versions, from..until).await,
                    _ => Ok(vec![None; versions.len()]),
                };
                for (versions, p99) in versions.iter_mut().zip(p99s.map_err(failed)?) {
                    versions.slow = latency.and_then(|latency| latency.slow(p99));
                }
                let counts = self.metrics.counts(&place, &versions, from..until).await.map_err(failed)?;
                let measured = |(versions, (new, stable)): (VersionsMeasured, _)| Measured {
                    site: site.clone(),
                    function: versions.names().0.to_owned(),
                    new,
                    stable,
                };
                Ok::<_, String>(versions.into_iter().zip(counts).map(measured).collect::<Vec<_>>())
            })
            .collect();
        let read: Vec<Result<Vec<Measured>, String>> =
            stream::iter(reads).buffered(SITES_AT_ONCE).collect().await;
        let read: Result<Vec<Vec<Measured>>, String> = read.into_iter().collect();
        Ok(Some(read.map(|all| all.concat())))
    }
}

fn is_of_wave(rollout: &Rollout, wave: usize, deployment: &Deployment) -> bool {
    let targets = rollout.waves.get(wave).map_or(&[][..], |wave| &wave.targets);
    deployment.id.direction == Direction::Forward && targets.contains(&deployment.id.target)
}

const MINUTE_S: i64 = 60;

fn minute_before(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(MINUTE_S)).unwrap_or(at)
}

fn minute_after(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second + (-second).rem_euclid(MINUTE_S)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_minutes_are_read() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!([0, 1, 59, 60, 61].map(|s| minute_before(at(s)).as_second()), [0, 0, 0, 60, 60]);
        assert_eq!([0, 1, 59, 60, 61].map(|s| minute_after(at(s)).as_second()), [0, 60, 60, 60, 120]);
    }
}
