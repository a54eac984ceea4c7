//! How a rollout judges new versions, as part of its item.

use flotilla_domain::Timestamp;
use flotilla_domain::analysis::{AnalysisPolicy, Counts, Latency, Limit, Reading};
use flotilla_domain::rollout::{TrafficHooks, TrafficPolicy, TrafficStep};
use serde::{Deserialize, Serialize};

/// Beside the steps, which older versions read too.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct StoredAnalysis {
    /// The requests that each step needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<u32>,
    /// Whether metrics are judged, also if no limit is set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    judged: bool,
    /// The most errors: millionths of the invocations, or thousandths of the other version's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p99_ms: Option<u32>,
    /// The latency, in thousandths of the other version's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p99_times: Option<u32>,
    /// The functions that are invoked before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl StoredAnalysis {
    pub fn is_none(&self) -> bool {
        let Self { requests, judged, before, after, .. } = self;
        requests.is_empty() && !judged && before.is_none() && after.is_none()
    }

    pub fn of(policy: &TrafficPolicy) -> Self {
        let requests: Vec<u32> = policy.steps.iter().map(|step| step.requests).collect();
        let (share, times) = match policy.analysis.and_then(|analysis| analysis.errors) {
            Some(Limit::Share(share)) => (Some(share), None),
            Some(Limit::Times(times)) => (None, Some(times)),
            None => (None, None),
        };
        let (p99_ms, p99_times) = match policy.analysis.and_then(|analysis| analysis.latency_p99) {
            Some(Latency::Ms(ms)) => (Some(ms), None),
            Some(Latency::Times(times)) => (None, Some(times)),
            None => (None, None),
        };
        Self {
            requests: if requests.iter().all(|needed| *needed == 0) { Vec::new() } else { requests },
            judged: policy.analysis.is_some(),
            share,
            times,
            p99_ms,
            p99_times,
            before: policy.hooks.before.clone(),
            after: policy.hooks.after.clone(),
        }
    }

    /// The policy of these steps: percent and seconds.
    pub fn read(self, steps: Vec<(u8, u32)>) -> TrafficPolicy {
        let errors = self.share.map(Limit::Share).or(self.times.map(Limit::Times));
        let latency_p99 = self.p99_ms.map(Latency::Ms).or(self.p99_times.map(Latency::Times));
        let requests = |n: usize| self.requests.get(n).copied().unwrap_or(0);
        let step = |(n, (percent, for_s))| TrafficStep { percent, for_s, requests: requests(n) };
        TrafficPolicy {
            mapping: None,
            record: None,
            steps: steps.into_iter().enumerate().map(step).collect(),
            analysis: self.judged.then_some(AnalysisPolicy { errors, latency_p99 }),
            hooks: TrafficHooks { before: self.before, after: self.after },
        }
    }
}

/// A reading: when, and the counts of the new versions and those before.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredReading {
    at: String,
    new: [u64; 3],
    stable: [u64; 3],
}

impl StoredReading {
    pub fn of(reading: &Reading) -> Self {
        let counts = |counts: &Counts| [counts.invocations, counts.errors, counts.slow];
        Self { at: reading.at.to_string(), new: counts(&reading.new), stable: counts(&reading.stable) }
    }

    pub fn read(&self) -> Result<Reading, String> {
        let counts = |[invocations, errors, slow]: [u64; 3]| Counts { invocations, errors, slow };
        let at: Timestamp = super::common::time(&self.at)?;
        Ok(Reading { at, new: counts(self.new), stable: counts(self.stable) })
    }
}
