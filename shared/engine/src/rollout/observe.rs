//! Observes what the state of a rollout waits for. Each observation is answered as one event.

use super::DEPLOYMENTS_MAX;
use crate::EngineError;
use crate::records::{
    REPLICAS_MAX, ReplicaRecord, Versioned, deployments_query, read, release_key, replicas_query, stage_key,
};
use crate::rollout::compose::{removal_waves, stacks_of};
use crate::rollout::{RolloutController, RolloutStep};
use flotilla_domain::analysis::{Reading, totals};
use flotilla_domain::deployment::{Deployment, State};
use flotilla_domain::gate::AlarmObservation;
use flotilla_domain::release::{Release, ReleaseRef};
use flotilla_domain::rollout::{
    Rollout, RolloutCommand, RolloutEvent, RolloutKind, RolloutObservation, RolloutState, TargetOutcome,
};
use flotilla_domain::stage::{Place, StageHead};
use std::collections::{BTreeMap, BTreeSet};

/// The place of a rollout at its stage's head; of a removal that is active, what there is to remove. What was deployed while it was
/// queued is removed too. Of a deployment whose traffic is led by a domain, where that leads now.
fn place_of(rollout: &Rollout, head: &StageHead) -> RolloutEvent {
    let place = head.place(rollout.id);
    let begins = rollout.state == RolloutState::Queued && place == Place::Active;
    match rollout.kind {
        RolloutKind::Remove if begins => {
            RolloutEvent::RemovalBegun { waves: removal_waves(head), stacks: stacks_of(head) }
        }
        RolloutKind::Deploy(_) if begins && rollout.traffic.is_some() => RolloutEvent::RoutesFound {
            runs: head.served(),
            drained: head.drained.clone(),
            live: head.live.clone(),
            served: rollout.release().map(|release| head.live_with(release)).unwrap_or_default(),
        },
        _ => RolloutEvent::PlaceObserved(place),
    }
}

impl RolloutController {
    /// The observation, if what a command asks for exists already: a promotion or rollback usually needs no new
    /// replicas.
    pub(super) async fn done_already(
        &self,
        rollout: &Rollout,
        command: &RolloutCommand,
    ) -> Result<Option<RolloutEvent>, EngineError> {
        if *command == RolloutCommand::ClearStage {
            let seen = place_of(rollout, &self.head(rollout).await?.value);
            return Ok(Some(seen).filter(|seen| *seen != RolloutEvent::PlaceObserved(Place::Queued)));
        }
        let RolloutCommand::Replicate(_, sites) = command else { return Ok(None) };
        let seen = self.replicas(rollout).await?;
        let all = matches!(&seen, RolloutEvent::ReplicasObserved { proven, .. } if sites.is_subset(proven));
        // A paused rollout does not go on.
        Ok(Some(seen).filter(|_| all && rollout.paused_by.is_none()))
    }

    /// Makes the observation that the state needs.
    pub(super) async fn observe(&self, step: &mut RolloutStep) -> Result<RolloutEvent, EngineError> {
        let rollout = &step.now;
        if rollout.deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
            return Ok(match rollout.state {
                RolloutState::Gated { wave } if wave > 0 => {
                    RolloutEvent::GatesLate(self.outcomes(step).await?)
                }
                _ => RolloutEvent::DeadlinePassed,
            });
        }
        let asks = rollout.observation() == Some(RolloutObservation::Head);
        // Once per tick is enough: a rollout that supersedes it wakes it.
        if asks || (rollout.may_be_superseded() && !step.notes.has_its_place) {
            let head = self.head(rollout).await?.value;
            step.notes.has_its_place = head.place(rollout.id) == Place::Active;
            if asks || !step.notes.has_its_place {
                return Ok(place_of(rollout, &head));
            }
        }
        let rollout = &step.now;
        match rollout.observation() {
            Some(RolloutObservation::PolicyCheck) => self.policy_result(step).await,
            Some(RolloutObservation::Replicas) => self.replicas(rollout).await,
            Some(RolloutObservation::Deployments) => {
                Ok(RolloutEvent::DeploymentsObserved(self.outcomes(step).await?))
            }
            Some(RolloutObservation::Outputs) => self.outputs_of_others(rollout).await,
            Some(RolloutObservation::Gates) => {
                self.gates_of_wave(rollout, rollout.next_wave().unwrap_or(0)).await
            }
            Some(RolloutObservation::Verification) => {
                let outcomes = self.outcomes(step).await?;
                self.checks(step, outcomes).await
            }
            Some(RolloutObservation::Traffic) => {
                let outcomes = self.outcomes(step).await?;
                let wave = step.now.state.wave().unwrap_or(0);
                let facts = self.facts_of_wave(&step.now, wave, &step.notes.deployments).await?;
                if let Some(Ok(measured)) = &facts.measured {
                    let (new, stable) = totals(measured);
                    step.notes.reading = Some(Reading { at: facts.now, new, stable });
                }
                Ok(RolloutEvent::TrafficObserved { facts, outcomes })
            }
            Some(RolloutObservation::Bake) => {
                let wave = rollout.state.wave().unwrap_or(0);
                let alarms = self.alarms_of(rollout, wave).await?;
                let outcomes = match alarms.iter().all(AlarmObservation::is_ok) {
                    true => Vec::new(),
                    false => self.outcomes(step).await?,
                };
                Ok(RolloutEvent::AlarmsObserved { alarms, outcomes })
            }
            Some(RolloutObservation::Stable) => Ok(RolloutEvent::StableObserved(self.stable(rollout).await?)),
            Some(RolloutObservation::Head) | None => {
                Err(EngineError::Defect("a terminal rollout was stepped".into()))
            }
        }
    }

    /// Runs the verifications of a wave. The answers are recorded in the timeline once all have succeeded.
    pub(super) async fn checks(
        &self,
        step: &mut RolloutStep,
        outcomes: Vec<TargetOutcome>,
    ) -> Result<RolloutEvent, EngineError> {
        let wave = step.now.state.wave().unwrap_or(0);
        // As during the steps: the new versions have all of the traffic, and can still lose it.
        let has_traffic = |o: &TargetOutcome| matches!(o.state, State::Shifting { percent: 1.. });
        let alarms = match outcomes.iter().any(has_traffic) {
            true => self.alarms_of(&step.now, wave).await?,
            false => Vec::new(),
        };
        let checked = self.checks_of(&step.now, wave, &step.notes.deployments).await?;
        let failed = checked.iter().filter(|check| !check.passed);
        let failures: Vec<_> = failed.map(|check| (check.target.clone(), check.said.clone())).collect();
        if failures.is_empty() {
            let (rollout, now) = (step.now.id, self.clock.now());
            for check in checked {
                step.record(rollout, Some(check.target), now, "verified", Some(check.said));
            }
        }
        Ok(RolloutEvent::ChecksObserved { failures, alarms, outcomes })
    }

    /// The states of its deployments.
    pub(super) async fn outcomes(&self, step: &mut RolloutStep) -> Result<Vec<TargetOutcome>, EngineError> {
        let page = self.store.query(deployments_query(&step.now.id, DEPLOYMENTS_MAX)).await?;
        let deployments = page.items.into_iter().map(|item| Ok(read::<Deployment>(item)?.value));
        let deployments: Vec<Deployment> = deployments.collect::<Result<_, EngineError>>()?;
        let outcomes = deployments.iter().map(|d| TargetOutcome {
            target: d.id.target.clone(),
            direction: d.id.direction,
            state: d.state.clone(),
            acted: d.acted,
            touched: d.operations > 0,
            plan: d.plan_digest,
        });
        let outcomes = outcomes.collect();
        step.notes.deployments = deployments;
        Ok(outcomes)
    }

    /// The stage's last stable release, unless it is the release of this rollout or is held.
    pub(super) async fn stable(&self, rollout: &Rollout) -> Result<Option<ReleaseRef>, EngineError> {
        let head = self.head(rollout).await?.value;
        let Some(stable) = head.stable else { return Ok(None) };
        if Some(stable) == rollout.release() {
            return Ok(None);
        }
        let found =
            self.store.get(&[release_key(&rollout.service, &stable)]).await?.into_iter().next().flatten();
        let release = found.map(read::<Release>).transpose()?;
        let release = release.map(|release| release.value.to_ref(&rollout.stage));
        Ok(release.filter(|release| !head.holds.contains_key(&release.package)))
    }

    pub(super) async fn replicas(&self, rollout: &Rollout) -> Result<RolloutEvent, EngineError> {
        let (mut proven, mut failed) = (BTreeSet::new(), BTreeMap::new());
        if let Some(release) = rollout.awaited_release() {
            for item in self.store.query(replicas_query(&release, REPLICAS_MAX)).await?.items {
                let replica = read::<ReplicaRecord>(item)?.value;
                let proves = replica.proves_for(rollout);
                // A failed replica of an earlier rollout is tried again.
                match replica.failure {
                    None if !proves => {}
                    None => drop(proven.insert(replica.site)),
                    Some(cause) if replica.at >= rollout.entered_at => {
                        drop(failed.insert(replica.site, cause))
                    }
                    Some(_) => {}
                }
            }
            let sites = rollout.sites();
            failed.retain(|site, _| sites.contains(site));
        }
        Ok(RolloutEvent::ReplicasObserved { proven, failed })
    }

    pub(super) async fn head(&self, rollout: &Rollout) -> Result<Versioned<StageHead>, EngineError> {
        let key = stage_key(&rollout.service, &rollout.stage);
        match self.store.get(&[key]).await?.into_iter().next().flatten() {
            Some(item) => Ok(read::<StageHead>(item)?),
            None => Err(EngineError::Defect(format!(
                "the stage {}/{} is not saved",
                rollout.service, rollout.stage
            ))),
        }
    }
}
