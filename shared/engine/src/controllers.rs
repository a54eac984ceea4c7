//! The controllers of all stepped subjects, on their ports.

use crate::EngineError;
use crate::deployment::DeploymentController;
use crate::ports::{
    Alarms, Buckets, Clock, Functions, Policies, Probes, Stacks, StateStore, Subject, WorkQueue,
};
use crate::records::{lease_holder, lease_key};
use crate::rollout::RolloutController;
use crate::set::SetController;
use crate::step::{Meter, run};
use flotilla_domain::{DeploymentId, Site, StackName, Timestamp};
use std::sync::Arc;
use tracing::{Instrument, info_span};

/// Everything that a step of some subject needs. Each controller takes its share.
pub struct StepPorts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
    /// CloudFormation.
    pub stacks: Arc<dyn Stacks>,
    /// Lambda.
    pub functions: Arc<dyn Functions>,
    /// Buckets of previews.
    pub buckets: Arc<dyn Buckets>,
    /// CloudWatch.
    pub alarms: Arc<dyn Alarms>,
    /// The network.
    pub probes: Arc<dyn Probes>,
    /// Policies of profiles.
    pub policies: Arc<dyn Policies>,
    /// What is counted.
    pub meter: Arc<Meter>,
}

/// The controllers of all stepped subjects.
pub struct Controllers {
    rollouts: RolloutController,
    deployments: DeploymentController,
    sets: SetController,
    clock: Arc<dyn Clock>,
    store: Arc<dyn StateStore>,
    meter: Arc<Meter>,
}

impl Controllers {
    /// The controllers on their ports.
    pub fn new(ports: StepPorts) -> Self {
        let StepPorts { clock, store, queue, stacks, functions, buckets, alarms, probes, policies, meter } =
            ports;
        Self {
            rollouts: RolloutController {
                clock: clock.clone(),
                store: store.clone(),
                queue: queue.clone(),
                alarms,
                probes,
                functions: functions.clone(),
                policies,
                meter: meter.clone(),
            },
            deployments: DeploymentController {
                clock: clock.clone(),
                store: store.clone(),
                queue: queue.clone(),
                stacks,
                functions,
                buckets,
                meter: meter.clone(),
            },
            sets: SetController { clock: clock.clone(), store: store.clone(), queue, meter: meter.clone() },
            clock,
            store,
            meter,
        }
    }

    /// The time, by the clock of the controllers.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What was counted.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Takes the next steps of a rollout, deployment or set, as far as nothing has to be waited for.
    ///
    /// # Errors
    /// When the table or a queue fails; the same tick again continues.
    pub async fn tick(&self, subject: &Subject) -> Result<(), EngineError> {
        self.meter.tick();
        match subject {
            Subject::Rollout(id) => {
                run(&self.rollouts, id).instrument(info_span!("step", rollout.id = %id)).await
            }
            Subject::Deployment(id) => self.step_deployment(id).await,
            Subject::Set(id) => run(&self.sets, id).instrument(info_span!("step", set.id = %id)).await,
        }
    }

    /// Steps the deployment that holds a stack whose status has changed. The change is a hint, nothing more: the
    /// deployment observes the stack itself.
    ///
    /// # Errors
    /// When the table or a queue fails.
    pub async fn hint(&self, site: &Site, stack: &StackName) -> Result<(), EngineError> {
        let found = self.store.get(&[lease_key(site, stack)]).await?.into_iter().next().flatten();
        match found.as_ref().and_then(lease_holder) {
            Some(holder) => self.step_deployment(&holder).await,
            None => Ok(()),
        }
    }

    /// Every log line carries the rollout's id: with it, one rollout's story can be read.
    async fn step_deployment(&self, id: &DeploymentId) -> Result<(), EngineError> {
        let DeploymentId { rollout, target, turn } = id;
        let span = info_span!("step", rollout.id = %rollout, %target, ?turn);
        run(&self.deployments, id).instrument(span).await
    }
}
