//! Analysis of a canary: whether the new versions of functions fail more often than they may, judged from what CloudWatch counted.
//!
//! The evidence is an e-value: a likelihood ratio of "fails more often than the limit" against "is at the limit", averaged over how much more
//! often. At the limit its expected value is 1 whenever one looks, so the chance that it *ever* reaches 100 is at most 1 % (Ville's
//! inequality; Grünwald, de Heide and Koolen, "Safe Testing", 2024). That makes it right to look every minute and to stop at the first
//! breach, which a test with a p-value is not. E-values of several groups may be averaged (Vovk and Wang, "E-values: Calibration,
//! combination and applications", 2021), so one bad function is found among many good ones at the same 1 %.

mod evidence;

pub use evidence::{CERTAINTY, Limit, evidence};

use crate::target::Site;
use jiff::Timestamp;
use std::fmt;

/// What happened to some invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All of them.
    pub invocations: u64,
    /// Those that ended with an error of the function.
    pub errors: u64,
    /// Those that were slow: see [`Slow`]; 0 without a limit of the latency.
    pub slow: u64,
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            invocations: self.invocations.saturating_add(other.invocations),
            errors: self.errors.saturating_add(other.errors),
            slow: self.slow.saturating_add(other.slow),
        }
    }
}

/// The two versions of one function in one account-region, since the step began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Where.
    pub site: Site,
    /// The function's name.
    pub function: String,
    /// The new version.
    pub new: Counts,
    /// The version before.
    pub stable: Counts,
}

/// All functions of a wave, at one reading of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When it was read.
    pub at: Timestamp,
    /// The new versions.
    pub new: Counts,
    /// The versions before.
    pub stable: Counts,
}

/// How the new versions are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnalysisPolicy {
    /// How often invocations of the new versions may fail; `None` for any share.
    pub errors: Option<Limit>,
    /// The limit of the 99th percentile of the durations of the new versions; `None` for none.
    pub latency_p99: Option<Latency>,
}

/// A limit of the 99th percentile of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// So many milliseconds.
    Ms(u32),
    /// This many times that of the version before, in thousandths: a thousand or more.
    Times(u32),
}

/// Above which durations invocations count as slow, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// Of the new version.
    pub new_ms: u32,
    /// Of the version before.
    pub stable_ms: u32,
}

impl Latency {
    /// What is slow, given the 99th percentile of the version before. `None` if that is needed and not known.
    pub fn slow(self, stable_p99_ms: Option<u32>) -> Option<Slow> {
        match self {
            Self::Ms(ms) => Some(Slow { new_ms: ms, stable_ms: ms }),
            Self::Times(thousandths) => stable_p99_ms.map(|ms| {
                let new_ms = u64::from(ms) * u64::from(thousandths) / 1_000;
                Slow { new_ms: u32::try_from(new_ms).unwrap_or(u32::MAX), stable_ms: ms }
            }),
        }
    }

    /// How often invocations of the new versions may be slow. Relative to the version before: as often as those of that one exceed its 99th
    /// percentile, so it does not matter how well that is known.
    fn limit(self) -> Limit {
        match self {
            Self::Ms(_) => Limit::Share(10_000),
            Self::Times(_) => Limit::Times(1_000),
        }
    }
}

/// Why the new versions are not good enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach(String);

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sums over all functions and account-regions: the new versions, and those before.
pub fn totals(measured: &[Measured]) -> (Counts, Counts) {
    let zero = (Counts::default(), Counts::default());
    measured.iter().fold(zero, |(new, stable), m| (new.plus(m.new), stable.plus(m.stable)))
}

impl AnalysisPolicy {
    /// The first limit that the new versions breach, all functions together or one of them.
    pub fn breach(&self, measured: &[Measured]) -> Option<Breach> {
        let errors = self.errors.and_then(|limit| {
            let bad = |counts: Counts| counts.errors;
            self.judged(measured, limit, bad).map(|(m, new, stable)| {
                Breach(format!("{m}: {} of {} invocations of the new version failed, {} of {} of the one before; the limit is {limit}", new.errors, new.invocations, stable.errors, stable.invocations))
            })
        });
        errors.or_else(|| {
            let latency = self.latency_p99?;
            let bad = |counts: Counts| counts.slow;
            self.judged(measured, latency.limit(), bad).map(|(m, new, stable)| {
                let of_new = format!("{m}: {} of {} invocations of the new version took longer than", new.slow, new.invocations);
                Breach(match latency {
                    Latency::Ms(ms) => format!("{of_new} {ms} ms; the limit is 1 of 100"),
                    Latency::Times(thousandths) => format!("{of_new} {} times the 99th percentile of the one before, and {} of {} of that one longer than it", f64::from(thousandths) / 1e3, stable.slow, stable.invocations),
                })
            })
        })
    }

    /// The group with the most evidence, if there is enough of it.
    fn judged(
        &self,
        measured: &[Measured],
        limit: Limit,
        bad: impl Fn(Counts) -> u64,
    ) -> Option<(String, Counts, Counts)> {
        let of = |new: Counts, stable: Counts| {
            evidence(limit, (new.invocations, bad(new)), (stable.invocations, bad(stable)))
        };
        let (new, stable) = totals(measured);
        let whole = of(new, stable);
        let each: Vec<f64> = measured.iter().map(|m| of(m.new, m.stable)).collect();
        let mean = each.iter().sum::<f64>() / each.len().max(1) as f64;
        // Two limits are two chances of a false alarm, so each needs twice the evidence.
        let limits = [self.errors.is_some(), self.latency_p99.is_some()].map(f64::from).iter().sum::<f64>();
        if (whole + mean) / 2.0 < CERTAINTY * limits {
            return None;
        }
        let worst = each.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
        match worst {
            Some((n, evidence)) if *evidence > whole && measured.len() > 1 => {
                let m = &measured[n];
                Some((format!("{} in {}", m.function, m.site), m.new, m.stable))
            }
            _ => Some(("all functions".to_owned(), new, stable)),
        }
    }
}

#[cfg(test)]
mod tests;
