//! Holds: packages that must not be deployed to a stage.

use crate::EngineError;
use crate::access::{Caller, Commands, Order, conflict, reason};
use crate::ports::WriteError;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::stage::{Hold, StageHead};
use flotilla_domain::{Digest, Refusal, ReleaseId, ServiceName, StageName};
use std::collections::BTreeMap;

/// Attempts to save a stage's head when other writers change it concurrently.
const RACES_MAX: usize = 8;

impl Commands {
    /// Holds the package of a release at a stage. No rollout of it is admitted until the hold is released.
    ///
    /// # Errors
    /// Refusals: there is no such release or stage; too many are held.
    pub async fn hold(
        &self,
        service: &ServiceName,
        stage: &StageName,
        release: &ReleaseId,
        because: &str,
        caller: &Caller,
    ) -> Result<(), EngineError> {
        let order = self.order(caller, Act::Hold, Scope::stage(service, stage)).await?.release(Some(release));
        let package = self.release(service, release).await?.package.digest;
        let because = reason(Some(because))?.unwrap_or_default();
        let order = order.detail(&because);
        let hold = Hold { by: caller.principal.clone(), because, at: self.clock.now() };
        tracing::info!(%service, %stage, by = hold.by, %package, because = hold.because, "package held");
        self.change_holds(&order, service, stage, |holds| {
            if holds.len() >= StageHead::HOLDS_MAX && !holds.contains_key(&package) {
                return Err(conflict(format!("the stage already holds {} packages", StageHead::HOLDS_MAX)));
            }
            holds.entry(package).or_insert_with(|| hold.clone());
            Ok(())
        })
        .await
    }

    /// Releases the hold of a release's package; without a release, every hold of the stage.
    ///
    /// # Errors
    /// Refusals: there is no such release or stage.
    pub async fn release_hold(
        &self,
        service: &ServiceName,
        stage: &StageName,
        release: Option<&ReleaseId>,
        caller: &Caller,
    ) -> Result<(), EngineError> {
        let order = self.order(caller, Act::LiftHold, Scope::stage(service, stage)).await?.release(release);
        let package = match release {
            Some(release) => Some(self.release(service, release).await?.package.digest),
            None => None,
        };
        tracing::info!(%service, %stage, by = caller.principal, package = ?package, "hold released");
        self.change_holds(&order, service, stage, |holds| {
            holds.retain(|held, _| package.is_some_and(|package| package != *held));
            Ok(())
        })
        .await
    }

    async fn change_holds(
        &self,
        order: &Order,
        service: &ServiceName,
        stage: &StageName,
        change: impl Fn(&mut BTreeMap<Digest, Hold>) -> Result<(), Refusal>,
    ) -> Result<(), EngineError> {
        for _ in 0..RACES_MAX {
            let before = self.head_of(service, stage).await?;
            let mut head = before.value.clone();
            change(&mut head.holds)?;
            if head == before.value {
                return Ok(());
            }
            match self.save(order, vec![before.write(&head, head.expires_at)]).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }
}
