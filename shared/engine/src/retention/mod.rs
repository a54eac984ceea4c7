//! Garbage collection: removes objects that nothing needs, a part of the buckets in each run, all of them once
//! a day.
//!
//! First, the releases that are kept are recorded (`mark.rs`); from then on no other release can be rolled out.
//! Then the buckets are listed page by page, and old versions of objects that no kept release names are removed.
//! Releases that are ingested meanwhile are unknown here, but their objects are young, because ingest and replicate
//! store an old object again.

mod mark;

use crate::EngineError;
use crate::ports::{
    AssetBucket, AssetBuckets, Clock, ErrorKind, ListMark, Place, PortError, StateStore, StoredImages,
    WriteError,
};
use crate::records::{CollectionCursor, Versioned, read};
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::retention::{
    Pace, StoredImage, StoredVersion, is_unversioned, removable, removable_images,
};
use flotilla_domain::{Digest, SignedDuration, Timestamp};
use mark::Marks;
use std::sync::Arc;

/// The use case and the ports that it needs.
pub struct GarbageCollector {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The state store.
    pub store: Arc<dyn StateStore>,
    /// The ingest bucket and the artifact buckets.
    pub buckets: Arc<dyn AssetBuckets>,
    /// The repositories of container images.
    pub images: Arc<dyn StoredImages>,
    /// Minimum age of a removed version.
    pub pace: Pace,
}

/// Limits of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectorLimits {
    /// Report what would be removed, and remove nothing. Starts a new round regardless of the last one.
    pub dry_run: bool,
    /// Most pages of 1,000 versions.
    pub pages_max: usize,
    /// No further page is started after this many seconds.
    pub time_max_s: u32,
}

impl Default for CollectorLimits {
    fn default() -> Self {
        Self { dry_run: false, pages_max: 20, time_max_s: 20 }
    }
}

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectorReport {
    /// Pages that were read.
    pub pages: usize,
    /// Versions of objects that were removed, or would be.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Failures, as text.
    pub failures: Vec<String>,
}

/// The folders of packages in every bucket. The repository of container images follows them.
const FOLDERS: [&str; 2] = ["assets/", "templates/"];
/// The fix for a denied call: an account that an older version prepared has no role for garbage collection.
const MEND: &str = " (run flotilla install, or flotilla account add for another account, again)";
/// Attempts at the same position before the run continues with the next bucket.
const TRIES_MAX: u32 = 5;

/// Whether the run continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    GoOn,
    Stop,
}

impl GarbageCollector {
    /// Runs once.
    ///
    /// # Errors
    /// Errors of the state store. Nothing is removed before everything that is needed is known. The next run
    /// continues.
    pub async fn run(&self, limits: CollectorLimits) -> Result<CollectorReport, EngineError> {
        let began_at = self.clock.now();
        let mut report = CollectorReport::default();
        let mut saved = self.cursor().await?;
        let mut cursor = match &saved {
            _ if limits.dry_run => CollectionCursor::begin(began_at),
            Some(saved) if !saved.value.is_over => saved.value.clone(),
            Some(saved) if began_at.duration_since(saved.value.round_began_at) < self.pace.every => {
                return Ok(report);
            }
            Some(_) => CollectionCursor::begin(began_at),
            // A new installation has nothing old to remove. In one that has lost its table, or replaces another
            // one, operators have this interval to notice.
            None => {
                let first =
                    CollectionCursor::over(began_at.saturating_add(self.pace.grace).unwrap_or(began_at));
                self.save(&mut saved, &first).await?;
                return Ok(report);
            }
        };
        let until = began_at.saturating_add(SignedDuration::from_secs(limits.time_max_s.into()));
        let Some(marks) = self.marks(began_at, until.unwrap_or(began_at), limits.dry_run).await? else {
            report
                .failures
                .push("the releases to keep could not be read in time: nothing is removed today".into());
            if !limits.dry_run {
                self.save(&mut saved, &CollectionCursor::over(began_at)).await?;
            }
            return Ok(report);
        };
        if marks.needed.is_empty() && !limits.dry_run {
            // A lost table is more likely than services that need nothing.
            self.save(&mut saved, &CollectionCursor::over(began_at)).await?;
            return Ok(report);
        }
        // Each run processes at least one page, however long the mark phase took.
        let has_time = |pages: usize| pages == 0 || self.has_time(began_at, limits);
        while !cursor.is_over && report.pages < limits.pages_max && has_time(report.pages) {
            if cursor.tries >= TRIES_MAX {
                report.failures.push(format!("{}: skipped for this round", bucket_name(&cursor)));
                enter_next_bucket(&mut cursor, &marks);
                continue;
            }
            cursor.tries += 1;
            // Saved before the page is processed, so that a page at which every run crashes is skipped
            // eventually.
            if !limits.dry_run && !self.save(&mut saved, &cursor).await? {
                return Ok(report);
            }
            if self.step(&mut cursor, &marks, limits.dry_run, &mut report).await == Step::Stop {
                break;
            }
        }
        if !limits.dry_run {
            self.save(&mut saved, &cursor).await?;
        }
        Ok(report)
    }

    fn has_time(&self, began_at: Timestamp, limits: CollectorLimits) -> bool {
        self.clock.now().duration_since(began_at) < SignedDuration::from_secs(limits.time_max_s.into())
    }

    async fn cursor(&self) -> Result<Option<Versioned<CollectionCursor>>, EngineError> {
        let found = self.store.get(&[CollectionCursor::cursor_key()]).await?.into_iter().next().flatten();
        Ok(found.map(read::<CollectionCursor>).transpose()?)
    }

    /// Saves the progress; `false` if another run is active.
    async fn save(
        &self,
        saved: &mut Option<Versioned<CollectionCursor>>,
        cursor: &CollectionCursor,
    ) -> Result<bool, EngineError> {
        let before = saved.take().unwrap_or_else(|| Versioned::new(cursor.clone()));
        match self.store.write(vec![before.write(cursor, None)]).await {
            Ok(()) => {
                *saved = Some(Versioned { value: cursor.clone(), version: before.version + 1, due_at: None });
                Ok(true)
            }
            Err(WriteError::Conflict(_)) => Ok(false),
            Err(WriteError::Port(error)) => Err(error.into()),
        }
    }

    /// Processes one page and moves the cursor. A failure of one bucket does not stop the others.
    async fn step(
        &self,
        cursor: &mut CollectionCursor,
        marks: &Marks,
        dry_run: bool,
        report: &mut CollectorReport,
    ) -> Step {
        match self.page(cursor, marks, dry_run, report).await {
            Ok(()) => Step::GoOn,
            Err(error) if error.may_pass() => {
                tracing::warn!(bucket = bucket_name(cursor), "garbage collection will be retried: {error}");
                Step::Stop
            }
            // The bucket does not exist: the region was never prepared, or was removed.
            Err(error) if error.kind == ErrorKind::Missing => {
                enter_next_bucket(cursor, marks);
                Step::GoOn
            }
            Err(error) => {
                let mend = if error.kind == ErrorKind::Denied { MEND } else { "" };
                report.failures.push(format!("{}: {error}{mend}", bucket_name(cursor)));
                enter_next_bucket(cursor, marks);
                Step::GoOn
            }
        }
    }

    async fn page(
        &self,
        cursor: &mut CollectionCursor,
        marks: &Marks,
        dry_run: bool,
        report: &mut CollectorReport,
    ) -> Result<(), PortError> {
        let Some(bucket) = marks.bucket(cursor.site.as_ref()) else {
            enter_next_bucket(cursor, marks);
            return Ok(());
        };
        match (FOLDERS.get(cursor.folder), &bucket) {
            (Some(folder), _) => self.objects_page(cursor, &bucket, folder, marks, dry_run, report).await?,
            (None, AssetBucket::At(place)) => self.images_page(cursor, place, marks, dry_run, report).await?,
            // The ingest bucket has no repository beside it.
            (None, AssetBucket::Home) => {}
        }
        cursor.tries = 0;
        if cursor.after.is_none() {
            cursor.folder += 1;
            let repositories = usize::from(cursor.site.is_some());
            if cursor.folder >= FOLDERS.len() + repositories {
                enter_next_bucket(cursor, marks);
            }
        }
        Ok(())
    }

    async fn objects_page(
        &self,
        cursor: &mut CollectionCursor,
        bucket: &AssetBucket,
        folder: &str,
        marks: &Marks,
        dry_run: bool,
        report: &mut CollectorReport,
    ) -> Result<(), PortError> {
        let page = self.buckets.list(bucket, folder, cursor.after.as_ref()).await?;
        report.pages += 1;
        if is_unversioned(&page.versions) {
            let what = "it has objects without versions, which are not removed: enable versioning";
            report.failures.push(format!("{}: {what}", bucket_name(cursor)));
        }
        let before = self.pace.removed_before(marks.at);
        let places = removable(&page.versions, |asset| marks.needed.contains(asset), before);
        let versions: Vec<&StoredVersion> = places.iter().map(|place| &page.versions[*place]).collect();
        if dry_run || versions.is_empty() {
            count(report, &versions);
        } else {
            self.remove(bucket, &versions, report).await?;
        }
        cursor.after = page.next;
        Ok(())
    }

    /// A page of the repository of an account-region.
    async fn images_page(
        &self,
        cursor: &mut CollectionCursor,
        place: &Place,
        marks: &Marks,
        dry_run: bool,
        report: &mut CollectorReport,
    ) -> Result<(), PortError> {
        let page = self.images.list(place, cursor.after.as_ref().map(|mark| mark.key.as_str())).await?;
        report.pages += 1;
        let is_needed = |digest: &Digest| {
            marks.needed.contains(&Asset { kind: AssetKind::ImageManifest, digest: *digest })
        };
        let places = removable_images(&page.images, is_needed, self.pace.removed_before(marks.at));
        let images: Vec<&StoredImage> = places.iter().map(|place| &page.images[*place]).collect();
        if !dry_run && !images.is_empty() {
            self.images.remove(place, &images).await?;
        }
        report.objects += images.len() as u64;
        report.bytes += images.iter().map(|image| image.bytes).sum::<u64>();
        cursor.after = page.next.map(|token| ListMark { key: token, version_id: None });
        Ok(())
    }

    async fn remove(
        &self,
        bucket: &AssetBucket,
        versions: &[&StoredVersion],
        report: &mut CollectorReport,
    ) -> Result<(), PortError> {
        let left = self.buckets.remove(bucket, versions).await?;
        let gone = versions.iter().enumerate().filter(|(place, _)| !left.places.contains(place));
        let gone: Vec<&StoredVersion> = gone.map(|(_, version)| *version).collect();
        count(report, &gone);
        // Versions that failed transiently are removed in another round.
        match left.why {
            Some(error) if !error.may_pass() => Err(error),
            _ => Ok(()),
        }
    }
}

fn count(report: &mut CollectorReport, versions: &[&StoredVersion]) {
    report.objects += versions.len() as u64;
    report.bytes += versions.iter().map(|version| version.bytes).sum::<u64>();
}

fn bucket_name(cursor: &CollectionCursor) -> String {
    match &cursor.site {
        None => "the ingest bucket".into(),
        Some(site) => format!("the artifact bucket of {site}"),
    }
}

/// Continues with the next bucket, or ends the round.
fn enter_next_bucket(cursor: &mut CollectionCursor, marks: &Marks) {
    let next = marks.site_after(cursor.site.as_ref());
    *cursor = CollectionCursor {
        is_over: next.is_none(),
        site: next,
        ..CollectionCursor::begin(cursor.round_began_at)
    };
}
