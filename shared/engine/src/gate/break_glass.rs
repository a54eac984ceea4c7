//! Break-glass: opens every gate of one rollout.

use crate::EngineError;
use crate::access::{Caller, Commands, needed};
use crate::rollout::control::{TimelineText, applied};
use flotilla_domain::RolloutId;
use flotilla_domain::access::Act;
use flotilla_domain::gate::BreakGlass;
use flotilla_domain::rollout::{Rollout, RolloutEvent};

impl Commands {
    /// Opens every gate of one rollout.
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
        let entry = TimelineText { what: "gates broken open", detail: Some(because.clone()) };
        let opened = self.change_rollout(id, (caller, Act::BreakGlass), &entry, |rollout, now| {
            let word = BreakGlass { by: caller.principal.clone(), because: because.clone(), at: now };
            Ok(applied(rollout, RolloutEvent::BreakGlassRequested(word), now)?)
        });
        let opened = opened.await?;
        tracing::warn!(rollout.id = %id, by = caller.principal, because, "break-glass: all gates are open");
        Ok(opened)
    }
}
