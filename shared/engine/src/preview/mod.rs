//! The sweep: sends lost ticks again, starts the removal of expired previews, and finds uploads whose event was
//! lost. The ordinary steps do the work.

mod limits;
mod removal;
mod view;

pub(crate) use limits::begin;

use crate::EngineError;
use crate::ports::{Clock, DUE_SHARDS, DueKey, Incoming, Key, PackageStore, StateStore, Work, WorkQueue};
use crate::records::{DueItem, IntakeCursor, Versioned, due_item, read, upload_key};
use crate::rollout::admit::{AdmissionRequest, Precondition, admit};
use crate::rollout::destination::destination;
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::release::upload_key::{IncomingKey, UploadKey};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{SignedDuration, Timestamp};
use removal::removal_of;
use std::sync::Arc;

/// The use case and the ports that it needs.
pub struct Sweep {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The state store.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
    /// The ingest bucket.
    pub packages: Arc<dyn PackageStore>,
}

/// Limits of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepLimits {
    /// Report what would be done, and do nothing.
    pub dry_run: bool,
    /// Most previews removed.
    pub removals_max: usize,
    /// Most lost ticks sent again.
    pub ticks_max: usize,
    /// Most pages of uploads listed.
    pub pages_max: usize,
    /// Items due within this many seconds count as due now. Early ticks only cost calls. Useful after an
    /// outage, to avoid waiting for the next runs.
    pub ahead_s: u32,
}

impl Default for SweepLimits {
    fn default() -> Self {
        Self { dry_run: false, removals_max: 20, ticks_max: 500, pages_max: 5, ahead_s: 0 }
    }
}

/// The result of one run; in a dry run, what it would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Ticks sent again.
    pub ticks: usize,
    /// Removals started, as `<service>/<stage>`.
    pub removals: Vec<String>,
    /// Uploads sent in again, by key.
    pub uploads: Vec<String>,
    /// How long the oldest due item has been due, in seconds.
    pub oldest_due_s: i64,
    /// Failures, as text.
    pub failures: Vec<String>,
}

/// The event of an upload younger than this may still arrive.
const EVENT_PATIENCE: SignedDuration = SignedDuration::from_secs(120);
/// Longest multipart upload: the ingest bucket aborts uploads that began a day ago, at the next midnight (UTC).
const UPLOAD_MAX: SignedDuration = SignedDuration::from_hours(48);

impl Sweep {
    /// Runs once.
    ///
    /// # Errors
    /// Errors of the state store or a queue. The next run continues.
    pub async fn run(&self, limits: SweepLimits) -> Result<SweepReport, EngineError> {
        let now = self.clock.now();
        // Applies to the index only: whether a preview has expired is decided by the current time.
        let ahead = SignedDuration::from_secs(i64::from(limits.ahead_s));
        let due_by = now.saturating_add(ahead).unwrap_or(now);
        let mut report = SweepReport::default();
        let mut ticks = Vec::new();
        for shard in 0..DUE_SHARDS {
            let left = limits.ticks_max.saturating_sub(ticks.len());
            for DueKey { due_at, key } in self.store.due(shard, due_by, left.max(1)).await? {
                report.oldest_due_s = report.oldest_due_s.max(now.duration_since(due_at).as_secs());
                match due_item(&key) {
                    DueItem::Tick(subject) if ticks.len() < limits.ticks_max => {
                        ticks.push((Work::Tick(subject), 0))
                    }
                    DueItem::Stage(key) if report.removals.len() < limits.removals_max => {
                        // A preview that cannot be removed must not block the others, or lost ticks.
                        if let Err(error) = self.end_preview(&key, now, limits, &mut report).await {
                            report.failures.push(format!("{} / {}: {error}", key.pk, key.sk));
                        }
                    }
                    DueItem::Tick(_) | DueItem::Stage(_) => {}
                    DueItem::Unknown => {
                        report.failures.push(format!("{} / {} is due, but of unknown kind", key.pk, key.sk))
                    }
                }
            }
        }
        report.ticks = ticks.len();
        if !limits.dry_run && !ticks.is_empty() {
            self.queue.send(ticks).await?;
        }
        self.find_uploads(now, limits, &mut report).await?;
        Ok(report)
    }

    /// Starts the removal of an expired preview. The index only finds it; the head, read again, decides.
    async fn end_preview(
        &self,
        key: &Key,
        now: Timestamp,
        limits: SweepLimits,
        report: &mut SweepReport,
    ) -> Result<(), EngineError> {
        let Some(item) = self.store.get(std::slice::from_ref(key)).await?.into_iter().next().flatten() else {
            return Ok(());
        };
        let saved = read::<StageHead>(item)?;
        let head = &saved.value;
        let Some(ended_at) = head.expires_at.filter(|at| *at <= now) else { return Ok(()) };
        let name = format!("{}/{}", head.service, head.stage);
        if !head.is_expired(now) {
            // Nothing was ever deployed, so there is nothing to remove.
            if !limits.dry_run && head.active.is_none() {
                let idle = StageHead { expires_at: None, ..head.clone() };
                self.store.write(vec![saved.write(&idle, None)]).await?;
            }
            return Ok(());
        }
        if limits.dry_run {
            report.removals.push(name);
            return Ok(());
        }
        let destination = destination(self.store.as_ref(), &head.profile).await;
        let removal =
            destination.and_then(|to| Ok(removal_of(head, &to, ended_at, "the preview's end", now)?));
        let removal = match removal {
            Ok(removal) => removal,
            Err(EngineError::Refused(refusal)) => {
                report.failures.push(format!("{name}: {refusal}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let request =
            AdmissionRequest { precondition: Precondition::Expired, ..AdmissionRequest::of(&removal, None) };
        match admit(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), request).await {
            Ok(_) => report.removals.push(name),
            // It was extended, uploaded to or removed in this moment.
            Err(EngineError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Searches for uploads that were never decided: a part of the list in each run, each upload once in a
    /// complete round.
    async fn find_uploads(
        &self,
        now: Timestamp,
        limits: SweepLimits,
        report: &mut SweepReport,
    ) -> Result<(), EngineError> {
        let saved = match self.store.get(&[IntakeCursor::cursor_key()]).await?.into_iter().next().flatten() {
            Some(item) => read::<IntakeCursor>(item)?,
            None => Versioned::new(IntakeCursor {
                after: None,
                round_began_at: now,
                settled_before: Timestamp::UNIX_EPOCH,
                oldest_open: None,
            }),
        };
        let mut cursor = saved.value.clone();
        let mut lost = Vec::new();
        for _ in 0..limits.pages_max {
            let page = self.packages.list_incoming(cursor.after.as_deref()).await?;
            let settled_before = cursor.settled_before;
            let settled_in_parts = settled_before.saturating_sub(UPLOAD_MAX).unwrap_or(settled_before);
            let open = |upload: &&Incoming| {
                let settled_before = if upload.is_multipart { settled_in_parts } else { settled_before };
                let Incoming { object: ObjectVersion { key, uploaded_at, .. }, .. } = upload;
                // A close marker costs little, and what it ends costs money.
                let is_late = || now.duration_since(*uploaded_at) >= EVENT_PATIENCE;
                // A bundle is read with its package.
                let is_bundle = IncomingKey::is_bundle(key);
                *uploaded_at >= settled_before && !is_bundle && (IncomingKey::is_marker(key) || is_late())
            };
            let open: Vec<_> = page.objects.iter().filter(open).map(|upload| &upload.object).collect();
            for objects in open.chunks(100) {
                let keys: Vec<Key> = objects.iter().map(|object| upload_key_of(object)).collect();
                let known = self.store.get(&keys).await?;
                lost.extend(
                    objects
                        .iter()
                        .zip(known)
                        .filter(|(_, known)| known.is_none())
                        .map(|(object, _)| (*object).clone()),
                );
            }
            // The message that requests it again may be lost too.
            let open = lost.iter().map(|object: &ObjectVersion| object.uploaded_at);
            cursor.oldest_open = open.chain(cursor.oldest_open).min();
            cursor.after = page.next;
            if cursor.after.is_none() {
                // Uploads that arrived during the round, or were too young, are left to the next one.
                let patience = EVENT_PATIENCE + SignedDuration::from_secs(1);
                let looked_at =
                    cursor.round_began_at.saturating_sub(patience).unwrap_or(cursor.round_began_at);
                cursor.settled_before =
                    cursor.oldest_open.take().map_or(looked_at, |open| open.min(looked_at));
                cursor.round_began_at = now;
                break;
            }
        }
        report.uploads = lost.iter().map(|object| object.key.clone()).collect();
        if limits.dry_run {
            return Ok(());
        }
        let work = lost.into_iter().map(|ObjectVersion { key, version_id, uploaded_at }| {
            (Work::Intake { key, version_id, uploaded_at }, 0)
        });
        let work: Vec<_> = work.collect();
        if !work.is_empty() {
            self.queue.send(work).await?;
        }
        if cursor != saved.value {
            // Two concurrent runs may read the same uploads twice, which is harmless.
            if let Err(error) = self.store.write(vec![saved.write(&cursor, None)]).await {
                tracing::warn!("cannot save the position in the list of uploads: {error}");
            }
        }
        Ok(())
    }
}

fn upload_key_of(object: &ObjectVersion) -> Key {
    let service = UploadKey::service_of(&object.key);
    upload_key(service.as_ref(), &object.upload_id())
}
