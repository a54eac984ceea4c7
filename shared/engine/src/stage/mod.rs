//! The stages of a service: what runs there, and what is held.

mod hold;
mod remove;
pub(crate) mod view;

pub use remove::{Extension, StageRemoval};

use crate::EngineError;
use crate::access::{Commands, missing};
use crate::records::{Versioned, read, release_key, stage_key};
use flotilla_domain::release::Release;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ReleaseId, ServiceName, StageName};

impl Commands {
    pub(crate) async fn head_of(
        &self,
        service: &ServiceName,
        stage: &StageName,
    ) -> Result<Versioned<StageHead>, EngineError> {
        let found = self.store.get(&[stage_key(service, stage)]).await?.into_iter().next().flatten();
        let found = found.ok_or_else(|| {
            missing(format!("{service} has no stage {stage}"), "list them with flotilla status")
        })?;
        Ok(read::<StageHead>(found)?)
    }

    pub(crate) async fn release(
        &self,
        service: &ServiceName,
        id: &ReleaseId,
    ) -> Result<Release, EngineError> {
        let found = self.store.get(&[release_key(service, id)]).await?.into_iter().next().flatten();
        let found = found.ok_or_else(|| {
            missing(format!("{service} has no release {id}"), "list them with flotilla releases")
        })?;
        Ok(read::<Release>(found)?.value)
    }
}
