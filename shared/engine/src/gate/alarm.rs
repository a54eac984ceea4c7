//! The alarm gate: reads the states of CloudWatch alarms.

use crate::EngineError;
use crate::ports::{Place, PortError};
use crate::rollout::RolloutController;
use flotilla_domain::Site;
use flotilla_domain::gate::{AlarmObservation, AlarmState};
use flotilla_domain::rollout::{Rollout, RolloutState};
use futures::stream::{self, StreamExt, TryStreamExt};

/// Account-regions whose alarms are read concurrently.
const SITES_AT_ONCE: usize = 10;

impl RolloutController {
    /// The alarms of the profile, in every account-region of this wave and the waves before. An expedited rollout,
    /// and one that break-glass has opened, reads none.
    pub(crate) async fn alarms_of(
        &self,
        rollout: &Rollout,
        wave: usize,
    ) -> Result<Vec<AlarmObservation>, EngineError> {
        let names = &rollout.gates.alarms;
        if names.is_empty() || rollout.gates.expedite || rollout.break_glass.is_some() {
            return Ok(Vec::new());
        }
        let look = |site: Site| async move {
            let place = Place { site: site.clone(), access: rollout.access.clone() };
            let seen = |name: &String, state, unread: Option<&PortError>| AlarmObservation {
                site: site.clone(),
                name: name.clone(),
                state,
                unread: unread.map(|error| error.message.clone()),
            };
            match self.alarms.states(&place, names).await {
                Ok(states) => {
                    Ok(names.iter().map(|name| seen(name, states.get(name).copied(), None)).collect())
                }
                // What can be decided without this region is decided.
                Err(error)
                    if error.may_pass()
                        && matches!(
                            rollout.state,
                            RolloutState::Shifting(_) | RolloutState::Verifying { .. }
                        ) =>
                {
                    let unknown = Some(AlarmState::InsufficientData);
                    Ok(names.iter().map(|name| seen(name, unknown, Some(&error))).collect())
                }
                Err(error) if error.may_pass() => Err(error),
                Err(error) => Ok(names.iter().map(|name| seen(name, None, Some(&error))).collect()),
            }
        };
        let looks: Vec<_> = rollout.sites_until(wave).into_iter().map(look).collect();
        let seen: Vec<Vec<AlarmObservation>> =
            stream::iter(looks).buffered(SITES_AT_ONCE).try_collect().await?;
        Ok(seen.concat())
    }
}
