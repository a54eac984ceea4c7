//! Commands that only plan: rollouts that execute nothing.

use crate::EngineError;
use crate::access::{Caller, Commands, conflict, missing};
use crate::ports::WriteError;
use crate::records::{EventRecord, Versioned, create, read, releases_query, stage_key};
use crate::rollout::compose::compose_rollout;
use crate::rollout::route::RoutedRelease;
use crate::step::wake;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::gate::Gates;
use flotilla_domain::release::Release;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ReleaseId, RolloutId, ServiceName, StageName};

/// What to plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// The stage to plan for.
    pub stage: StageName,
    /// The release. Default: the stable one of `from`, or else the service's newest.
    pub release: Option<ReleaseId>,
    /// The stage whose stable release is planned.
    pub from: Option<StageName>,
}

impl Commands {
    /// Creates the change sets that a rollout would execute, if the templates pass the policy check, and
    /// deletes them again. It passes no gates and does not block the stage's rollouts.
    ///
    /// # Errors
    /// Refusals: those of [`Commands::start`]; there is no release to plan.
    pub async fn plan(
        &self,
        service: &ServiceName,
        wanted: &PlanOptions,
        caller: &Caller,
    ) -> Result<Rollout, EngineError> {
        let order = self.order(caller, Act::Plan, Scope::stage(service, &wanted.stage)).await?;
        let release = self.release_to_plan(service, wanted).await?;
        let RoutedRelease { release, route, head } = self.store.way(service, &release, &wanted.stage).await?;
        let destination = self.store.destination(&route.profile).await?;
        let now = self.clock.now();
        let id = RolloutId::derive(now, &[&caller.request_id]);
        let whole = compose_rollout(id, &release, &route, &destination, &caller.principal, now)?;
        let gates = Gates { plan_first: true, ..Gates::default() };
        let mut rollout = Rollout { plan_only: true, gates, ..whole };
        if rollout.has_slots() {
            rollout.choose_slots(&head.map(|head| head.live).unwrap_or_default(), &Default::default());
        }
        rollout.state = rollout.begin();
        let event = EventRecord {
            rollout: id,
            target: None,
            at: now,
            actor: caller.principal.clone(),
            what: "plan requested".into(),
            detail: Some(release.id.to_string()),
        };
        let due = Some(crate::step::due_at(now, 0));
        let writes = vec![Versioned::new(rollout.clone()).write(&rollout, due), create(&event)];
        match self.save(&order.rollout(&rollout), writes).await {
            // A conflict means that the same request was saved before.
            Ok(()) | Err(WriteError::Conflict(_)) => {}
            Err(WriteError::Port(error)) => return Err(error.into()),
        }
        wake(self.queue.as_ref(), [id]).await?;
        Ok(rollout)
    }

    async fn release_to_plan(
        &self,
        service: &ServiceName,
        wanted: &PlanOptions,
    ) -> Result<ReleaseId, EngineError> {
        if let Some(release) = wanted.release {
            return Ok(release);
        }
        if let Some(from) = &wanted.from {
            let head = self.store.get(&[stage_key(service, from)]).await?.into_iter().next().flatten();
            let stable = head.map(read::<StageHead>).transpose()?.and_then(|head| head.value.stable);
            let none = || conflict(format!("{from} has no stable release yet"));
            return Ok(stable.ok_or_else(none)?);
        }
        let newest = self.store.query(releases_query(service, None, 1)).await?.items.into_iter().next();
        let none = || missing(format!("{service} has no release"), "upload one with flotilla push");
        Ok(read::<Release>(newest.ok_or_else(none)?)?.value.id)
    }
}
