//! The API's view of the stages of a service.

use crate::EngineError;
use crate::reads;
use crate::records::{read, stages_query};
use crate::status::{Status, missing};
use flotilla_contract as view;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ServiceName, StageName, Target};
use std::collections::BTreeMap;

impl Status {
    /// The stages of a service with what runs at each target.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if the service is not known.
    pub async fn stages(&self, service: &ServiceName) -> Result<view::ServiceStagesView, EngineError> {
        let items = reads::all(self.store.as_ref(), stages_query(service, None, 1_000)).await?;
        if items.is_empty() {
            self.service_config(service).await?;
        }
        let heads = items.into_iter().map(|item| Ok(read::<StageHead>(item)?.value));
        let heads: Vec<StageHead> = heads.collect::<Result<_, EngineError>>()?;
        // Of a preview that has ended, only what its ref was is still known, for a while.
        let is_shown =
            |head: &StageHead| !head.is_idle() || (head.uploaded.is_none() && head.closed_at.is_none());
        let stages = heads.into_iter().filter(is_shown).map(stage_view);
        Ok(view::ServiceStagesView { service: service.to_string(), stages: stages.collect() })
    }

    /// One stage.
    ///
    /// # Errors
    /// Errors of the state store; a refusal if nothing was ever rolled out to the stage.
    pub async fn stage(
        &self,
        service: &ServiceName,
        stage: &StageName,
    ) -> Result<view::StageView, EngineError> {
        let found =
            self.store.get(&[crate::records::stage_key(service, stage)]).await?.into_iter().next().flatten();
        let item =
            found.ok_or_else(|| missing(format!("nothing was ever rolled out to {service}/{stage}")))?;
        Ok(stage_view(read::<StageHead>(item)?.value))
    }
}

pub(crate) fn stage_view(head: StageHead) -> view::StageView {
    let live: BTreeMap<Target, bool> =
        head.targets.keys().filter_map(|target| Some((target.clone(), head.is_live(target)?))).collect();
    let targets = head.targets.into_iter().map(|(target, running)| view::RunningView {
        slot: target.slot.map(|slot| slot.to_string()),
        live: live.get(&target).copied(),
        account: target.site.account.to_string(),
        region: target.site.region.to_string(),
        part: target.part.as_ref().map(ToString::to_string),
        release: running.proven.map(|(release, _)| release.to_string()),
        digest: running.proven.map(|(_, package)| package.to_string()),
        status: running.status,
        rollout: running.rollout.to_string(),
        at: running.at.to_string(),
    });
    let holds = head.holds.into_iter().map(|(package, hold)| view::HoldView {
        digest: package.to_string(),
        by: hold.by,
        because: hold.because,
        at: hold.at.to_string(),
    });
    view::StageView {
        stage: head.stage.to_string(),
        profile: head.profile.to_string(),
        active: head.active.map(|id| id.to_string()),
        queued: head.queued.map(|id| id.to_string()),
        stable: head.stable.map(|id| id.to_string()),
        past: head.past.iter().map(ToString::to_string).collect(),
        holds: holds.collect(),
        expires_at: head.expires_at.map(|at| at.to_string()),
        git_ref: head.uploaded.as_ref().map(|(git_ref, _)| git_ref.to_string()),
        uploaded_at: head.uploaded.map(|(_, at)| at.to_string()),
        closed_at: head.closed_at.map(|at| at.to_string()),
        targets: targets.collect(),
    }
}
