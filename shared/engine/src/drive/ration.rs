//! Calls to CloudFormation, rationed once one was throttled.
//!
//! The budget of an account and region is one item that all workers share; each call is asked for there.
//! Who has to wait keeps its number and comes again when it should be its turn: nobody waits inside a
//! function.

use super::Drive;
use super::in_hand::InHand;
use crate::EngineError;
use crate::ports::{ErrorKind, PortError, WriteError};
use crate::records::{BudgetRecord, Versioned, budget_key, read};
use flotilla_domain::call_budget::{CallBudget, Turn};
use flotilla_domain::{Target, Timestamp};

/// How often a lost race for a turn is run again.
const RACES_MAX: usize = 8;

/// Whether CloudFormation throttled a call.
pub(super) fn is_throttled(error: &PortError) -> bool {
    error.kind == ErrorKind::Throttled && error.operation.starts_with("cloudformation:")
}

impl Drive {
    /// Asks for one call, if calls are rationed there. Whoever has to wait keeps its number.
    pub(super) async fn may_call(&self, hand: &mut InHand) -> Result<Turn, EngineError> {
        let now = self.clock.now();
        let number = hand.now.number.take();
        let Some(saved) = hand.budget.clone().filter(|saved| !saved.value.budget.is_quiet(now)) else {
            return Ok(Turn::Now);
        };
        let target = hand.now.id.target.clone();
        let turn =
            self.change_budget(hand, &target, Some(saved), |budget, now| budget.ask(number, now)).await?;
        if let Turn::Later { number, .. } = turn {
            hand.now.number = Some(number);
        }
        Ok(turn)
    }

    /// One call more was made than was asked for.
    pub(super) async fn charge(&self, hand: &mut InHand) -> Result<(), EngineError> {
        if hand.is_rationed(self.clock.now()) {
            let (target, known) = (hand.now.id.target.clone(), hand.budget.take());
            self.change_budget(hand, &target, known, CallBudget::charge).await?;
        }
        Ok(())
    }

    /// A call was throttled: everybody is to know. It comes again as the first in the line.
    pub(super) async fn throttled(&self, hand: &mut InHand) -> Result<(), EngineError> {
        self.meter.throttled();
        let (target, known) = (hand.now.id.target.clone(), hand.budget.take());
        let lower = |budget: &mut CallBudget, now| {
            *budget = CallBudget::throttled(Some(budget), now);
            budget.served
        };
        hand.now.number = Some(self.change_budget(hand, &target, known, lower).await?);
        Ok(())
    }

    /// Changes a budget, on top of whatever others have made of it meanwhile. What is as it was is not
    /// written.
    async fn change_budget<T>(
        &self,
        hand: &mut InHand,
        target: &Target,
        known: Option<Versioned<BudgetRecord>>,
        change: impl Fn(&mut CallBudget, Timestamp) -> T,
    ) -> Result<T, EngineError> {
        let mut known = known;
        for _ in 0..RACES_MAX {
            let now = self.clock.now();
            let before = match known.take() {
                Some(before) => before,
                None => self.budget(target, now).await?,
            };
            let mut after = before.value.clone();
            let answer = change(&mut after.budget, now);
            if after == before.value && before.version > 0 {
                hand.budget = Some(before);
                return Ok(answer);
            }
            match self.store.write(vec![before.write(&after, None)]).await {
                Ok(()) => {
                    let version = before.version + 1;
                    hand.budget = Some(Versioned { value: after, version, due_at: None });
                    return Ok(answer);
                }
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }

    async fn budget(&self, target: &Target, now: Timestamp) -> Result<Versioned<BudgetRecord>, EngineError> {
        Ok(match self.store.get(&[budget_key(target)]).await?.into_iter().next().flatten() {
            Some(item) => read::<BudgetRecord>(item)?,
            None => Versioned::new(BudgetRecord {
                target: target.clone(),
                budget: CallBudget::throttled(None, now),
            }),
        })
    }
}
