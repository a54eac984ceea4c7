//! Counters of a function, which it writes as metrics after each batch.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one process.
#[derive(Debug, Default)]
pub struct Meter {
    ticks: AtomicU64,
    transitions: AtomicU64,
    throttled: AtomicU64,
}

/// The counts since the last call of [`Meter::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Ticks that were received.
    pub ticks: u64,
    /// Transitions of deployments and rollouts that were saved.
    pub transitions: u64,
    /// Calls that CloudFormation throttled.
    pub throttled: u64,
}

impl Meter {
    pub(crate) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn transitions(&self, count: usize) {
        self.transitions.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn throttled(&self) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts since the last call; resets the counters.
    pub fn take(&self) -> Counts {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Counts {
            ticks: take(&self.ticks),
            transitions: take(&self.transitions),
            throttled: take(&self.throttled),
        }
    }
}
