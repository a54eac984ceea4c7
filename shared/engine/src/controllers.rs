//! The controllers of all subjects, and their ports.

use crate::EngineError;
use crate::deployment::DeploymentController;
use crate::ports::{
    Alarms, ApiMappings, Buckets, Clock, Functions, Metrics, Policies, Probes, Stacks, StateStore, Subject,
    WeightedRecords, WorkQueue,
};
use crate::records::{lease_holder, lease_key};
use crate::rollout::RolloutController;
use crate::set::SetController;
use crate::step::{Meter, run};
use flotilla_domain::{DeploymentId, Site, StackName, Timestamp};
use std::sync::Arc;
use tracing::{Instrument, info_span};

/// The ports that the controllers need. Each controller uses some of them.
pub struct StepPorts {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The state store.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
    /// CloudFormation.
    pub stacks: Arc<dyn Stacks>,
    /// Lambda.
    pub functions: Arc<dyn Functions>,
    /// API Gateway, for the mappings of domains.
    pub mappings: Arc<dyn ApiMappings>,
    /// Route 53, for weighted records.
    pub records: Arc<dyn WeightedRecords>,
    /// Buckets of previews.
    pub buckets: Arc<dyn Buckets>,
    /// CloudWatch.
    pub alarms: Arc<dyn Alarms>,
    /// CloudWatch, for metrics.
    pub metrics: Arc<dyn Metrics>,
    /// HTTP probes of verifications.
    pub probes: Arc<dyn Probes>,
    /// Policy checks.
    pub policies: Arc<dyn Policies>,
    /// The meter of steps and calls.
    pub meter: Arc<Meter>,
}

/// The controllers of all subjects.
pub struct Controllers {
    rollouts: RolloutController,
    deployments: DeploymentController,
    sets: SetController,
    clock: Arc<dyn Clock>,
    store: Arc<dyn StateStore>,
    meter: Arc<Meter>,
}

impl Controllers {
    /// Creates the controllers on their ports.
    pub fn new(ports: StepPorts) -> Self {
        let StepPorts {
            clock,
            store,
            queue,
            stacks,
            functions,
            mappings,
            records,
            buckets,
            alarms,
            metrics,
            probes,
            policies,
            meter,
        } = ports;
        Self {
            rollouts: RolloutController {
                clock: clock.clone(),
                store: store.clone(),
                queue: queue.clone(),
                alarms,
                metrics,
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
                mappings,
                records,
                buckets,
                meter: meter.clone(),
            },
            sets: SetController { clock: clock.clone(), store: store.clone(), queue, meter: meter.clone() },
            clock,
            store,
            meter,
        }
    }

    /// The current time of the controllers' clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The meter.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Takes the next steps of a subject, until it has to wait.
    ///
    /// # Errors
    /// Errors of the state store or a queue. Repeating the tick continues.
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

    /// Runs a step of the deployment that holds the lease of a stack whose status has changed. The change is only
    /// a hint: the deployment observes the stack itself.
    ///
    /// # Errors
    /// Errors of the state store or a queue.
    pub async fn hint(&self, site: &Site, stack: &StackName) -> Result<(), EngineError> {
        let found = self.store.get(&[lease_key(site, stack)]).await?.into_iter().next().flatten();
        match found.as_ref().and_then(lease_holder) {
            Some(holder) => self.step_deployment(&holder).await,
            None => Ok(()),
        }
    }

    /// Every log line carries the rollout's id, so that logs can be filtered by rollout.
    async fn step_deployment(&self, id: &DeploymentId) -> Result<(), EngineError> {
        let DeploymentId { rollout, target, direction } = id;
        let span = info_span!("step", rollout.id = %rollout, %target, ?direction);
        run(&self.deployments, id).instrument(span).await
    }
}
