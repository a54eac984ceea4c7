//! Gates: observes what the domain needs to decide whether a wave may begin, or one deployment's change set may be
//! executed.

mod alarm;
mod approval;
mod break_glass;
mod freeze;
mod metrics;
pub(crate) mod output;
mod policy;
mod verification;
mod window;

pub use approval::ApprovalRequest;

use crate::EngineError;
use crate::deployment::DeploymentController;
use crate::records::{Versioned, profile_key, read, rollout_key, stage_key, stops_key};
use crate::rollout::RolloutController;
use crate::rollout::admit::held;
use flotilla_domain::Cause;
use flotilla_domain::deployment::{Deployment, Event, TrafficAnswer};
use flotilla_domain::gate::Facts;
use flotilla_domain::rollout::{Answer, Rollout, RolloutEvent};
use flotilla_domain::stage::{Place as StagePlace, StageHead};
use freeze::freezes_about;
use window::windows;

impl RolloutController {
    /// Observes the gates of a wave: freezes, the profile's windows as they are now, alarms and holds. Before the
    /// first wave, also whether a newer rollout has superseded this one.
    pub(crate) async fn gates_of_wave(
        &self,
        rollout: &Rollout,
        wave: usize,
    ) -> Result<RolloutEvent, EngineError> {
        let (head, facts) = self.gates_read(rollout).await?;
        let place =
            head.as_ref().map(|head| head.place(rollout.id)).filter(|_| wave == 0 && !rollout.plan_only);
        if let Some(place) = place.filter(|place| *place != StagePlace::Active) {
            return Ok(RolloutEvent::PlaceObserved(place));
        }
        Ok(RolloutEvent::GatesObserved(Facts { alarms: self.alarms_of(rollout, wave).await?, ..facts }))
    }

    /// The facts for the next step of a wave whose traffic is shifted: the same gates.
    pub(crate) async fn facts_of_wave(
        &self,
        rollout: &Rollout,
        wave: usize,
        deployments: &[Deployment],
    ) -> Result<Facts, EngineError> {
        let (_, facts) = self.gates_read(rollout).await?;
        let alarms = self.alarms_of(rollout, wave).await?;
        Ok(Facts { alarms, measured: self.measured(rollout, wave, deployments).await?, ..facts })
    }

    /// The stage's head, and the facts that the table has.
    async fn gates_read(&self, rollout: &Rollout) -> Result<(Option<StageHead>, Facts), EngineError> {
        let keys = [stage_key(&rollout.service, &rollout.stage), stops_key(), profile_key(&rollout.profile)];
        let mut found = self.store.get(&keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let (head, stops, profile) = (next(), next(), next());
        let head = head.map(read::<StageHead>).transpose()?.map(|head| head.value);
        let facts = Facts {
            now: self.clock.now(),
            stops: freezes_about(stops, &rollout.profile)?,
            windows: profile.map(|item| windows(item, &rollout.profile)).transpose()?.unwrap_or_default(),
            alarms: Vec::new(),
            held: held(rollout, head.as_ref()).err().map(Cause::from),
            measured: None,
        };
        Ok((head, facts))
    }
}

impl DeploymentController {
    /// The rollout's answer about the traffic of this deployment.
    pub(crate) async fn traffic(&self, deployment: &Deployment) -> Result<Event, EngineError> {
        let found =
            self.store.get(&[rollout_key(&deployment.id.rollout)]).await?.into_iter().next().flatten();
        let rollout = found.map(read::<Rollout>).transpose()?;
        let answer = |rollout: Versioned<Rollout>| {
            rollout.value.traffic_answer(&deployment.id.target, deployment.id.direction)
        };
        Ok(Event::TrafficAnswered(rollout.map_or(TrafficAnswer::Wait, answer)))
    }

    /// Whether the rollout allows this deployment to begin.
    pub(crate) async fn gates(&self, deployment: &Deployment) -> Result<Event, EngineError> {
        let keys = [rollout_key(&deployment.id.rollout), stops_key()];
        let mut found = self.store.get(&keys).await?.into_iter();
        let (rollout, stops) = (found.next().flatten(), found.next().flatten());
        let Some(rollout) = rollout.map(read::<Rollout>).transpose()? else { return Ok(Event::MustWait) };
        let rollout = rollout.value;
        let stopped = !freezes_about(stops, &rollout.profile)?.0.is_empty();
        let id = &deployment.id;
        Ok(match rollout.answer(&id.target, id.direction, deployment.plan_digest, stopped) {
            Answer::Begin => Event::Allowed,
            Answer::BeginUnwatched => Event::AllowedUnwatched,
            Answer::Wait => Event::MustWait,
            Answer::Never => Event::Declined,
            Answer::OtherPlan => Event::NotApproved,
        })
    }
}
