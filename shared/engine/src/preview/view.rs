//! The API's view of previews.

use crate::EngineError;
use crate::reads::{existing, names};
use crate::records::{PreviewsRecord, previews_key, read, rollout_key, stage_key};
use crate::stage::view::stage_view;
use crate::status::{PageRequest, Status};
use flotilla_contract as view;
use flotilla_domain::rollout::{Rollout, RolloutKind};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{ProfileName, RolloutId, ServiceName, StageName};
use std::collections::{BTreeMap, BTreeSet};

impl Status {
    /// The previews that exist, by service and stage; of one service, if one is given. A page may have fewer than `limit` items and
    /// still have a next page.
    ///
    /// # Errors
    /// Errors of the state store.
    pub async fn previews(
        &self,
        service: Option<&ServiceName>,
        page: PageRequest,
    ) -> Result<view::Page<view::PreviewView>, EngineError> {
        let cursor = |(service, stage): &(ServiceName, StageName)| format!("{service}/{stage}");
        let previews = self.preview_names().await?;
        let wanted = |name: &&(ServiceName, StageName)| {
            service.is_none_or(|service| name.0 == *service)
                && page.cursor.as_ref().is_none_or(|after| cursor(name) > *after)
        };
        let mut names: Vec<_> = previews.iter().filter(wanted).collect();
        names.sort_by_key(|name| cursor(name));
        let next = names.get(page.limit).map(|_| cursor(names[page.limit - 1]));
        names.truncate(page.limit);
        let keys = names.iter().map(|(service, stage)| stage_key(service, stage));
        let heads = existing(self.store.as_ref(), keys.collect()).await?;
        let heads: Vec<StageHead> = heads
            .into_iter()
            .map(|item| Ok(read::<StageHead>(item)?.value))
            .collect::<Result<_, EngineError>>()?;
        let there: Vec<StageHead> = heads.into_iter().filter(|head| !head.is_idle()).collect();
        let open = there.iter().flat_map(|head| head.active.iter().chain(&head.queued)).map(rollout_key);
        let open = existing(self.store.as_ref(), open.collect()).await?.into_iter();
        let open: BTreeMap<RolloutId, RolloutKind> = open
            .map(|item| Ok(read::<Rollout>(item)?.value).map(|rollout| (rollout.id, rollout.kind)))
            .collect::<Result<_, EngineError>>()?;
        let items = there.into_iter().filter_map(|head| {
            let newest = head.queued.or(head.active).and_then(|id| open.get(&id));
            let is_removed = newest == Some(&RolloutKind::Remove);
            // A stage whose rule has changed since is no preview any more.
            let is_preview = is_removed || head.expires_at.is_some();
            is_preview.then(|| view::PreviewView {
                service: head.service.to_string(),
                status: status(&head, newest).into(),
                stage: stage_view(head),
            })
        });
        Ok(view::Page { items: items.collect(), next })
    }

    /// The names in the lists of all profiles.
    async fn preview_names(&self) -> Result<BTreeSet<(ServiceName, StageName)>, EngineError> {
        let profiles = names(self.store.as_ref(), "profiles").await?;
        let keys =
            profiles.iter().filter_map(|name| ProfileName::parse(name).ok()).map(|name| previews_key(&name));
        let mut previews = BTreeSet::new();
        for item in existing(self.store.as_ref(), keys.collect()).await? {
            previews.extend(read::<PreviewsRecord>(item)?.value.list.0);
        }
        Ok(previews)
    }
}

/// The status of a preview whose newest open rollout is of this kind.
fn status(head: &StageHead, newest: Option<&RolloutKind>) -> &'static str {
    match newest {
        Some(RolloutKind::Remove) => "removing",
        Some(RolloutKind::Deploy(_)) => "deploying",
        None if head.is_settled() => "running",
        None => "partial",
    }
}
