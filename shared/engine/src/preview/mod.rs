//! The schedule's work: what was left half done is woken, previews that have ended are removed, uploads
//! whose event was lost are found. It finds; the ordinary steps do the work.

use crate::EngineError;
use crate::ports::{Clock, DUE_SHARDS, DueKey, Key, PackageStore, StateStore, Work, WorkQueue};
use crate::records::{DueItem, IntakeCursor, Versioned, due_item, read, upload_key};
use crate::rollout::admit::{Arrival, accept};
use crate::rollout::compose::{destination, plan_removal};
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::release::upload_key::UploadKey;
use flotilla_domain::stage::StageHead;
use flotilla_domain::{RolloutId, SignedDuration, Timestamp};
use std::sync::Arc;

/// The use case and what it needs.
pub struct Sweep {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table.
    pub store: Arc<dyn StateStore>,
    /// The queues.
    pub queue: Arc<dyn WorkQueue>,
    /// The ingest bucket.
    pub packages: Arc<dyn PackageStore>,
}

/// What one run may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepLimits {
    /// Say what would be done, do nothing.
    pub dry_run: bool,
    /// Most previews removed.
    pub removals_max: usize,
    /// Most lost ticks sent again.
    pub ticks_max: usize,
    /// Most pages of uploads listed.
    pub pages_max: usize,
    /// Items due within so many seconds count as due now. Ticks may come early, so this only costs calls:
    /// for whoever has ended an outage and does not want to wait for the next runs.
    pub ahead_s: u32,
}

impl Default for SweepLimits {
    fn default() -> Self {
        Self { dry_run: false, removals_max: 20, ticks_max: 500, pages_max: 5, ahead_s: 0 }
    }
}

/// What one run found, and did unless it was a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Ticks sent again.
    pub ticks: usize,
    /// Removals started, as `<service>/<stage>`.
    pub removals: Vec<String>,
    /// Uploads sent in again, by key.
    pub uploads: Vec<String>,
    /// How long the oldest item that was found had been due, in seconds.
    pub oldest_due_s: i64,
    /// What could not be done, in words.
    pub failures: Vec<String>,
}

/// An upload younger than this may still get its event.
const EVENT_PATIENCE: SignedDuration = SignedDuration::from_secs(120);

impl Sweep {
    /// One run.
    ///
    /// # Errors
    /// The table's or a queue's; the next run goes on.
    pub async fn run(&self, limits: SweepLimits) -> Result<SweepReport, EngineError> {
        let now = self.clock.now();
        // Only the index is asked with it: whether a preview has ended is decided by the time it is.
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
                        // One that cannot be ended must not keep the others, or lost ticks, from being found.
                        if let Err(error) = self.end_preview(&key, now, limits, &mut report).await {
                            report.failures.push(format!("{} / {}: {error}", key.pk, key.sk));
                        }
                    }
                    DueItem::Tick(_) | DueItem::Stage(_) => {}
                    DueItem::Unknown => {
                        report.failures.push(format!("{} / {} is due and not known", key.pk, key.sk))
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

    /// Starts the removal of a preview that has ended. The index only says where to look; the head, read
    /// anew, says whether it has.
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
            // Nothing was ever deployed: nothing is left to remove.
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
        // A removal is newer than whatever was rolled out before it, even if somebody has set the end back.
        let after = head.newest.map_or(ended_at, |newest| newest.time() + SignedDuration::from_millis(1));
        let id = RolloutId::derive(
            ended_at.max(after),
            &[head.service.as_str(), head.stage.as_str(), "preview's end"],
        );
        let removal = match destination(self.store.as_ref(), &head.profile).await {
            Ok(destination) => plan_removal(id, head, &destination, now),
            Err(EngineError::Refused(refusal)) => {
                report.failures.push(format!("{name}: {refusal}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let arrival = Arrival::of(&removal, None);
        accept(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), arrival).await?;
        report.removals.push(name);
        Ok(())
    }

    /// Looks through the uploads for one that was never decided: a part of the list each run, each upload
    /// in one whole round.
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
            let open = |object: &&ObjectVersion| {
                object.uploaded_at >= settled_before
                    && now.duration_since(object.uploaded_at) >= EVENT_PATIENCE
            };
            let open: Vec<&ObjectVersion> = page.objects.iter().filter(open).collect();
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
            // The message that sends it in again may be lost as well.
            let open = lost.iter().map(|object: &ObjectVersion| object.uploaded_at);
            cursor.oldest_open = open.chain(cursor.oldest_open).min();
            cursor.after = page.next;
            if cursor.after.is_none() {
                // What came while the round went on, and what was still too young, is for the next one.
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
            // Two runs at once look at the same uploads twice; that does no harm.
            if let Err(error) = self.store.write(vec![saved.write(&cursor, None)]).await {
                tracing::warn!("the place in the list of uploads was not saved: {error}");
            }
        }
        Ok(())
    }
}

fn upload_key_of(object: &ObjectVersion) -> Key {
    let service = UploadKey::parse(&object.key).ok().map(|key| key.service);
    upload_key(service.as_ref(), &object.upload_id())
}
