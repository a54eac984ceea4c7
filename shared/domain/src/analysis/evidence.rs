//! The evidence against a limit.

use std::fmt;

/// The evidence at which a limit counts as breached: at the limit itself this is reached in one of a hundred steps at most.
pub const CERTAINTY: f64 = 100.0;

/// How often something may happen to the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// To this share of its invocations, in millionths: above 0, below a million.
    Share(u32),
    /// This many times as often as to the version before, in thousandths: a thousand or more.
    Times(u32),
}

impl Limit {
    /// The share, between 0 and 1, or the factor.
    fn value(self) -> f64 {
        match self {
            Self::Share(millionths) => f64::from(millionths) / 1e6,
            Self::Times(thousandths) => f64::from(thousandths) / 1e3,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(millionths) => write!(f, "{} %", f64::from(*millionths) / 1e4),
            Self::Times(_) => write!(f, "{} times as often", self.value()),
        }
    }
}

/// The alternatives: how many times as often as the limit allows. Small increases need many invocations to be seen, large ones few.
const ALTERNATIVES: [f64; 4] = [1.5, 2.0, 4.0, 16.0];

/// The evidence that something happens to the new version more often than the limit allows. `new` and `stable` are the number of
/// invocations, and of those to which it happened.
pub fn evidence(limit: Limit, new: (u64, u64), stable: (u64, u64)) -> f64 {
    let ratio = |times: f64| match limit {
        Limit::Share(_) => share_ratio(limit.value(), times, new),
        Limit::Times(_) => times_ratio(limit.value(), times, new, stable),
    };
    let logs = ALTERNATIVES.map(ratio);
    // What is infinite stays enough, and what cannot be computed is no evidence.
    let mean = logs.iter().map(|log| log.exp()).sum::<f64>() / ALTERNATIVES.len() as f64;
    if mean.is_nan() { 0.0 } else { mean }
}

/// The logarithm of the likelihood ratio of `times` the share against the share, for independent invocations.
fn share_ratio(share: f64, times: f64, (all, bad): (u64, u64)) -> f64 {
    let more = (share * times).min(1.0 - (1.0 - share) / times);
    let good = all.saturating_sub(bad);
    bad as f64 * (more / share).ln() + good as f64 * ((1.0 - more) / (1.0 - share)).ln()
}

/// The same for the version before, by where the failures fall: at the limit, each is one of the new version with the chance of its part of
/// the invocations, which grows with the limit. How often there are any does not matter.
fn times_ratio(allowed: f64, times: f64, new: (u64, u64), stable: (u64, u64)) -> f64 {
    let all = new.0 as f64 + stable.0 as f64;
    if new.0 == 0 || stable.0 == 0 {
        return 0.0;
    }
    let part = new.0 as f64 / all;
    let at = |factor: f64| factor * part / (factor * part + 1.0 - part);
    let (limit, more) = (at(allowed), at(allowed * times));
    new.1 as f64 * (more / limit).ln() + stable.1 as f64 * ((1.0 - more) / (1.0 - limit)).ln()
}
