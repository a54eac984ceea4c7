//! What is said to gates: approvals, stops of the line, and the word that opens everything.

use super::authority::Order;
use super::control::Told;
use super::moves::reason;
use super::{Caller, Commands, conflict};
use crate::EngineError;
use crate::ports::WriteError;
use crate::records::{Versioned, read, stops_key};
use flotilla_domain::authority::{Act, Scope, may_approve};
use flotilla_domain::gates::{Approval, BreakGlass, Line, LineStop, Stops};
use flotilla_domain::rollout::{Rollout, RolloutEvent};
use flotilla_domain::{Code, Digest, Refusal, RolloutId};

/// How often a lost race for the stops is run again.
const RACES_MAX: usize = 8;

/// What somebody has looked at and agrees to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    /// The package; any if it is left out.
    pub package: Option<Digest>,
    /// The plan; any if it is left out.
    pub plan: Option<Digest>,
    /// Why.
    pub because: Option<String>,
}

impl Commands {
    /// Approves the wave that a rollout waits with, or will wait with next. The approval is bound to the
    /// rollout's package and plan.
    ///
    /// # Errors
    /// Refusals: there is no such rollout, it has ended, it asks for no approval, its plan is not made yet,
    /// the caller has started it and the profile asks for four eyes, or package or plan are not those that
    /// were looked at.
    pub async fn approve(
        &self,
        id: &RolloutId,
        agreement: &Agreement,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let because = reason(agreement.because.as_deref())?;
        let told = Told { what: "approved", detail: because.clone() };
        self.change_rollout(id, (caller, Act::Approve), &told, |rollout, now| {
            may_approve(&rollout.requested_by, &caller.principal, rollout.gates.four_eyes)?;
            let Some((package, wave)) = rollout.package().zip(rollout.next_wave()) else {
                return Err(conflict(format!("the rollout is {}", rollout.state.name())).into());
            };
            if rollout.approvals_of(wave) == 0 {
                return Err(conflict(format!("wave {} asks for no approval", wave + 1)).into());
            }
            let plan = rollout.plan();
            if plan.is_none() && !rollout.planned_ahead().is_empty() {
                return Err(conflict("its plan is not made yet".into()).into());
            }
            let other = |seen: Option<Digest>, has: Option<Digest>| seen.is_some() && seen != has;
            if other(agreement.package, Some(package)) || other(agreement.plan, plan) {
                return Err(not_what_was_seen(rollout).into());
            }
            let approval = Approval {
                by: caller.principal.clone(),
                because: because.clone(),
                at: now,
                wave,
                package,
                plan,
            };
            if rollout.approved_by(wave).contains(approval.by.as_str()) {
                return Ok(rollout.clone());
            }
            Ok(applied(rollout, RolloutEvent::ApproveRequested(approval), now)?)
        })
        .await
    }

    /// Opens every gate of one rollout.
    ///
    /// # Errors
    /// Refusals: there is no such rollout, it has ended, or the reason is missing.
    pub async fn break_glass(
        &self,
        id: &RolloutId,
        because: &str,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let because = needed(because)?;
        let told = Told { what: "gates broken open", detail: Some(because.clone()) };
        let opened = self.change_rollout(id, (caller, Act::BreakGlass), &told, |rollout, now| {
            let word = BreakGlass { by: caller.principal.clone(), because: because.clone(), at: now };
            Ok(applied(rollout, RolloutEvent::BreakGlassRequested(word), now)?)
        });
        let opened = opened.await?;
        tracing::warn!(rollout.id = %id, by = caller.principal, because, "all gates are broken open");
        Ok(opened)
    }

    /// Stops a line: from now on nothing is begun that it is about.
    ///
    /// # Errors
    /// Refusals: the reason is missing, or too many lines are stopped.
    pub async fn stop_line(&self, line: &Line, because: &str, caller: &Caller) -> Result<(), EngineError> {
        let order = self.order(caller, Act::StopLine, Scope::ANYTHING).await?;
        let stop = LineStop { by: caller.principal.clone(), because: needed(because)?, at: self.clock.now() };
        tracing::warn!(%line, by = stop.by, because = stop.because, "the line is stopped");
        self.change_stops(&order.detail(format!("{line}: {}", stop.because)), |stops| {
            if stops.0.len() >= Stops::MAX && !stops.0.contains_key(line) {
                return Err(conflict(format!("{} lines are stopped already", Stops::MAX)));
            }
            stops.0.entry(line.clone()).or_insert_with(|| stop.clone());
            Ok(())
        })
        .await
    }

    /// Lets a line go on. What waits for it notices within a few minutes.
    ///
    /// # Errors
    /// The table's.
    pub async fn lift_line(&self, line: &Line, caller: &Caller) -> Result<(), EngineError> {
        let order = self.order(caller, Act::LiftLine, Scope::EVERYTHING).await?;
        tracing::warn!(%line, by = caller.principal, "the line goes on");
        self.change_stops(&order.detail(line.to_string()), |stops| {
            stops.0.remove(line);
            Ok(())
        })
        .await
    }

    async fn change_stops(
        &self,
        order: &Order,
        change: impl Fn(&mut Stops) -> Result<(), Refusal>,
    ) -> Result<(), EngineError> {
        for _ in 0..RACES_MAX {
            let found = self.store.get(&[stops_key()]).await?.into_iter().next().flatten();
            let before = match found {
                Some(item) => read::<Stops>(item)?,
                None => Versioned::new(Stops::default()),
            };
            let mut stops = before.value.clone();
            change(&mut stops)?;
            if stops == before.value {
                return Ok(());
            }
            match self.save(order, vec![before.write(&stops, None)]).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }
}

fn applied(
    rollout: &Rollout,
    event: RolloutEvent,
    now: flotilla_domain::Timestamp,
) -> Result<Rollout, Refusal> {
    let state = rollout.state.name();
    rollout.clone().apply(event, now).map_err(|_| conflict(format!("the rollout is {state}")))
}

fn needed(because: &str) -> Result<String, Refusal> {
    reason(Some(because))?
        .ok_or_else(|| Refusal::new(Code::RequestInvalid, "the reason is missing", "say why").at("because"))
}

fn not_what_was_seen(rollout: &Rollout) -> Refusal {
    let text = |digest: Option<Digest>| digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
    let what = format!(
        "the rollout brings the package {} by the plan {}, which is not what was looked at",
        text(rollout.package()),
        text(rollout.plan())
    );
    Refusal::new(Code::PlanChanged, what, "look at it again (flotilla plan), then approve that")
}
