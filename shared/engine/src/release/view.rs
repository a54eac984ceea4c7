//! The API's view of a service's releases and uploads.

use crate::EngineError;
use crate::records::{KeptRecord, kept_key, read, releases_query, uploads_query};
use crate::status::{PageRequest, Status, next_cursor};
use flotilla_contract as view;
use flotilla_domain::release::provenance::Provenance;
use flotilla_domain::release::{Release, Upload, Verdict};
use flotilla_domain::retention::Kept;
use flotilla_domain::{Refusal, ServiceName};

impl Status {
    /// A service's releases, newest first.
    ///
    /// # Errors
    /// Errors of the state store.
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

    /// A service's uploads, newest first. `None` lists the uploads whose key names no service.
    ///
    /// # Errors
    /// Errors of the state store.
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
        provenance: release.provenance.map(provenance_view),
        stage: package.made_for.as_ref().map(ToString::to_string),
        rewrites: rewrites.collect(),
        warnings: warnings.collect(),
    }
}

fn provenance_view(provenance: Provenance) -> view::ProvenanceView {
    let Provenance {
        issuer,
        subject,
        repository,
        git_ref,
        commit,
        builder,
        level,
        authors,
        signed,
        signed_at,
    } = provenance;
    view::ProvenanceView {
        issuer,
        subject,
        repository,
        git_ref,
        commit,
        builder,
        level,
        authors: authors.into_iter().collect(),
        signed: signed.to_string(),
        signed_at: signed_at.to_string(),
    }
}

fn upload_view(upload: Upload) -> view::UploadView {
    let (mut release, mut rollout, mut refusal, status) = (None, None, None, status_of(&upload.verdict));
    match upload.verdict {
        Verdict::Accepted { release: id, rollout: started, .. } => {
            (release, rollout) = (Some(id.to_string()), Some(started.to_string()));
        }
        Verdict::Closed { removal } => rollout = removal.map(|id| id.to_string()),
        Verdict::Refused(Refusal { code, message, fix, path }) => {
            refusal = Some(view::CauseView { code: code.to_string(), message, fix, path });
        }
    }
    view::UploadView {
        id: upload.id.to_string(),
        key: upload.object.key,
        version_id: upload.object.version_id,
        uploaded_at: upload.object.uploaded_at.to_string(),
        status: status.into(),
        release,
        rollout,
        refusal,
    }
}

fn status_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted { .. } => "accepted",
        Verdict::Closed { .. } => "closed",
        Verdict::Refused(_) => "refused",
    }
}
