//! What nothing needs any more is removed from the buckets: a part of them each run, all of them once a day.
//!
//! First it is written down which releases are kept ([`marks`]); from then on nobody can ask for another one. Then
//! the buckets are listed page by page, and old versions of what no kept release names are removed. What comes
//! new meanwhile is not known here; its objects are young, since whoever relies on an old one stores it anew.

mod mark;

use crate::EngineError;
use crate::ports::{AssetBucket, AssetBuckets, Clock, ErrorKind, PortError, StateStore, WriteError};
use crate::records::{CollectionCursor, Versioned, read};
use flotilla_domain::retention::{Pace, StoredVersion, is_unversioned, removable};
use flotilla_domain::{SignedDuration, Timestamp};
use mark::Marks;
use std::sync::Arc;

/// The use case and what it needs.
pub struct Collect {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table.
    pub store: Arc<dyn StateStore>,
    /// The buckets.
    pub buckets: Arc<dyn AssetBuckets>,
    /// How old what is removed has to be.
    pub pace: Pace,
}

/// What one run may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectLimits {
    /// Say what would go, remove nothing: from the beginning, however long ago the last round was.
    pub dry_run: bool,
    /// Most pages of a thousand versions.
    pub pages_max: usize,
    /// No other page is begun after so many seconds.
    pub time_max_s: u32,
}

impl Default for CollectLimits {
    fn default() -> Self {
        Self { dry_run: false, pages_max: 20, time_max_s: 20 }
    }
}

/// What one run has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectReport {
    /// Pages that were looked through.
    pub pages: usize,
    /// Versions of objects that were removed, or would be.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What could not be done, in words.
    pub failures: Vec<String>,
}

/// Where packages are kept in every bucket.
const FOLDERS: [&str; 2] = ["assets/", "templates/"];
/// What mends a refusal: an account that was prepared by an older version has no role for this.
const MEND: &str = " (run flotilla install, or flotilla account add for another account, again)";
/// How often a bucket is tried from the same place before the next one gets its turn.
const TRIES_MAX: u32 = 5;

/// Whether the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    GoOn,
    Stop,
}

impl Collect {
    /// One run.
    ///
    /// # Errors
    /// The table's: nothing is removed before all is known that is needed. The next run goes on.
    pub async fn run(&self, limits: CollectLimits) -> Result<CollectReport, EngineError> {
        let began_at = self.clock.now();
        let mut report = CollectReport::default();
        let mut saved = self.cursor().await?;
        let mut cursor = match &saved {
            _ if limits.dry_run => CollectionCursor::begin(began_at),
            Some(saved) if !saved.value.is_over => saved.value.clone(),
            Some(saved) if began_at.duration_since(saved.value.round_began_at) < self.pace.every => {
                return Ok(report);
            }
            Some(_) => CollectionCursor::begin(began_at),
            // Nothing is old yet in an installation that is new. In one that has lost its table, or takes over
            // from another one, somebody has this long to find out.
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
                .push("what is kept could not be looked up in time: nothing is removed today".into());
            if !limits.dry_run {
                self.save(&mut saved, &CollectionCursor::over(began_at)).await?;
            }
            return Ok(report);
        };
        if marks.needed.is_empty() && !limits.dry_run {
            // Rather a table that was lost than services that need nothing.
            self.save(&mut saved, &CollectionCursor::over(began_at)).await?;
            return Ok(report);
        }
        // However long it took to look up what is needed: one page is done by each run.
        let has_time = |pages: usize| pages == 0 || self.has_time(began_at, limits);
        while !cursor.is_over && report.pages < limits.pages_max && has_time(report.pages) {
            if cursor.tries >= TRIES_MAX {
                report.failures.push(format!("{}: given up for this round", bucket_name(&cursor)));
                enter_next_bucket(&mut cursor, &marks);
                continue;
            }
            cursor.tries += 1;
            // Saved before it is done: a page at which every run crashes is left one day.
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

    fn has_time(&self, began_at: Timestamp, limits: CollectLimits) -> bool {
        self.clock.now().duration_since(began_at) < SignedDuration::from_secs(limits.time_max_s.into())
    }

    async fn cursor(&self) -> Result<Option<Versioned<CollectionCursor>>, EngineError> {
        let found = self.store.get(&[CollectionCursor::cursor_key()]).await?.into_iter().next().flatten();
        Ok(found.map(read::<CollectionCursor>).transpose()?)
    }

    /// Saves how far it has come; `false` if another run is at it.
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

    /// One page, and where the next one is. What is wrong with one bucket does not keep others from their turn.
    async fn step(
        &self,
        cursor: &mut CollectionCursor,
        marks: &Marks,
        dry_run: bool,
        report: &mut CollectReport,
    ) -> Step {
        match self.page(cursor, marks, dry_run, report).await {
            Ok(()) => Step::GoOn,
            Err(error) if error.may_pass() => {
                tracing::warn!(bucket = bucket_name(cursor), "not collected yet: {error}");
                Step::Stop
            }
            // A region that was never prepared, or is not any more.
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
        report: &mut CollectReport,
    ) -> Result<(), PortError> {
        let Some((bucket, folder)) = marks.bucket(cursor.site.as_ref()).zip(FOLDERS.get(cursor.folder))
        else {
            enter_next_bucket(cursor, marks);
            return Ok(());
        };
        let page = self.buckets.list(&bucket, folder, cursor.after.as_ref()).await?;
        report.pages += 1;
        if is_unversioned(&page.versions) {
            let what = "it has objects without versions, which are let alone: switch versioning on";
            report.failures.push(format!("{}: {what}", bucket_name(cursor)));
        }
        let before = self.pace.removed_before(marks.at);
        let places = removable(&page.versions, |asset| marks.needed.contains(asset), before);
        let versions: Vec<&StoredVersion> = places.iter().map(|place| &page.versions[*place]).collect();
        if dry_run || versions.is_empty() {
            count(report, &versions);
        } else {
            self.remove(&bucket, &versions, report).await?;
        }
        cursor.tries = 0;
        cursor.after = page.next;
        if cursor.after.is_none() {
            cursor.folder += 1;
            if cursor.folder >= FOLDERS.len() {
                enter_next_bucket(cursor, marks);
            }
        }
        Ok(())
    }

    async fn remove(
        &self,
        bucket: &AssetBucket,
        versions: &[&StoredVersion],
        report: &mut CollectReport,
    ) -> Result<(), PortError> {
        let left = self.buckets.remove(bucket, versions).await?;
        let gone = versions.iter().enumerate().filter(|(place, _)| !left.places.contains(place));
        let gone: Vec<&StoredVersion> = gone.map(|(_, version)| *version).collect();
        count(report, &gone);
        // Those few that may go later go in another round.
        match left.why {
            Some(error) if !error.may_pass() => Err(error),
            _ => Ok(()),
        }
    }
}

fn count(report: &mut CollectReport, versions: &[&StoredVersion]) {
    report.objects += versions.len() as u64;
    report.bytes += versions.iter().map(|version| version.bytes).sum::<u64>();
}

fn bucket_name(cursor: &CollectionCursor) -> String {
    match &cursor.site {
        None => "the ingest bucket".into(),
        Some(site) => format!("the artifact bucket of {site}"),
    }
}

/// The next bucket gets its turn, or the round is over.
fn enter_next_bucket(cursor: &mut CollectionCursor, marks: &Marks) {
    let next = marks.site_after(cursor.site.as_ref());
    *cursor = CollectionCursor {
        is_over: next.is_none(),
        site: next,
        ..CollectionCursor::begin(cursor.round_began_at)
    };
}
