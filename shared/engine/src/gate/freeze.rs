//! The freeze gate: creates, removes and lists freezes.

use crate::EngineError;
use crate::access::{Caller, Commands, Order, conflict, needed};
use crate::ports::{Item, WriteError};
use crate::records::{Versioned, read, stops_key};
use crate::status::Status;
use flotilla_contract as view;
use flotilla_domain::access::{Act, Scope};
use flotilla_domain::gate::{Freeze, FreezeScope, Freezes};
use flotilla_domain::{ProfileName, Refusal};

/// Attempts to write the freezes when others change them concurrently.
const RACES_MAX: usize = 8;

impl Commands {
    /// Creates a freeze: from now on nothing that it affects begins. An existing freeze stays as it is.
    ///
    /// # Errors
    /// Refusals: the reason is missing, or there are too many freezes.
    pub async fn freeze(
        &self,
        line: &FreezeScope,
        because: &str,
        caller: &Caller,
    ) -> Result<(), EngineError> {
        let order = self.order(caller, Act::Freeze, Scope::ANYTHING).await?;
        let stop = Freeze { by: caller.principal.clone(), because: needed(because)?, at: self.clock.now() };
        tracing::warn!(%line, by = stop.by, because = stop.because, "freeze created");
        self.change_freezes(&order.detail(format!("{line}: {}", stop.because)), |stops| {
            if stops.0.len() >= Freezes::MAX && !stops.0.contains_key(line) {
                return Err(conflict(format!("there are {} freezes already", Freezes::MAX)));
            }
            stops.0.entry(line.clone()).or_insert_with(|| stop.clone());
            Ok(())
        })
        .await
    }

    /// Removes a freeze. Rollouts that wait for it continue within a few minutes.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn unfreeze(&self, line: &FreezeScope, caller: &Caller) -> Result<(), EngineError> {
        let order = self.order(caller, Act::Unfreeze, Scope::EVERYTHING).await?;
        tracing::warn!(%line, by = caller.principal, "freeze removed");
        self.change_freezes(&order.detail(line.to_string()), |stops| {
            stops.0.remove(line);
            Ok(())
        })
        .await
    }

    async fn change_freezes(
        &self,
        order: &Order,
        change: impl Fn(&mut Freezes) -> Result<(), Refusal>,
    ) -> Result<(), EngineError> {
        for _ in 0..RACES_MAX {
            let found = self.store.get(&[stops_key()]).await?.into_iter().next().flatten();
            let before = match found {
                Some(item) => read::<Freezes>(item)?,
                None => Versioned::new(Freezes::default()),
            };
            let mut stops = before.value.clone();
            change(&mut stops)?;
            if stops == before.value {
                return Ok(());
            }
            match self.save(order, vec![before.write(&stops, None)]).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Port(error)) => return Err(error.into()),
            }
        }
        Err(EngineError::Contended)
    }
}

impl Status {
    /// The freezes in effect.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn lines(&self) -> Result<Vec<view::LineView>, EngineError> {
        let found = self.store.get(&[stops_key()]).await?.into_iter().next().flatten();
        let stops = found.map(read::<Freezes>).transpose()?.map(|stops| stops.value).unwrap_or_default();
        let line = |(line, stop): (FreezeScope, Freeze)| view::LineView {
            profile: match line {
                FreezeScope::Everything => None,
                FreezeScope::Profile(profile) => Some(profile.to_string()),
            },
            by: stop.by,
            because: stop.because,
            at: stop.at.to_string(),
        };
        Ok(stops.0.into_iter().map(line).collect())
    }
}

/// The freezes that affect a profile.
pub(crate) fn freezes_about(item: Option<Item>, profile: &ProfileName) -> Result<Freezes, EngineError> {
    let stops = item.map(read::<Freezes>).transpose()?;
    Ok(stops.map(|stops| stops.value.about(profile)).unwrap_or_default())
}
