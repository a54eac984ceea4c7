//! The queues: standard queues with at-least-once delivery and no order.

use crate::faults::Faults;
use crate::state::{Message, Shared};
use async_trait::async_trait;
use flotilla_engine::ports::{PortError, Work, WorkQueue};

/// The fake.
pub struct SimQueue(pub Shared);

#[async_trait]
impl WorkQueue for SimQueue {
    async fn send(&self, work: Vec<(Work, u32)>) -> Result<(), PortError> {
        self.0
            .call("sqs:SendMessageBatch", None, |state| {
                for (work, delay_s) in work {
                    let faults = if state.running.is_some() { state.faults } else { Faults::NONE };
                    let copies = match (state.rng.chance(faults.dropped), state.rng.chance(faults.duplicated))
                    {
                        (true, _) => 0,
                        (false, true) => 2,
                        (false, false) => 1,
                    };
                    for _ in 0..copies {
                        let most_ms = if state.rng.chance(faults.late) { 300_000 } else { 200 };
                        let late_ms = i64::try_from(state.rng.below(most_ms)).unwrap_or(0);
                        let visible_at_ms = state.now_ms + i64::from(delay_s.min(900)) * 1_000 + late_ms;
                        state.messages.push(Message { work: work.clone(), visible_at_ms, receives: 0 });
                    }
                }
                Ok(())
            })
            .await
    }
}
