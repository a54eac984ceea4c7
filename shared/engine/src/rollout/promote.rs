//! Releases brought on and back: promotion from one stage to another, rollback, and holds.

use super::admit::Arrival;
use super::compose::plan_rollout;
use super::route::Way;
use crate::EngineError;
use crate::access::{Caller, Commands, conflict, reason};
use crate::plan::Allowed;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{Code, Refusal, ReleaseId, RolloutId, ServiceName, StageName};

/// Which release goes from one stage to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Where it runs.
    pub from: StageName,
    /// Where it is to run.
    pub to: StageName,
    /// The release; the stable one of `from` if it is left out.
    pub release: Option<ReleaseId>,
    /// Why. Another release than the stable one needs a reason.
    pub because: Option<String>,
    /// Resources that may be lost although a safeguard keeps them.
    pub allow: Allowed,
}

impl Commands {
    /// Brings the stable release of one stage to another: the same bytes, nothing is uploaded or built.
    ///
    /// # Errors
    /// Refusals: there is no stable release, or another one is wanted without a reason; those of
    /// [`Commands::start`].
    pub async fn promote(
        &self,
        service: &ServiceName,
        promotion: &Promotion,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let order = self.order(caller, Act::Promote, Scope::stage(service, &promotion.to)).await?;
        let because = reason(promotion.because.as_deref())?;
        let from = self.head_of(service, &promotion.from).await?.value;
        let stable = from
            .stable
            .ok_or_else(|| conflict(format!("no release has run everywhere at {} yet", promotion.from)))?;
        let release = promotion.release.unwrap_or(stable);
        if release != stable && because.is_none() {
            let what =
                format!("{release} is not what runs everywhere at {}: that is {stable}", promotion.from);
            let fix = "promote the stable release, or say why not (--because)";
            return Err(Refusal::new(Code::Conflict, what, fix).into());
        }
        let because = because.unwrap_or_else(|| format!("promoted from {}", promotion.from));
        let way = self.store.way(service, &release, &promotion.to).await?;
        let upon = way.upon();
        let Way { release, route, .. } = way;
        let destination = self.store.destination(&route.profile).await?;
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&caller.request_id]);
        let plan = plan_rollout(id, &release, &route, &destination, &caller.principal, now)?;
        let mut rollout = Rollout { because: Some(because), ..plan };
        promotion.allow.apply_to(&mut rollout)?;
        self.let_in(order, Arrival { upon, ..Arrival::of(&rollout, route.ttl_h) }).await
    }
}
