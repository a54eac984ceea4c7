//! What stands before a wave, or before the execution of one deployment's change set.

use super::Drive;
use crate::EngineError;
use crate::configure;
use crate::plan::document;
use crate::ports::Item;
use crate::records::{ConfigRecord, profile_key, read, rollout_key, stage_key, stops_key};
use flotilla_contract::ProfileConfig;
use flotilla_domain::ProfileName;
use flotilla_domain::deployment::{Deployment, Event};
use flotilla_domain::gates::{Facts, Stops, Windows};
use flotilla_domain::rollout::{Answer, Rollout, RolloutEvent};
use flotilla_domain::stage::{Place, StageHead};

impl Drive {
    /// Looks at the gates of a wave: the line, the profile's windows as they are now, and, if nothing of the
    /// rollout has begun, whether a newer one has come.
    pub(super) async fn gates_of_wave(
        &self,
        rollout: &Rollout,
        wave: usize,
    ) -> Result<RolloutEvent, EngineError> {
        let keys = [stage_key(&rollout.service, &rollout.stage), stops_key(), profile_key(&rollout.profile)];
        let mut found = self.store.get(&keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let (head, stops, profile) = (next(), next(), next());
        let head = head.map(read::<StageHead>).transpose()?;
        let place = head.map(|head| head.value.place(rollout.id)).filter(|_| wave == 0 && !rollout.plan_only);
        if let Some(place) = place.filter(|place| *place != Place::Active) {
            return Ok(RolloutEvent::PlaceSeen(place));
        }
        Ok(RolloutEvent::GatesSeen(Facts {
            now: self.clock.now(),
            stops: stops_about(stops, &rollout.profile)?,
            windows: profile.map(|item| windows(item, &rollout.profile)).transpose()?.unwrap_or_default(),
            alarms: Vec::new(),
        }))
    }

    /// Whether the rollout lets this deployment begin.
    pub(super) async fn gates(&self, deployment: &Deployment) -> Result<Event, EngineError> {
        let keys = [rollout_key(&deployment.id.rollout), stops_key()];
        let mut found = self.store.get(&keys).await?.into_iter();
        let (rollout, stops) = (found.next().flatten(), found.next().flatten());
        let Some(rollout) = rollout.map(read::<Rollout>).transpose()? else { return Ok(Event::Held) };
        let rollout = rollout.value;
        let stopped = !stops_about(stops, &rollout.profile)?.0.is_empty();
        let id = &deployment.id;
        Ok(match rollout.answer(&id.target, id.turn, deployment.plan_digest, stopped) {
            Answer::Begin => Event::Allowed,
            Answer::Wait => Event::Held,
            Answer::Never => Event::Declined,
            Answer::OtherPlan => Event::NotApproved,
        })
    }
}

/// The stops that are about a profile.
fn stops_about(item: Option<Item>, profile: &ProfileName) -> Result<Stops, EngineError> {
    let stops = item.map(read::<Stops>).transpose()?;
    Ok(stops.map(|stops| stops.value.about(profile)).unwrap_or_default())
}

fn windows(item: Item, name: &ProfileName) -> Result<Windows, EngineError> {
    let doc = document::<ProfileConfig>(read::<ConfigRecord>(item)?.value)?;
    Ok(configure::profile(name.clone(), &doc)?.windows)
}
