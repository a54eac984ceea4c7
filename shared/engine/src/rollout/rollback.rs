//! Rollback of a stage to a release that ran there before.

use super::admit::{Arrival, Upon};
use super::compose::{hurry, plan_rollout};
use super::route::Way;
use crate::EngineError;
use crate::access::{Caller, Commands, reason};
use crate::plan::Allowed;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Code, Refusal, ReleaseId, RolloutId, ServiceName, StageName};

/// Which release a stage goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// The stage.
    pub stage: StageName,
    /// The release; the one that was stable before the present one if it is left out.
    pub to: Option<ReleaseId>,
    /// In the profile's waves; else everywhere at once.
    pub by_waves: bool,
    /// Why.
    pub because: Option<String>,
    /// Resources that may be lost although a safeguard keeps them.
    pub allow: Allowed,
}

impl Commands {
    /// Brings a stage back to a release that was there before, everywhere at once unless the waves are asked
    /// for; to one that is not known to have run there, by the waves and through the gates. What runs there now is
    /// held: nothing brings it again until the hold is lifted.
    ///
    /// # Errors
    /// Refusals: there is no release to go back to; those of [`Commands::start`].
    pub async fn roll_back(
        &self,
        service: &ServiceName,
        rollback: &Rollback,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let order = self.order(caller, Act::RollBack, Scope::stage(service, &rollback.stage)).await?;
        let because = reason(rollback.because.as_deref())?.unwrap_or_else(|| "rolled back".into());
        let head = self.head_of(service, &rollback.stage).await?.value;
        let to = match rollback.to {
            Some(to) => to,
            None => self.release_before(&head).await?,
        };
        let Way { release, route, .. } = self.store.way(service, &to, &rollback.stage).await?;
        let destination = self.store.destination(&route.profile).await?;
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&caller.request_id]);
        let mut rollout = plan_rollout(id, &release, &route, &destination, &caller.principal, now)?;
        // What never ran there has passed none of its gates.
        if head.has_run(&to) {
            hurry(&mut rollout, rollback.by_waves);
        }
        rollout.because = Some(because.clone());
        rollback.allow.apply_to(&mut rollout)?;
        let upon = Upon::Newest(head.newest);
        let arrival = Arrival { hold: Some(&because), upon, ..Arrival::of(&rollout, route.ttl_h) };
        self.let_in(order, arrival).await
    }

    /// The stable release if something else came after it, else the one that was stable before it; the latest that is
    /// not held.
    async fn release_before(&self, head: &StageHead) -> Result<ReleaseId, EngineError> {
        for past in head.stable.iter().filter(|_| head.is_astray()).chain(&head.past) {
            if let Ok(release) = self.release(&head.service, past).await
                && !head.holds.contains_key(&release.package.digest)
            {
                return Ok(*past);
            }
        }
        let what = format!("no other release has ever run everywhere at {}", head.stage);
        let fix = "name one with --to; flotilla releases lists them";
        Err(Refusal::new(Code::NothingToRevertTo, what, fix).into())
    }
}
