//! The approval gate: records the approvals of a wave.

use crate::EngineError;
use crate::access::{Caller, Commands, conflict, reason};
use crate::rollout::control::{TimelineText, applied};
use flotilla_domain::access::{Act, may_approve};
use flotilla_domain::gate::Approval;
use flotilla_domain::rollout::{Rollout, RolloutEvent, RolloutKind};
use flotilla_domain::{Code, Digest, Refusal, RolloutId};

/// What an approver has reviewed and approves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApprovalRequest {
    /// Digest of the package; any package if omitted.
    pub package: Option<Digest>,
    /// Digest of the plan; any plan if omitted.
    pub plan: Option<Digest>,
    /// Reason.
    pub because: Option<String>,
}

impl Commands {
    /// Approves the next wave of a rollout. The approval is bound to the rollout's package and plan.
    ///
    /// # Errors
    /// Refusals: the rollout does not exist or has ended, its wave requires no approval, its plan is not created
    /// yet, the caller started or wrote it and the profile requires four eyes, or its package or plan is not the one that
    /// was reviewed.
    pub async fn approve(
        &self,
        id: &RolloutId,
        agreement: &ApprovalRequest,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let because = reason(agreement.because.as_deref())?;
        let entry = |_: &Rollout| TimelineText { what: "approved", detail: because.clone() };
        self.change_rollout(id, (caller, Act::Approve), &entry, |rollout, now| {
            let starter = caller.person_of(&rollout.requested_by);
            let authors = match &rollout.kind {
                RolloutKind::Deploy(release) => {
                    release.authors.iter().map(|name| caller.author(name)).collect()
                }
                RolloutKind::Remove => Vec::new(),
            };
            may_approve(caller.approver(), &starter, &authors, rollout.gates.four_eyes)?;
            let Some(wave) = rollout.next_wave() else {
                return Err(conflict(format!("the rollout is {}", rollout.state.name())).into());
            };
            if rollout.approvals_of(wave) == 0 {
                return Err(conflict(format!("wave {} requires no approval", wave + 1)).into());
            }
            let plan = rollout.plan();
            if plan.is_none() && !rollout.targets_planned_first().is_empty() {
                return Err(conflict("its plan is not created yet".into()).into());
            }
            let other = |seen: Option<Digest>, has: Option<Digest>| seen.is_some() && seen != has;
            let subject = rollout.subject();
            if other(agreement.package, Some(subject)) || other(agreement.plan, plan) {
                return Err(not_what_was_seen(rollout).into());
            }
            let approval = Approval {
                by: caller.principal.clone(),
                person: caller.person.clone(),
                because: because.clone(),
                at: now,
                wave,
                package: subject,
                plan,
            };
            if rollout.approved_by(wave).contains(approval.person.as_str()) {
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
        "the rollout has the package {} and the plan {}, which are not the ones that were reviewed",
        text(rollout.package()),
        text(rollout.plan())
    );
    Refusal::new(Code::PlanChanged, what, "read the current plan (flotilla plan), then approve it")
}
