//! Rollback of a stage to a release that ran there before.

use super::admit::{AdmissionRequest, HoldOthers, Precondition};
use super::compose::{compose_rollout, expedite};
use super::route::RoutedRelease;
use crate::EngineError;
use crate::access::{Caller, Commands, conflict, reason};
use crate::plan::AllowedLosses;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::rollout::{Rollout, RolloutState};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Code, Refusal, ReleaseId, RolloutId, ServiceName, StageName};

/// Which release to roll a stage back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// The stage.
    pub stage: StageName,
    /// The release. Default: the one that was stable before the present one.
    pub to: Option<ReleaseId>,
    /// Use the profile's waves and gates instead of expediting.
    pub by_waves: bool,
    /// The reason.
    pub because: Option<String>,
    /// Resources that may be lost although a safeguard protects them.
    pub allow: AllowedLosses,
}

impl Rollback {
    /// Of a stage, to the release that was stable before.
    pub fn of(stage: StageName) -> Self {
        Self { stage, to: None, by_waves: false, because: None, allow: AllowedLosses::default() }
    }
}

impl Commands {
    /// Rolls a stage back to an earlier release. The rollback is expedited, unless waves are requested or the
    /// release is not known to have run at the stage. What runs there now is held until the hold is released, and a rollout in progress is
    /// cancelled.
    ///
    /// # Errors
    /// Refusals: there is no release to roll back to; those of [`Commands::start`].
    pub async fn roll_back(
        &self,
        service: &ServiceName,
        rollback: &Rollback,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let order = self.order(caller, Act::RollBack, Scope::stage(service, &rollback.stage)).await?;
        let because = reason(rollback.because.as_deref())?.unwrap_or_else(|| "rolled back".into());
        let head = self.head_of(service, &rollback.stage).await?.value;
        let in_progress = self.in_progress(&head).await?;
        if let Some(active) = in_progress.as_ref().filter(|active| active.gates.expedite)
            && rollback.to.is_none_or(|to| active.release() == Some(to))
        {
            let what = format!("{} is being rolled back already, by {}", head.stage, active.id);
            return Err(EngineError::conflict(conflict(what), active));
        }
        let to = match rollback.to {
            Some(to) => to,
            None => self.release_before(&head, in_progress.as_ref()).await?,
        };
        let RoutedRelease { release, route, .. } = self.store.way(service, &to, &rollback.stage).await?;
        // A release that never ran there has not passed its gates.
        let has_run = head.has_run(&to);
        let destination = self.store.destination(&route.profile).await?.for_rollback(has_run);
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&caller.request_id]);
        let mut rollout = compose_rollout(id, &release, &route, &destination, &caller.principal, now)?;
        if has_run {
            expedite(&mut rollout, rollback.by_waves);
        }
        rollout.because = Some(because.clone());
        rollback.allow.apply_to(&mut rollout)?;
        let precondition = Precondition::NewestIs(head.newest);
        let request = AdmissionRequest {
            hold: Some(HoldOthers {
                because: &because,
                in_progress: in_progress.and_then(|rollout| rollout.package()),
            }),
            precondition,
            ..AdmissionRequest::of(&rollout, destination.preview(&route))
        };
        self.admit(order, request).await
    }

    /// The active rollout of a stage, if it has begun to deploy another release than the stable one.
    async fn in_progress(&self, head: &StageHead) -> Result<Option<Rollout>, EngineError> {
        let Some(active) = head.active else { return Ok(None) };
        let active = self.rollout(&active).await?.value;
        let is_other = active.release().is_some_and(|release| Some(release) != head.stable);
        let has_begun = !active.state.properties().is_supersedable
            && !matches!(active.state, RolloutState::DiscardingChangeSets(_));
        Ok(Some(active).filter(|_| is_other && has_begun))
    }

    /// The stable release if something else is being deployed or was deployed after it, else the one that was stable before it; the latest
    /// that is not held.
    async fn release_before(
        &self,
        head: &StageHead,
        in_progress: Option<&Rollout>,
    ) -> Result<ReleaseId, EngineError> {
        let is_stable_gone = in_progress.is_some() || head.is_astray();
        for past in head.stable.iter().filter(|_| is_stable_gone).chain(&head.past) {
            if let Ok(release) = self.release(&head.service, past).await
                && !head.holds.contains_key(&release.package.digest)
            {
                return Ok(*past);
            }
        }
        let what = format!("{} has no other release that was stable", head.stage);
        let fix = "name a release with --to; list them with flotilla releases";
        Err(Refusal::new(Code::NothingToRevertTo, what, fix).into())
    }
}
