//! Break-glass: opens every gate of one rollout.

use crate::EngineError;
use crate::access::{Caller, Commands, needed};
use crate::rollout::control::{TimelineText, applied};
use flotilla_domain::RolloutId;
use flotilla_domain::access::Act;
use flotilla_domain::code::storable;
use flotilla_domain::gate::BreakGlass;
use flotilla_domain::rollout::{Rollout, RolloutEvent, RolloutState};

impl Commands {
    /// Opens every gate of one rollout. The timeline and the audit say what was closed then.
    ///
    /// # Errors
    /// Refusals: the rollout does not exist or has ended, or the reason is missing.
    pub async fn break_glass(
        &self,
        id: &RolloutId,
        because: &str,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let because = needed(because)?;
        let entry = |rollout: &Rollout| {
            let detail = [Some(because.clone()), skipped(rollout)].into_iter().flatten();
            let detail = storable(detail.collect::<Vec<_>>().join("; "));
            TimelineText { what: "gates broken open", detail: Some(detail) }
        };
        let opened = self.change_rollout(id, (caller, Act::BreakGlass), &entry, |rollout, now| {
            let word = BreakGlass { by: caller.principal.clone(), because: because.clone(), at: now };
            Ok(applied(rollout, RolloutEvent::BreakGlassRequested(word), now)?)
        });
        let opened = opened.await?;
        tracing::warn!(rollout.id = %id, by = caller.principal, because, "break-glass: all gates are open");
        Ok(opened)
    }
}

/// What break-glass skips of a rollout now: gates that are closed, and the rest of a shift of traffic.
fn skipped(rollout: &Rollout) -> Option<String> {
    let closed = rollout.blocked_by.iter().map(|blocked| blocked.why.clone());
    let share = match &rollout.state {
        RolloutState::Shifting(shift) => Some(format!("the steps of traffic after {} %", shift.percent)),
        _ => None,
    };
    let all: Vec<String> = closed.chain(share).collect();
    (!all.is_empty()).then(|| format!("skipped: {}", all.join(", ")))
}
