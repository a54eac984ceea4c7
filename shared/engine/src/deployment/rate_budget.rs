//! Calls to CloudFormation, rationed once one was throttled.
//!
//! The budget of an account and region is one item that all workers share; each call is asked for there.
//! Who has to wait keeps its number and comes again when it should be its turn: nobody waits inside a
//! function.

use crate::EngineError;
use crate::deployment::{DeploymentController, DeploymentStep};
use crate::ports::{ErrorKind, PortError, WriteError};
use crate::records::{BudgetRecord, Versioned, budget_key, read};
use flotilla_domain::deployment::rate_budget::{CallBudget, Turn};
use flotilla_domain::{Site, Timestamp};

/// How often a lost race for a turn is run again.
const RACES_MAX: usize = 8;

/// Whether CloudFormation throttled a call.
pub(crate) fn is_throttled(error: &PortError) -> bool {
    error.kind == ErrorKind::Throttled && error.operation.starts_with("cloudformation:")
}

impl DeploymentController {
    /// Asks for one call, if calls are rationed there. Whoever has to wait keeps its number.
    pub(crate) async fn may_call(&self, step: &mut DeploymentStep) -> Result<Turn, EngineError> {
        let number = step.now.number;
        let turn = match step.is_rationed(self.clock.now()) {
            false => Turn::Now,
            true => self.change_budget(step, |budget, now| budget.ask(number, now)).await?,
        };
        step.now.number = match turn {
            Turn::Now => None,
            Turn::Later { number, .. } => Some(number),
        };
        Ok(turn)
    }

    /// One call more was made than was asked for. What was seen counts, even if this cannot be noted because
    /// everybody changes the budget at once.
    pub(crate) async fn charge(&self, step: &mut DeploymentStep) -> Result<(), EngineError> {
        if !step.is_rationed(self.clock.now()) {
            return Ok(());
        }
        match self.change_budget(step, CallBudget::charge).await {
            Err(EngineError::Contended) => Ok(()),
            other => other,
        }
    }

    /// A call was throttled: everybody is to know. It comes again as the first in the line.
    pub(crate) async fn throttled(&self, step: &mut DeploymentStep) -> Result<(), EngineError> {
        self.meter.throttled();
        let lower = |budget: &mut CallBudget, now| {
            *budget = CallBudget::throttled(Some(budget), now);
            budget.served
        };
        step.now.number = Some(self.change_budget(step, lower).await?);
        Ok(())
    }

    /// Changes the budget of a deployment's target, on top of whatever others have made of it meanwhile. What
    /// is as it was is not written.
    async fn change_budget<T>(
        &self,
        step: &mut DeploymentStep,
        change: impl Fn(&mut CallBudget, Timestamp) -> T,
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
                Versioned::new(BudgetRecord { site: site.clone(), budget: CallBudget::throttled(None, now) })
            }
        })
    }
}
