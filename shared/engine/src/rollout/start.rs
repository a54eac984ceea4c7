//! Start of a rollout of any release.

use super::admit::AdmissionRequest;
use super::compose::compose_rollout;
use super::route::RoutedRelease;
use crate::EngineError;
use crate::access::{Caller, Commands};
use crate::plan::AllowedLosses;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::{ReleaseId, RolloutId, ServiceName, StageName};

impl Commands {
    /// Starts a rollout of a release of the service to one of its stages.
    ///
    /// # Errors
    /// Refusals: there is no such release, no route leads to the stage, or the package does not fit it.
    pub async fn start(
        &self,
        service: &ServiceName,
        id: &ReleaseId,
        stage: &StageName,
        allow: &AllowedLosses,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let order = self.order(caller, Act::Start, Scope::stage(service, stage)).await?;
        let way = self.store.way(service, id, stage).await?;
        let precondition = way.precondition();
        let RoutedRelease { release, route, .. } = way;
        let destination = self.store.destination(&route.profile).await?;
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&caller.request_id]);
        let mut rollout = compose_rollout(id, &release, &route, &destination, &caller.principal, now)?;
        allow.apply_to(&mut rollout)?;
        let preview = destination.preview(&route);
        self.admit(order, AdmissionRequest { precondition, ..AdmissionRequest::of(&rollout, preview) }).await
    }
}
