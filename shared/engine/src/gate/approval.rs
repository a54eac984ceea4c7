//! What is said to gates: approvals, stops of the line, and the word that opens everything.

use crate::EngineError;
use crate::access::{Caller, Commands, conflict, reason};
use crate::rollout::control::{TimelineText, applied};
use flotilla_domain::access::{Act, may_approve};
use flotilla_domain::gate::Approval;
use flotilla_domain::rollout::{Rollout, RolloutEvent};
use flotilla_domain::{Code, Digest, Refusal, RolloutId};

/// What somebody has looked at and agrees to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApprovalRequest {
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
        agreement: &ApprovalRequest,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let because = reason(agreement.because.as_deref())?;
        let told = TimelineText { what: "approved", detail: because.clone() };
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
