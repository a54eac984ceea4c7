//! The promotion that a rule asks for, when a rollout has succeeded.
//!
//! It is admitted to its stage in the transaction that saves the success, so that it happens once, and only after a success.

use super::admit::{AdmissionRequest, admit, check_traffic, held};
use super::compose::compose_rollout;
use super::destination::destination;
use super::route::{RoutedRelease, service_config, way};
use crate::EngineError;
use crate::access::conflict;
use crate::ports::Write;
use crate::rollout::{RolloutController, RolloutStep};
use flotilla_domain::code::storable;
use flotilla_domain::rollout::{Rollout, RolloutState};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ReleaseId, RolloutId, StageName};

impl RolloutController {
    /// The rollout to the next stage, if this one has just made its release the stable one of `head` and a rule asks for it. A refusal is
    /// recorded in the timeline: the rollout itself has succeeded.
    pub(super) async fn promotion(
        &self,
        step: &mut RolloutStep,
        head: &StageHead,
    ) -> Result<Option<Rollout>, EngineError> {
        let has_succeeded = step.now.state == RolloutState::Succeeded;
        let stable = head.stable.filter(|stable| has_succeeded && step.now.release() == Some(*stable));
        let (Some(release), Some(to)) = (stable, step.now.promote_to.clone()) else { return Ok(None) };
        match self.compose_promotion(&step.now, release, &to).await {
            Ok(rollout) => {
                let detail = format!("to {} by {}", rollout.stage, rollout.id);
                step.record(step.now.id, None, self.clock.now(), "promoted", Some(detail));
                Ok(Some(rollout))
            }
            Err(error) if may_pass(&error) => Err(error),
            Err(error) => {
                self.not_promoted(step, &error);
                Ok(None)
            }
        }
    }

    async fn compose_promotion(
        &self,
        from: &Rollout,
        release: ReleaseId,
        to: &StageName,
    ) -> Result<Rollout, EngineError> {
        let store = self.store.as_ref();
        let config = service_config(store, &from.service).await?;
        let asks = config.rule_of(&from.stage).and_then(|rule| rule.promote_to.as_ref()) == Some(to);
        let stays = config.rule_of(to).is_some_and(|rule| rule.ttl_h.is_none());
        if !asks || !stays || *to == from.stage {
            return Err(conflict(format!("the rule of {} no longer promotes to {to}", from.stage)).into());
        }
        let RoutedRelease { release, route, head } = way(store, &from.service, &release, to).await?;
        let destination = destination(store, &route.profile).await?;
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&from.id.to_string(), to.as_str()]);
        // Who began the chain began this rollout too: a retry's operator must not approve it alone.
        let plan = compose_rollout(id, &release, &route, &destination, &from.requested_by, now)?;
        let because = Some(format!("promoted from {} after {}", from.stage, from.id));
        let rollout = Rollout { because, promote_to: route.promote_to, ..plan };
        check_traffic(&rollout)?;
        held(&rollout, head.as_ref())?;
        Ok(rollout)
    }

    /// Admits the promotion, and saves the success in the same transaction. Returns whether both are done: if the promotion can never be
    /// admitted, the success is saved without it.
    pub(super) async fn admit_promotion(
        &self,
        step: &mut RolloutStep,
        rollout: &Rollout,
        success: &[Write],
    ) -> Result<bool, EngineError> {
        let request = AdmissionRequest { beside: success, ..AdmissionRequest::of(rollout, None) };
        match admit(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), request).await {
            Ok(_) => Ok(true),
            Err(error) if may_pass(&error) => Err(error),
            // The stage or the release has changed since.
            Err(error) => {
                // The entry that it was promoted.
                step.timeline.pop();
                self.not_promoted(step, &error);
                Ok(false)
            }
        }
    }

    fn not_promoted(&self, step: &mut RolloutStep, error: &EngineError) {
        let why = match error {
            EngineError::Refused(refusal) => format!("{refusal}; fix: {}", refusal.fix),
            other => other.to_string(),
        };
        let to = step.now.promote_to.as_ref().map(ToString::to_string).unwrap_or_default();
        let detail = Some(storable(format!("to {to}: {why}")));
        step.record(step.now.id, None, self.clock.now(), "promotion refused", detail);
    }
}

/// Whether the step may be repeated with another result.
fn may_pass(error: &EngineError) -> bool {
    match error {
        EngineError::Port(error) => error.may_pass(),
        EngineError::Contended => true,
        _ => false,
    }
}
