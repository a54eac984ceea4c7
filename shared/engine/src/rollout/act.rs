//! Carries out the commands of a saved rollout. Every command can be repeated.

use super::restore::Restores;
use super::{DEPLOYMENTS_MAX, RACES_MAX, RolloutStep};
use crate::EngineError;
use crate::ports::{Expect, Subject, Work, Write, WriteError};
use crate::records::{EventRecord, Versioned, deployment_key, deployments_query, keep, read, rollout_key};
use crate::rollout::RolloutController;
use crate::step::{due_at, wake};
use flotilla_domain::deployment::{Deployment, Event};
use flotilla_domain::rollout::{Rollout, RolloutCommand, RolloutKind};
use flotilla_domain::{DeploymentId, Direction, Site, Target};

/// Deployments opened in one transaction. DynamoDB takes at most 100 items in one.
const OPENED_AT_ONCE: usize = 50;

impl RolloutController {
    /// Carries out one command of the saved rollout.
    pub(super) async fn perform(
        &self,
        step: &RolloutStep,
        command: &RolloutCommand,
    ) -> Result<(), EngineError> {
        match command {
            RolloutCommand::Replicate(release, sites) => {
                let work = |site: &Site| Work::Replicate {
                    release: *release,
                    rollout: step.now.id,
                    site: site.clone(),
                };
                Ok(self.queue.send(sites.iter().map(|site| (work(site), 0)).collect()).await?)
            }
            RolloutCommand::Open(direction, targets) => {
                for targets in targets.chunks(OPENED_AT_ONCE) {
                    self.open(step, *direction, targets).await?;
                }
                Ok(())
            }
            RolloutCommand::Wake(targets) => {
                let id = |target: &Target| step.now.deployment_id(target, Direction::Forward);
                let ticks = targets.iter().map(|target| (Work::Tick(Subject::Deployment(id(target))), 0));
                Ok(self.queue.send(ticks.collect()).await?)
            }
            RolloutCommand::ClearStage => self.clear_stage(&step.now).await,
            RolloutCommand::Stop { by } => self.stop(&step.now, by).await,
        }
    }

    /// Cancels the active rollout of the stage: what it deploys is removed or rolled back next.
    async fn clear_stage(&self, next: &Rollout) -> Result<(), EngineError> {
        for _ in 0..RACES_MAX {
            let head = self.head(next).await?.value;
            let Some(active) = head.active.filter(|_| head.queued == Some(next.id)) else { return Ok(()) };
            let found = self.store.get(&[rollout_key(&active)]).await?.into_iter().next().flatten();
            let Some(saved) = found.map(read::<Rollout>).transpose()? else { return Ok(()) };
            // A removal before it is completed, and so is a revert.
            if saved.value.kind == RolloutKind::Remove || saved.value.state.is_past_waves() {
                return Ok(());
            }
            let now = self.clock.now();
            let cancelled = saved.value.clone().cancel(&next.requested_by, true);
            if cancelled == saved.value {
                return wake(self.queue.as_ref(), [active]).await;
            }
            let does = match next.kind {
                RolloutKind::Remove => "removes the stage",
                RolloutKind::Deploy(_) => "rolls the stage back",
            };
            let event = EventRecord {
                rollout: active,
                target: None,
                at: now,
                actor: next.requested_by.clone(),
                what: "cancel and stop requested".into(),
                detail: Some(format!("{} {does}", next.id)),
            };
            match self.store.write(vec![saved.write(&cancelled, Some(due_at(now, 0))), keep(&event)]).await {
                Ok(()) => return wake(self.queue.as_ref(), [active]).await,
                Err(WriteError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    /// Opens deployments and sends each a tick. Deployments that are open already only get the tick. The write
    /// is conditional on the rollout's version, so nothing is opened for a rollout that has changed since the
    /// decision.
    async fn open(
        &self,
        step: &RolloutStep,
        direction: Direction,
        targets: &[Target],
    ) -> Result<(), EngineError> {
        let (now, rollout) = (self.clock.now(), &step.now);
        let mut restores = match rollout.restores(direction) {
            true => self.restores(rollout, direction, targets).await?,
            false => Restores::new(),
        };
        let mut open = |target: &Target| {
            let mut spec = rollout.deployment_spec(target, direction).ok_or_else(|| {
                EngineError::Defect(format!("{} has no deployment spec for {target}", rollout.id))
            })?;
            spec.restores = restores.remove(target).unwrap_or_default();
            Ok(Deployment::open(rollout.deployment_id(target, direction), spec, now))
        };
        let opened = targets.iter().map(&mut open).collect::<Result<Vec<Deployment>, EngineError>>()?;
        let write = |d: &Deployment| Versioned::new(d.clone()).write(d, Some(due_at(now, 0)));
        let unchanged = || Write::check(rollout_key(&rollout.id), Expect::Version(step.saved.version));
        let all = opened.iter().map(write).chain([unchanged()]).collect();
        match self.store.write(all).await {
            Ok(()) => {}
            Err(WriteError::Conflict(places)) if !places.contains(&opened.len()) => {
                for deployment in &opened {
                    self.open_one(write(deployment), unchanged()).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        let ticks = opened.into_iter().map(|d| (Work::Tick(Subject::Deployment(d.id)), 0));
        Ok(self.queue.send(ticks.collect()).await?)
    }

    /// Opens one deployment, unless it is open already.
    async fn open_one(&self, write: Write, unchanged: Write) -> Result<(), EngineError> {
        let key = write.key().clone();
        match self.store.write(vec![write, unchanged]).await {
            Ok(()) => Ok(()),
            // The conflict may come from another transaction on the same item. Reading the item tells them
            // apart.
            Err(WriteError::Conflict(places)) if places == [0] => {
                let there = self.store.get(&[key]).await?.into_iter().next().flatten().is_some();
                if there { Ok(()) } else { Err(EngineError::Contended) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the deployments that have not ended to stop their updates.
    async fn stop(&self, rollout: &Rollout, by: &str) -> Result<(), EngineError> {
        let page = self.store.query(deployments_query(&rollout.id, DEPLOYMENTS_MAX)).await?;
        let mut ticks = Vec::new();
        for item in page.items {
            let saved = read::<Deployment>(item)?;
            if !saved.value.state.is_terminal() && self.stop_one(&saved.value.id, by).await? {
                ticks.push((Work::Tick(Subject::Deployment(saved.value.id)), 0));
            }
        }
        Ok(self.queue.send(ticks).await?)
    }

    /// Saves the request to stop on one deployment. Returns whether the deployment is still in progress.
    async fn stop_one(&self, id: &DeploymentId, by: &str) -> Result<bool, EngineError> {
        for _ in 0..RACES_MAX {
            let found = self.store.get(&[deployment_key(id)]).await?.into_iter().next().flatten();
            let Some(saved) = found.map(read::<Deployment>).transpose()? else { return Ok(false) };
            let now = self.clock.now();
            let Ok(asked) = saved.value.clone().apply(Event::StopAsked { by: by.to_owned() }, now) else {
                return Ok(false);
            };
            if asked == saved.value {
                return Ok(true);
            }
            match self.store.write(vec![saved.write(&asked, Some(due_at(now, 0)))]).await {
                Ok(()) => return Ok(true),
                Err(WriteError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }
}
