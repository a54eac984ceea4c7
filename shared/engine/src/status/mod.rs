//! What runs where, and why: every view is one or two queries, however long the history.

mod audit;
mod configs;
mod plan;
mod rollout;
mod sets;

pub use audit::AuditRequest;

use crate::EngineError;
use crate::ports::{Clock, Key, Query, StateStore};
use crate::records::{
    ConfigRecord, EventRecord, KeptRecord, access_key, deployments_query, events_query, index_pk, kept_key,
    read, releases_query, rollout_key, stages_query, stops_key, uploads_query,
};
use flotilla_contract as view;
use flotilla_domain::deployment::Deployment;
use flotilla_domain::gates::{Line, LineStop, Stops};
use flotilla_domain::release::{Release, Upload, Verdict};
use flotilla_domain::retention::Kept;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Cause, Code, Refusal, RolloutId, ServiceName, StageName};
use rollout::rollout_view;
use std::sync::Arc;

/// The use case and what it needs.
pub struct Status {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table.
    pub store: Arc<dyn StateStore>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Where an earlier page ended.
    pub cursor: Option<String>,
    /// Most items: 1 to 100.
    pub limit: usize,
}

impl Status {
    /// Services by name.
    ///
    /// # Errors
    /// The table's.
    pub async fn services(&self, page: PageRequest) -> Result<view::Page<view::ServiceView>, EngineError> {
        let query = Query {
            pk: index_pk("services"),
            prefix: String::new(),
            after: page.cursor,
            newest_first: false,
            limit: page.limit,
        };
        let found = self.store.query(query).await?;
        let next = next_cursor(&found);
        let keys: Vec<Key> =
            found.items.iter().map(|item| Key::new(format!("SVC#{}", item.key.sk), "CONFIG")).collect();
        let configs = if keys.is_empty() { Vec::new() } else { self.store.get(&keys).await? };
        let items = configs.into_iter().flatten().map(|item| {
            let service = item.key.pk.trim_start_matches("SVC#").to_owned();
            Ok(view::ServiceView {
                service,
                config_version: read::<ConfigRecord>(item)?.value.config_version,
            })
        });
        Ok(view::Page { items: items.collect::<Result<_, EngineError>>()?, next })
    }

    /// The stages of a service with what runs at each target.
    ///
    /// # Errors
    /// The table's, or that the service is not known.
    pub async fn stages(&self, service: &ServiceName) -> Result<view::ServiceStagesView, EngineError> {
        let found = self.store.query(stages_query(service, None, 1_000)).await?;
        if found.items.is_empty() {
            self.service_config(service).await?;
        }
        let stages = found.items.into_iter().map(|item| Ok(stage_view(read::<StageHead>(item)?.value)));
        Ok(view::ServiceStagesView {
            service: service.to_string(),
            stages: stages.collect::<Result<_, EngineError>>()?,
        })
    }

    /// One stage.
    ///
    /// # Errors
    /// The table's, or that nothing was ever rolled out to it.
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

    /// A service's releases, newest first.
    ///
    /// # Errors
    /// The table's.
    pub async fn releases(
        &self,
        service: &ServiceName,
        page: PageRequest,
    ) -> Result<view::Page<view::ReleaseView>, EngineError> {
        let found = self.store.query(releases_query(service, page.cursor, page.limit)).await?;
        let next = next_cursor(&found);
        let kept = self.store.get(&[kept_key(service)]).await?.into_iter().next().flatten();
        let kept =
            kept.map(read::<KeptRecord>).transpose()?.map_or_else(Kept::default, |kept| kept.value.kept);
        let items = found.items.into_iter().map(|item| Ok(release_view(read::<Release>(item)?.value, &kept)));
        Ok(view::Page { items: items.collect::<Result<_, EngineError>>()?, next })
    }

    /// A service's uploads, newest first; those whose key names no service with `None`.
    ///
    /// # Errors
    /// The table's.
    pub async fn uploads(
        &self,
        service: Option<&ServiceName>,
        page: PageRequest,
    ) -> Result<view::Page<view::UploadView>, EngineError> {
        let found = self.store.query(uploads_query(service, page.cursor, page.limit)).await?;
        let next = next_cursor(&found);
        let items = found.items.into_iter().map(|item| Ok(upload_view(read::<Upload>(item)?.value)));
        Ok(view::Page { items: items.collect::<Result<_, EngineError>>()?, next })
    }

    /// A rollout with its deployments.
    ///
    /// # Errors
    /// The table's, or that there is no such rollout.
    pub async fn rollout(&self, id: &RolloutId) -> Result<view::RolloutView, EngineError> {
        let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
        let item = found.ok_or_else(|| missing(format!("there is no rollout {id}")))?;
        let rollout = read::<Rollout>(item)?.value;
        let found = self.store.query(deployments_query(id, 1_000)).await?;
        let deployments = found.items.into_iter().map(|item| Ok(read::<Deployment>(item)?.value));
        Ok(rollout_view(&rollout, &deployments.collect::<Result<Vec<_>, EngineError>>()?))
    }

    /// The service that a rollout is of.
    ///
    /// # Errors
    /// The table's, or that there is no such rollout.
    pub async fn service_of(&self, id: &RolloutId) -> Result<ServiceName, EngineError> {
        let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
        let item = found.ok_or_else(|| missing(format!("there is no rollout {id}")))?;
        Ok(read::<Rollout>(item)?.value.service)
    }

    /// A rollout's timeline, oldest first.
    ///
    /// # Errors
    /// The table's.
    pub async fn events(
        &self,
        id: &RolloutId,
        page: PageRequest,
    ) -> Result<view::Page<view::EventView>, EngineError> {
        let found = self.store.query(events_query(id, page.cursor, page.limit)).await?;
        let next = next_cursor(&found);
        let items = found.items.into_iter().map(|item| Ok(event_view(read::<EventRecord>(item)?.value)));
        Ok(view::Page { items: items.collect::<Result<_, EngineError>>()?, next })
    }

    /// The lines that are stopped.
    ///
    /// # Errors
    /// The table's.
    pub async fn lines(&self) -> Result<Vec<view::LineView>, EngineError> {
        let found = self.store.get(&[stops_key()]).await?.into_iter().next().flatten();
        let stops = found.map(read::<Stops>).transpose()?.map(|stops| stops.value).unwrap_or_default();
        let line = |(line, stop): (Line, LineStop)| view::LineView {
            profile: match line {
                Line::Everything => None,
                Line::Profile(profile) => Some(profile.to_string()),
            },
            by: stop.by,
            because: stop.because,
            at: stop.at.to_string(),
        };
        Ok(stops.0.into_iter().map(line).collect())
    }

    /// Whether the table answers, and whether somebody has said who may do what.
    ///
    /// # Errors
    /// The table's.
    pub async fn health(&self) -> Result<bool, EngineError> {
        Ok(self.store.get(&[access_key()]).await?.into_iter().flatten().next().is_some())
    }
}

fn next_cursor(page: &crate::ports::ItemPage) -> Option<String> {
    page.items.last().filter(|_| page.more).map(|item| item.key.sk.clone())
}

fn missing(what: String) -> Refusal {
    Refusal::new(Code::NotFound, what, "check the name; flotilla status lists what there is")
}

fn stage_view(head: StageHead) -> view::StageView {
    let targets = head.targets.into_iter().map(|(target, running)| view::RunningView {
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
        targets: targets.collect(),
    }
}

fn release_view(release: Release, kept: &Kept) -> view::ReleaseView {
    let package = release.package;
    let warnings = package.warnings.into_iter().map(|w| view::WarningView {
        code: w.code.to_string(),
        path: w.path,
        message: w.message,
    });
    let rewrites =
        package.rewrites.into_iter().map(|r| view::RewriteView { path: r.path, from: r.from, to: r.to });
    let parts = package.stacks.iter().filter_map(|stack| stack.part.as_ref().map(ToString::to_string));
    view::ReleaseView {
        id: release.id.to_string(),
        service: release.service.to_string(),
        git_ref: release.git_ref.to_string(),
        build: release.build,
        digest: package.digest.to_string(),
        format: package.format.as_str().into(),
        uploaded_at: release.object.uploaded_at.to_string(),
        asset_bytes: package.assets.values().sum(),
        kept: kept.holds(&release.id),
        stacks: parts.collect(),
        stage: package.made_for.as_ref().map(ToString::to_string),
        rewrites: rewrites.collect(),
        warnings: warnings.collect(),
    }
}

fn upload_view(upload: Upload) -> view::UploadView {
    let (mut release, mut rollout, mut refusal) = (None, None, None);
    match upload.verdict {
        Verdict::Accepted { release: id, rollout: started, .. } => {
            (release, rollout) = (Some(id.to_string()), Some(started.to_string()));
        }
        Verdict::Refused(Refusal { code, message, fix, path }) => {
            refusal = Some(view::CauseView { code: code.to_string(), message, fix, path });
        }
    }
    view::UploadView {
        id: upload.id.to_string(),
        key: upload.object.key,
        version_id: upload.object.version_id,
        uploaded_at: upload.object.uploaded_at.to_string(),
        status: if refusal.is_some() { "refused" } else { "accepted" }.into(),
        release,
        rollout,
        refusal,
    }
}

pub(crate) fn cause_view(cause: &Cause) -> view::CauseView {
    let Cause { code, message, fix, resource } = cause.clone();
    view::CauseView { code: code.to_string(), message, fix, path: resource }
}

fn event_view(event: EventRecord) -> view::EventView {
    view::EventView {
        at: event.at.to_string(),
        actor: event.actor,
        target: event.target.map(|target| target.to_string()),
        what: event.what,
        detail: event.detail,
    }
}
