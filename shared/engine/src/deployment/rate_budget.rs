//! The rate budget of calls to CloudFormation, which applies once one was throttled.
//!
//! All workers share one budget item for each account-region, and request each call from it. A deployment that
//! has to wait keeps its number and gets a delayed tick: no function waits.

use crate::EngineError;
use crate::deployment::{DeploymentController, DeploymentStep};
use crate::ports::{ErrorKind, PortError, WriteError};
use crate::records::{BudgetRecord, Versioned, budget_key, read};
use flotilla_domain::deployment::rate_budget::{RateBudget, Slot};
use flotilla_domain::{Site, Timestamp};

/// Attempts to save the budget when other writers change it concurrently.
const RACES_MAX: usize = 8;

/// Whether CloudFormation throttled a call.
pub(super) fn is_throttled(error: &PortError) -> bool {
    error.kind == ErrorKind::Throttled && error.operation.starts_with("cloudformation:")
}

impl DeploymentController {
    /// Requests one call, if a rate budget applies. A deployment that has to wait keeps its number.
    pub(super) async fn may_call(&self, step: &mut DeploymentStep) -> Result<Slot, EngineError> {
        let number = step.now.number;
        let slot = match step.is_limited(self.clock.now()) {
            false => Slot::Now,
            true => self.change_budget(step, |budget, now| budget.ask(number, now)).await?,
        };
        step.now.number = match slot {
            Slot::Now => None,
            Slot::Later { number, .. } => Some(number),
        };
        Ok(slot)
    }

    /// Records one more call than was requested. The observation counts even if the record fails because of
    /// concurrent writers.
    pub(super) async fn charge(&self, step: &mut DeploymentStep) -> Result<(), EngineError> {
        if !step.is_limited(self.clock.now()) {
            return Ok(());
        }
        match self.change_budget(step, RateBudget::charge).await {
            Err(EngineError::Contended) => Ok(()),
            other => other,
        }
    }

    /// Lowers the budget for all workers after a throttled call. The throttled call is next in the queue.
    pub(super) async fn throttled(&self, step: &mut DeploymentStep) -> Result<(), EngineError> {
        self.meter.throttled();
        let lower = |budget: &mut RateBudget, now| {
            *budget = RateBudget::throttled(Some(budget), now);
            budget.served
        };
        step.now.number = Some(self.change_budget(step, lower).await?);
        Ok(())
    }

    /// Changes the budget of the deployment's account-region, on top of concurrent changes. An unchanged budget
    /// is not written.
    async fn change_budget<T>(
        &self,
        step: &mut DeploymentStep,
        change: impl Fn(&mut RateBudget, Timestamp) -> T,
    ) -> Result<T, EngineError> {
        for _ in 0..RACES_MAX {
            let now = self.clock.now();
            let before = match &step.notes.budget {
                Some(known) => known.clone(),
                None => self.budget(&step.now.id.target.site, now).await?,
            };
            let mut after = before.value.clone();
            let answer = change(&mut after.budget, now);
            if after == before.value && before.version > 0 {
                return Ok(answer);
            }
            match self.store.write(vec![before.write(&after, None)]).await {
                Ok(()) => {
                    let version = before.version + 1;
                    step.notes.budget = Some(Versioned { value: after, version, due_at: None });
                    return Ok(answer);
                }
                Err(WriteError::Conflict(_)) => {
                    step.notes.budget = Some(self.budget(&step.now.id.target.site, now).await?);
                }
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    async fn budget(&self, site: &Site, now: Timestamp) -> Result<Versioned<BudgetRecord>, EngineError> {
        Ok(match self.store.get(&[budget_key(site)]).await?.into_iter().next().flatten() {
            Some(item) => read::<BudgetRecord>(item)?,
            None => {
                Versioned::new(BudgetRecord { site: site.clone(), budget: RateBudget::throttled(None, now) })
            }
        })
    }
}
