//! Releases brought on and back: promotion from one stage to another, rollback, and holds.

use super::{Allowed, Caller, Commands, Order, conflict, missing};
use crate::EngineError;
use crate::accept::{Arrival, Upon};
use crate::plan::{hurry, plan_rollout};
use crate::ports::WriteError;
use crate::records::{Versioned, read, release_key, stage_key};
use crate::route::Way;
use flotilla_domain::authority::{Act, Scope};
use flotilla_domain::release::Release;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::{Hold, StageHead};
use flotilla_domain::{Code, Digest, Refusal, ReleaseId, RolloutId, ServiceName, StageName};
use std::collections::BTreeMap;

/// How often a lost race for a stage's head is run again.
const RACES_MAX: usize = 8;
/// Longest reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 500;

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

    /// Holds the package of a release at a stage: nothing brings it there until the hold is lifted.
    ///
    /// # Errors
    /// Refusals: there is no such release or stage; too many are held.
    pub async fn hold(
        &self,
        service: &ServiceName,
        stage: &StageName,
        release: &ReleaseId,
        because: &str,
        caller: &Caller,
    ) -> Result<(), EngineError> {
        let order = self.order(caller, Act::Hold, Scope::stage(service, stage)).await?.release(Some(release));
        let package = self.release(service, release).await?.package.digest;
        let because = reason(Some(because))?.unwrap_or_default();
        let order = order.detail(&because);
        let hold = Hold { by: caller.principal.clone(), because, at: self.clock.now() };
        tracing::info!(%service, %stage, by = hold.by, %package, because = hold.because, "a package is held");
        self.change_holds(&order, service, stage, |holds| {
            if holds.len() >= StageHead::HOLDS_MAX && !holds.contains_key(&package) {
                return Err(conflict(format!("{} packages are held already", StageHead::HOLDS_MAX)));
            }
            holds.entry(package).or_insert_with(|| hold.clone());
            Ok(())
        })
        .await
    }

    /// Lifts the hold of a release's package; without a release, every hold of the stage.
    ///
    /// # Errors
    /// Refusals: there is no such release or stage.
    pub async fn lift_hold(
        &self,
        service: &ServiceName,
        stage: &StageName,
        release: Option<&ReleaseId>,
        caller: &Caller,
    ) -> Result<(), EngineError> {
        let order = self.order(caller, Act::LiftHold, Scope::stage(service, stage)).await?.release(release);
        let package = match release {
            Some(release) => Some(self.release(service, release).await?.package.digest),
            None => None,
        };
        tracing::info!(%service, %stage, by = caller.principal, package = ?package, "a hold is lifted");
        self.change_holds(&order, service, stage, |holds| {
            holds.retain(|held, _| package.is_some_and(|package| package != *held));
            Ok(())
        })
        .await
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

    async fn change_holds(
        &self,
        order: &Order,
        service: &ServiceName,
        stage: &StageName,
        change: impl Fn(&mut BTreeMap<Digest, Hold>) -> Result<(), Refusal>,
    ) -> Result<(), EngineError> {
        for _ in 0..RACES_MAX {
            let before = self.head_of(service, stage).await?;
            let mut head = before.value.clone();
            change(&mut head.holds)?;
            if head == before.value {
                return Ok(());
            }
            match self.save(order, vec![before.write(&head, head.expires_at)]).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    pub(super) async fn head_of(
        &self,
        service: &ServiceName,
        stage: &StageName,
    ) -> Result<Versioned<StageHead>, EngineError> {
        let found = self.store.get(&[stage_key(service, stage)]).await?.into_iter().next().flatten();
        let found = found.ok_or_else(|| {
            missing(format!("{service} has no stage {stage}"), "list them with flotilla status")
        })?;
        Ok(read::<StageHead>(found)?)
    }

    async fn release(&self, service: &ServiceName, id: &ReleaseId) -> Result<Release, EngineError> {
        let found = self.store.get(&[release_key(service, id)]).await?.into_iter().next().flatten();
        let found = found.ok_or_else(|| {
            missing(format!("{service} has no release {id}"), "list them with flotilla releases")
        })?;
        Ok(read::<Release>(found)?.value)
    }
}

/// A reason as it is kept: bounded, `None` if there is none.
pub(super) fn reason(text: Option<&str>) -> Result<Option<String>, Refusal> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.len() > REASON_BYTES_MAX || text.chars().any(char::is_control)) {
        let what = format!("the reason is over {REASON_BYTES_MAX} bytes, or has control characters");
        return Err(Refusal::new(Code::RequestInvalid, what, "say it in one short line").at("because"));
    }
    Ok(text.map(str::to_owned))
}
