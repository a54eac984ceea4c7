//! The step loop: load, observe, decide, save, act, and wait for the next tick.
//!
//! Rollouts, deployments and sets each have a [`Controller`]. [`controller::run`] is the loop, and documents what it
//! guarantees; [`Step`] is a subject between two saves.

mod controller;
mod meter;
mod value;

pub(crate) use controller::{Controller, Next, Pause, run};
pub use meter::{Counts, Meter};
pub(crate) use value::Step;

use crate::EngineError;
use crate::ports::{Subject, Work, WorkQueue};
use flotilla_domain::{RolloutId, Timestamp};

/// When the sweep checks an item whose next tick is due in `delay_s` seconds, in case that tick is lost.
pub(crate) fn due_at(now: Timestamp, delay_s: u32) -> Timestamp {
    /// Longer than a step takes, short enough that a lost tick is found within two minutes.
    const GRACE_S: i64 = 60;
    let after = flotilla_domain::SignedDuration::from_secs(i64::from(delay_s) + GRACE_S);
    now.saturating_add(after).unwrap_or(now)
}

/// Asks for the next step of rollouts.
pub(crate) async fn wake(
    queue: &dyn WorkQueue,
    rollouts: impl IntoIterator<Item = RolloutId>,
) -> Result<(), EngineError> {
    let work: Vec<_> = rollouts.into_iter().map(|id| (Work::Tick(Subject::Rollout(id)), 0)).collect();
    if work.is_empty() {
        return Ok(());
    }
    Ok(queue.send(work).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_due_a_minute_after_its_next_tick() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(due_at(at(1_000), 0), at(1_060));
        assert_eq!(due_at(at(1_000), 30), at(1_090));
    }
}
