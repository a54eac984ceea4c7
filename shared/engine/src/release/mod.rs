//! Ingest: an upload becomes a release, or a recorded refusal.
//!
//! The key names the service and the ref; the bytes are the package. Any error in either is recorded as a
//! refusal. Only transient failures are left to the queue's next delivery.

mod view;

mod assets;
mod external;
mod external_images;
mod folder;
mod frequency;
mod read_package;
mod signature;
mod stream;

use crate::config::document;
use crate::ports::{
    Clock, ErrorKind, ExternalImages, ObjectRef, PackageStore, StateStore, Tail, Work, WorkQueue, WriteError,
};
use crate::records::{ConfigRecord, create, keep, read, releases_query, service_key, stage_key, upload_key};
use crate::rollout::admit::{AdmissionRequest, admit};
use crate::rollout::compose::compose_rollout;
use crate::rollout::destination::destination;
use crate::step::wake;
use crate::{EngineError, config};
use flotilla_contract::ServiceConfigDoc;
use flotilla_domain::config::preview::PreviewQuotas;
use flotilla_domain::config::service::ServiceConfig;
use flotilla_domain::release::package::Package;
use flotilla_domain::release::upload_key::{IncomingKey, UploadKey};
use flotilla_domain::release::{ObjectVersion, Release, Upload, Verdict};
use flotilla_domain::retention::Pace;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Code, Digest, Refusal, Region, ServiceName, StageName, Timestamp};
use flotilla_package::Limits;
use flotilla_package::formats::ExternalPolicy;
pub use frequency::UploadFrequency;
use read_package::{Reading, read_package};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The use case and the ports that it needs.
pub struct Ingest {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The state store.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
    /// The ingest bucket.
    pub packages: Arc<dyn PackageStore>,
    /// The repositories from which images are taken.
    pub images: Arc<dyn ExternalImages>,
    /// Limits of an upload.
    pub limits: Limits,
    /// How old a stored object may be before it is stored again.
    pub pace: Pace,
    /// How often services may upload.
    pub frequency: UploadFrequency,
    /// The region of the ingest bucket.
    pub region: Region,
}

/// Bytes read from the end of an upload at first. A small package is read completely. Files that S3 can copy
/// are larger than this.
const TAIL_BYTES: u64 = 4 * 1024 * 1024;

/// The number of latest releases whose assets count as known.
const RELEASES_KNOWN: usize = 10;

impl Ingest {
    /// Ingests an upload; `None` for the bundle beside one, which is read with it. `noticed_at` is used as the upload time of an object that
    /// was deleted before it was read.
    ///
    /// # Errors
    /// Transient errors only. The call can be repeated.
    pub async fn intake(
        &self,
        object: &ObjectRef,
        noticed_at: Timestamp,
    ) -> Result<Option<Verdict>, EngineError> {
        if IncomingKey::is_bundle(&object.key) {
            return Ok(None);
        }
        let allowed = self.check_frequency(&object.key).await;
        self.decide(object, noticed_at, allowed).await.map(Some)
    }

    /// Ingests the uploads of one invocation, with when each was noticed. What takes no time, as refusing a flood does, is done for all of
    /// them. Before bytes are read, the others go back to the queue, so that none waits for a large package.
    pub async fn intake_all(&self, uploads: &[(ObjectRef, Timestamp)]) -> Vec<Result<(), EngineError>> {
        let mut results = Vec::new();
        for (n, (object, noticed_at)) in uploads.iter().enumerate() {
            if IncomingKey::is_bundle(&object.key) {
                results.push(Ok(()));
                continue;
            }
            let others = &uploads[n + 1..];
            let allowed = self.check_frequency(&object.key).await;
            let is_read =
                allowed.is_ok() && matches!(IncomingKey::parse(&object.key), Ok(IncomingKey::Package(_)));
            let is_last = is_read && self.put_back(others).await;
            results.push(self.decide(object, *noticed_at, allowed).await.map(drop));
            if is_last {
                results.extend(others.iter().map(|_| Ok(())));
                break;
            }
        }
        results
    }

    /// Sends uploads to the queue again. `false` if that failed: then they are ingested here.
    async fn put_back(&self, uploads: &[(ObjectRef, Timestamp)]) -> bool {
        if uploads.is_empty() {
            return true;
        }
        let work = uploads.iter().map(|(ObjectRef { key, version_id }, noticed_at)| {
            let (key, version_id) = (key.clone(), version_id.clone());
            (Work::Intake { key, version_id, uploaded_at: *noticed_at }, 0)
        });
        let sent = self.queue.send(work.collect()).await;
        sent.inspect_err(|error| tracing::warn!("cannot send uploads to the queue again: {error}")).is_ok()
    }

    /// Whether the service of a key may have another upload now.
    async fn check_frequency(&self, key: &str) -> Result<(), EngineError> {
        match UploadKey::service_of(key) {
            // A marker that is refused would leave a preview behind.
            Some(service) if !IncomingKey::is_marker(key) => {
                self.frequency.check(self.store.as_ref(), &service, key, self.clock.now()).await
            }
            _ => Ok(()),
        }
    }

    /// Decides on an upload that is `allowed`, or why it is not.
    async fn decide(
        &self,
        object: &ObjectRef,
        noticed_at: Timestamp,
        allowed: Result<(), EngineError>,
    ) -> Result<Verdict, EngineError> {
        let key = IncomingKey::parse(&object.key);
        let is_package = matches!(key, Ok(IncomingKey::Package(_)));
        // Of a marker, and of an upload that is refused anyway, only the time is read.
        let bytes = if allowed.is_ok() && is_package { TAIL_BYTES } else { 1 };
        let (tail, uploaded_at) = match self.packages.read_tail(object, bytes).await {
            Ok(tail) => (Some(tail.clone()), tail.uploaded_at),
            Err(error) if error.kind == ErrorKind::Missing => (None, noticed_at),
            Err(error) => return Err(error.into()),
        };
        let object =
            ObjectVersion { key: object.key.clone(), version_id: object.version_id.clone(), uploaded_at };
        let service = UploadKey::service_of(&object.key);
        let known = self.store.get(&[upload_key(service.as_ref(), &object.upload_id())]).await?;
        if let Some(item) = known.into_iter().next().flatten() {
            let verdict = read::<Upload>(item)?.value.verdict;
            wake(self.queue.as_ref(), verdict.rollout()).await?;
            return Ok(verdict);
        }
        let taken = match (key, allowed) {
            (Ok(IncomingKey::Package(key)), Ok(())) => self.take(&key, &object, tail).await,
            (Ok(IncomingKey::Closed(closed)), Ok(())) => self.close(&closed, &object).await,
            (Ok(_), Err(error)) => Err(error),
            (Err(refusal), _) => Err(refusal.into()),
        };
        let refusal = match taken {
            Ok(verdict) => return Ok(verdict),
            Err(EngineError::Refused(refusal)) => refusal,
            // A permanent error would fail the same way on every delivery.
            Err(EngineError::Port(error)) if error.kind == ErrorKind::Permanent => {
                Refusal::new(Code::CallRefused, error.to_string(), "fix what AWS reports, then upload again")
            }
            Err(error) => return Err(error),
        };
        tracing::warn!(upload.id = %object.upload_id(), code = %refusal.code, "upload refused: {}", refusal.message);
        let verdict = Verdict::Refused(refusal);
        let upload = Upload {
            id: object.upload_id(),
            service,
            object,
            verdict: verdict.clone(),
            decided_at: self.clock.now(),
        };
        match self.store.write(vec![create(&upload)]).await {
            Ok(()) => Ok(verdict),
            // Another invocation decided it concurrently. The first verdict counts, because this one may know
            // less: the object may have been deleted since.
            Err(WriteError::Conflict(_)) => Err(EngineError::Contended),
            Err(WriteError::Port(error)) => Err(error.into()),
        }
    }

    /// Ingests an upload with a valid key.
    async fn take(
        &self,
        key: &UploadKey,
        object: &ObjectVersion,
        tail: Option<Tail>,
    ) -> Result<Verdict, EngineError> {
        let tail = tail.ok_or_else(|| {
            Refusal::new(
                Code::UploadGone,
                "the object or its version was deleted before it was read",
                "upload it again",
            )
        })?;
        let service = self.service(&key.service).await?;
        let route = service.route(&key.git_ref)?;
        let destination = destination(self.store.as_ref(), &route.profile).await?;
        let preview = destination.preview(&route);
        if let Some(preview) = &preview {
            self.check_preview((&key.service, &route.stage), object, &preview.quotas).await?;
        }
        let known = self.known(&key.service).await?;
        let renewed_before = self.pace.renewed_before(self.clock.now());
        let mut stages = service.fixed_stages();
        stages.insert(route.stage.clone());
        let (limits, alias) = (&self.limits, service.alias.clone());
        let external = ExternalPolicy::Listed {
            code: service.external_code.clone(),
            images: service.external_images.clone(),
        };
        let region = self.region.clone();
        let settings = Reading { known, renewed_before, limits, alias, stages, external, region };
        let package = read_package(&self.packages, &self.images, object, tail.clone(), settings).await?;
        service.check_names(&package)?;
        let provenance =
            signature::provenance(self.packages.as_ref(), object, &tail, &package.digest).await?;
        let release = Release { provenance, ..release(key, object, package) };
        let now = self.clock.now();
        let id = object.rollout_id();
        let plan = compose_rollout(id, &release, &route, &destination, "upload", now)?;
        let rollout = Rollout { promote_to: route.promote_to, ..plan };
        let verdict = Verdict::Accepted { release: release.id, digest: release.package.digest, rollout: id };
        let upload = Upload {
            id: object.upload_id(),
            service: Some(key.service.clone()),
            object: object.clone(),
            verdict: verdict.clone(),
            decided_at: now,
        };
        let beside = [keep(&release), create(&upload)];
        let request = AdmissionRequest {
            beside: &beside,
            uploaded: Some(&release),
            ..AdmissionRequest::of(&rollout, preview)
        };
        admit(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), request).await?;
        Ok(verdict)
    }

    /// Whether the preview may have this upload now, before its bytes are read.
    async fn check_preview(
        &self,
        (service, stage): (&ServiceName, &StageName),
        object: &ObjectVersion,
        quotas: &PreviewQuotas,
    ) -> Result<(), EngineError> {
        let head = self.store.get(&[stage_key(service, stage)]).await?.into_iter().next().flatten();
        let Some(head) = head.map(read::<StageHead>).transpose()? else { return Ok(()) };
        head.value.check_open(object.uploaded_at)?;
        Ok(quotas.check_rate(&head.value, self.clock.now())?)
    }

    /// The digests of the assets of the service's latest releases.
    async fn known(&self, service: &ServiceName) -> Result<BTreeSet<Digest>, EngineError> {
        let mut known = BTreeSet::new();
        for item in self.store.query(releases_query(service, None, RELEASES_KNOWN)).await?.items {
            known.extend(read::<Release>(item)?.value.package.assets.keys().map(|asset| asset.digest));
        }
        Ok(known)
    }

    /// The configuration of the service.
    pub(crate) async fn service(&self, service: &ServiceName) -> Result<ServiceConfig, EngineError> {
        let found = self.store.get(&[service_key(service)]).await?.into_iter().next().flatten();
        let item = found.ok_or_else(|| {
            Refusal::new(
                Code::ServiceUnknown,
                format!("the service {service} is not configured"),
                "add the service to the configuration (flotilla apply), then upload again",
            )
        })?;
        let doc = document::<ServiceConfigDoc>(read::<ConfigRecord>(item)?.value)?;
        Ok(config::service_config(service.clone(), &doc)?)
    }
}

fn release(key: &UploadKey, object: &ObjectVersion, package: Package) -> Release {
    Release {
        id: object.release_id(),
        service: key.service.clone(),
        git_ref: key.git_ref.clone(),
        build: key.build.clone(),
        object: object.clone(),
        package,
        provenance: None,
    }
}
