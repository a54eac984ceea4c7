//! Zips a folder of an upload as a stream.
//!
//! The zip needs its files sorted by name; the upload has them in any order. Files that are adjacent in both
//! are read with one request, and a few such runs are read ahead.

use super::stream::{UploadBytes, read_range};
use crate::EngineError;
use crate::ports::{ChunkStream, ErrorKind, ObjectRef, PackageStore, PortError};
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_package::folder_zip::FolderZip;
use flotilla_package::zip_file::{Entry, EntryReader};
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most packed bytes of a run. A larger file is streamed by itself.
const RUN_BYTES_MAX: u64 = 512 * 1024;
/// Runs read ahead.
const RUNS_AHEAD: usize = 16;
/// Smallest chunk of the zip, in bytes.
const CHUNK_BYTES_MIN: usize = 256 * 1024;

/// Files that are read with one request.
#[derive(Debug, Clone)]
struct Run {
    start: u64,
    end: u64,
    entries: Vec<Entry>,
}

/// A run and its bytes, or `None` if it is large and has to be streamed.
type Fetched = BoxFuture<'static, Result<(Run, Option<Bytes>), PortError>>;

/// The zip, as a stream.
pub struct ZippedFolder {
    packages: Arc<dyn PackageStore>,
    object: ObjectRef,
    tail: Bytes,
    tail_start: u64,
    folder_bytes: usize,
    runs: VecDeque<Run>,
    ahead: FuturesOrdered<Fetched>,
    open: Option<(EntryReader, Box<dyn ChunkStream>)>,
    zip: Option<FolderZip>,
    out: Vec<u8>,
}

impl ZippedFolder {
    /// Zips the files of a folder. Their names start with the folder's name and are sorted.
    pub fn new(upload: &UploadBytes, folder: &str, entries: Vec<Entry>) -> Self {
        Self {
            packages: upload.packages.clone(),
            object: upload.object.clone(),
            tail: upload.tail.clone(),
            tail_start: upload.tail_start(),
            folder_bytes: folder.len(),
            runs: runs(entries),
            ahead: FuturesOrdered::new(),
            open: None,
            zip: Some(FolderZip::default()),
            out: Vec::new(),
        }
    }

    /// The next chunk of the zip, `None` at its end.
    ///
    /// # Errors
    /// A refusal if a file differs from the zip's directory; errors of the port.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, EngineError> {
        while self.out.len() < CHUNK_BYTES_MIN && self.zip.is_some() {
            self.step().await?;
        }
        let chunk = std::mem::take(&mut self.out);
        Ok(Some(Bytes::from(chunk)).filter(|chunk| !chunk.is_empty()))
    }

    /// Adds the next chunk of a file to the zip.
    async fn step(&mut self) -> Result<(), EngineError> {
        let Some(zip) = &mut self.zip else { return Ok(()) };
        if let Some((mut reader, mut stream)) = self.open.take() {
            match stream.next().await? {
                Some(chunk) => {
                    zipped(&mut reader, zip, &chunk)?;
                    self.open = Some((reader, stream));
                }
                None => drop(reader.finish()?),
            }
            self.out.append(&mut zip.fetch());
            return Ok(());
        }
        while self.ahead.len() < RUNS_AHEAD
            && let Some(run) = self.runs.pop_front()
        {
            self.ahead.push_back(fetch(
                self.packages.clone(),
                self.object.clone(),
                run,
                &self.tail,
                self.tail_start,
            ));
        }
        match self.ahead.next().await.transpose()? {
            None => {
                let zip = self.zip.take().unwrap_or_default();
                self.out.append(&mut zip.finish().map_err(defect)?);
            }
            Some((run, Some(bytes))) => {
                for entry in run.entries {
                    zip.begin(&entry.name[self.folder_bytes..], entry.executable).map_err(defect)?;
                    let at = |offset: u64| usize::try_from(offset - run.start).unwrap_or(usize::MAX);
                    let packed = bytes.slice(at(entry.header_start)..at(entry.end));
                    let mut reader = EntryReader::new(entry);
                    zipped(&mut reader, zip, &packed)?;
                    reader.finish()?;
                    self.out.append(&mut zip.fetch());
                }
            }
            Some((run, None)) => {
                for entry in run.entries {
                    zip.begin(&entry.name[self.folder_bytes..], entry.executable).map_err(defect)?;
                    let stream = self.packages.read(&self.object, entry.header_start..entry.end).await?;
                    self.open = Some((EntryReader::new(entry), stream));
                }
            }
        }
        Ok(())
    }
}

/// Unpacks bytes of a file into the zip.
fn zipped(reader: &mut EntryReader, zip: &mut FolderZip, packed: &[u8]) -> Result<(), EngineError> {
    let mut failed = Ok(());
    reader.push(packed, |bytes| {
        if failed.is_ok() {
            failed = zip.push(bytes);
        }
    })?;
    failed.map_err(defect)
}

fn defect(error: std::io::Error) -> EngineError {
    EngineError::Defect(format!("zipping a folder: {error}"))
}

/// Groups adjacent files into runs.
fn runs(entries: Vec<Entry>) -> VecDeque<Run> {
    let mut runs: VecDeque<Run> = VecDeque::new();
    for entry in entries {
        match runs.back_mut() {
            Some(run) if run.end == entry.header_start && entry.end - run.start <= RUN_BYTES_MAX => {
                run.end = entry.end;
                run.entries.push(entry);
            }
            _ => runs.push_back(Run { start: entry.header_start, end: entry.end, entries: vec![entry] }),
        }
    }
    runs
}

/// Reads a run, unless it is too large for memory.
fn fetch(
    packages: Arc<dyn PackageStore>,
    object: ObjectRef,
    run: Run,
    tail: &Bytes,
    tail_start: u64,
) -> Fetched {
    let at_hand = run.start.checked_sub(tail_start).map(|start| {
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        tail.slice(at(start)..at(run.end - tail_start))
    });
    Box::pin(async move {
        if let Some(bytes) = at_hand {
            return Ok((run, Some(bytes)));
        }
        if run.end - run.start > RUN_BYTES_MAX {
            return Ok((run, None));
        }
        let bytes = read_range(packages.as_ref(), &object, run.start..run.end).await?;
        Ok((run, Some(bytes)))
    })
}

#[async_trait]
impl ChunkStream for ZippedFolder {
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        // The same bytes were valid when they were hashed, so they have changed since.
        self.next_chunk().await.map_err(|error| match error {
            EngineError::Port(error) => error,
            other => PortError::new(ErrorKind::Permanent, "s3:GetObject", other.to_string()),
        })
    }
}
