//! The promotion that a rule asks for, when a rollout has succeeded.
//!
//! It is admitted to its stage in the transaction that saves the success, so that it happens once, and only after a success.

use super::admit::{AdmissionRequest, admit, check_traffic, held};
use super::compose::compose_rollout;
use super::destination::destination;
use super::route::{RoutedRelease, way};
use crate::EngineError;
use crate::ports::Write;
use crate::rollout::{RolloutController, RolloutStep};
use flotilla_domain::code::storable;
use flotilla_domain::rollout::{Rollout, RolloutState};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ReleaseId, RolloutId, StageName};

/// Who requests it, as `upload` does what an upload began.
const ACTOR: &str = "promotion";

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
        let now = self.clock.now();
        match self.compose_promotion(&step.now, release, &to).await {
            Ok(rollout) => {
                let detail = format!("to {to} by {}", rollout.id);
                step.record(step.now.id, None, now, "promoted", Some(detail));
                Ok(Some(rollout))
            }
            Err(error @ (EngineError::Port(_) | EngineError::Contended)) => Err(error),
            Err(error) => {
                let why = match &error {
                    EngineError::Refused(refusal) => format!("{refusal}; fix: {}", refusal.fix),
                    // Another version of Flotilla may have written what cannot be read.
                    other => other.to_string(),
                };
                let detail = Some(storable(format!("to {to}: {why}")));
                step.record(step.now.id, None, now, "promotion refused", detail);
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
        let RoutedRelease { release, route, head } = way(store, &from.service, &release, to).await?;
        let destination = destination(store, &route.profile).await?;
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&from.id.to_string(), to.as_str()]);
        let plan = compose_rollout(id, &release, &route, &destination, ACTOR, now)?;
        let because = Some(format!("promoted from {} after {}", from.stage, from.id));
        let rollout = Rollout { because, promote_to: route.promote_to, ..plan };
        check_traffic(&rollout)?;
        held(&rollout, head.as_ref())?;
        Ok(rollout)
    }

    /// Admits the promotion, and saves the success in the same transaction.
    pub(super) async fn admit_promotion(
        &self,
        rollout: &Rollout,
        success: &[Write],
    ) -> Result<(), EngineError> {
        let request = AdmissionRequest { beside: success, ..AdmissionRequest::of(rollout, None) };
        match admit(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), request).await {
            Ok(_) => Ok(()),
            // The stage or the release has changed since: the next step finds out how.
            Err(EngineError::Refused(_) | EngineError::Conflict(_)) => Err(EngineError::Contended),
            Err(error) => Err(error),
        }
    }
}
