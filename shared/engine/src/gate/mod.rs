//! What stands before a wave, or before the execution of one deployment's change set.

mod approval;
mod break_glass;
mod freeze;
pub(crate) mod outputs;
mod policy;
mod verification;

pub use approval::Agreement;

use crate::config::document;
use crate::deployment::DeploymentController;
use crate::ports::{Item, Place, PortError};
use crate::records::{ConfigRecord, profile_key, read, rollout_key, stage_key, stops_key};
use crate::rollout::RolloutController;
use crate::rollout::admit::held;
use crate::{EngineError, config};
use flotilla_contract::ProfileConfig;
use flotilla_domain::deployment::{Deployment, Event};
use flotilla_domain::gate::{AlarmSeen, Facts, Windows};
use flotilla_domain::rollout::{Answer, Rollout, RolloutEvent};
use flotilla_domain::stage::{Place as StagePlace, StageHead};
use flotilla_domain::{Cause, ProfileName, Site};
use freeze::stops_about;
use futures::stream::{self, StreamExt, TryStreamExt};

/// Sites whose alarms are read at a time.
const SITES_AT_ONCE: usize = 10;

impl RolloutController {
    /// Looks at the gates of a wave: the line, the profile's windows as they are now, and, if nothing of the
    /// rollout has begun, whether a newer one has come.
    pub(crate) async fn gates_of_wave(
        &self,
        rollout: &Rollout,
        wave: usize,
    ) -> Result<RolloutEvent, EngineError> {
        let keys = [stage_key(&rollout.service, &rollout.stage), stops_key(), profile_key(&rollout.profile)];
        let mut found = self.store.get(&keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let (head, stops, profile) = (next(), next(), next());
        let head = head.map(read::<StageHead>).transpose()?.map(|head| head.value);
        let place =
            head.as_ref().map(|head| head.place(rollout.id)).filter(|_| wave == 0 && !rollout.plan_only);
        if let Some(place) = place.filter(|place| *place != StagePlace::Active) {
            return Ok(RolloutEvent::PlaceSeen(place));
        }
        Ok(RolloutEvent::GatesSeen(Facts {
            now: self.clock.now(),
            stops: stops_about(stops, &rollout.profile)?,
            windows: profile.map(|item| windows(item, &rollout.profile)).transpose()?.unwrap_or_default(),
            alarms: self.alarms_of(rollout, wave).await?,
            held: held(rollout, head.as_ref()).err().map(Cause::from),
        }))
    }

    /// The alarms of the profile, at every site that the rollout has come to with a wave. Of a way back, or one
    /// whose gates are broken open, none is asked.
    pub(crate) async fn alarms_of(
        &self,
        rollout: &Rollout,
        wave: usize,
    ) -> Result<Vec<AlarmSeen>, EngineError> {
        let names = &rollout.gates.alarms;
        if names.is_empty() || rollout.gates.hurry || rollout.break_glass.is_some() {
            return Ok(Vec::new());
        }
        let look = |site: Site| async move {
            let place = Place { site: site.clone(), access: rollout.access.clone() };
            let seen = |name: &String, state, unread: Option<&PortError>| AlarmSeen {
                site: site.clone(),
                name: name.clone(),
                state,
                unread: unread.map(|error| error.message.clone()),
            };
            match self.alarms.states(&place, names).await {
                Ok(states) => {
                    Ok(names.iter().map(|name| seen(name, states.get(name).copied(), None)).collect())
                }
                Err(error) if error.may_pass() => Err(error),
                Err(error) => Ok(names.iter().map(|name| seen(name, None, Some(&error))).collect()),
            }
        };
        let looks: Vec<_> = rollout.sites_until(wave).into_iter().map(look).collect();
        let seen: Vec<Vec<AlarmSeen>> = stream::iter(looks).buffered(SITES_AT_ONCE).try_collect().await?;
        Ok(seen.concat())
    }
}

impl DeploymentController {
    /// Whether the rollout lets this deployment begin.
    pub(crate) async fn gates(&self, deployment: &Deployment) -> Result<Event, EngineError> {
        let keys = [rollout_key(&deployment.id.rollout), stops_key()];
        let mut found = self.store.get(&keys).await?.into_iter();
        let (rollout, stops) = (found.next().flatten(), found.next().flatten());
        let Some(rollout) = rollout.map(read::<Rollout>).transpose()? else { return Ok(Event::Held) };
        let rollout = rollout.value;
        let stopped = !stops_about(stops, &rollout.profile)?.0.is_empty();
        let id = &deployment.id;
        Ok(match rollout.answer(&id.target, id.turn, deployment.plan_digest, stopped) {
            Answer::Begin => Event::Allowed,
            Answer::BeginUnwatched => Event::AllowedUnwatched,
            Answer::Wait => Event::Held,
            Answer::Never => Event::Declined,
            Answer::OtherPlan => Event::NotApproved,
        })
    }
}

fn windows(item: Item, name: &ProfileName) -> Result<Windows, EngineError> {
    let doc = document::<ProfileConfig>(read::<ConfigRecord>(item)?.value)?;
    Ok(config::profile(name.clone(), &doc)?.windows)
}
