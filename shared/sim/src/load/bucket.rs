//! A bucket with one upload, in memory or in a file, that discards what is put.

use super::{Load, Shape};
use crate::state::Yield;
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::{Digest, Digester, Timestamp};
use flotilla_engine::ports::{
    Body, ChunkStream, ErrorKind, ExternalObject, IncomingPage, ObjectRef, PackageStore, PortError, Tail,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The size of a chunk: an HTTP client's buffer grows to about this.
const CHUNK_BYTES: u64 = 256 * 1024;

/// The upload's bytes.
pub enum Upload {
    /// In memory: reads cost nothing.
    Memory(Bytes),
    /// In a file, which costs no memory.
    File(File),
}

/// Counts of the transferred data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// The number of ranges that were read.
    pub reads: u64,
    /// The number of bytes that were read.
    pub read_bytes: u64,
    /// The number of bytes that were put.
    pub put_bytes: u64,
}

/// The bucket.
#[derive(Clone)]
pub struct LoadBucket(Arc<Mutex<Inside>>);

struct Inside {
    upload: Upload,
    total_bytes: u64,
    home: BTreeMap<String, Digest>,
    /// The digests that S3 would compute; each range is hashed once.
    lifted: BTreeMap<(u64, u64), Digest>,
    traffic: Traffic,
}

impl LoadBucket {
    /// Creates a bucket with this upload.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn new(upload: Upload) -> std::io::Result<Self> {
        let total_bytes = match &upload {
            Upload::Memory(bytes) => bytes.len() as u64,
            Upload::File(file) => file.metadata()?.len(),
        };
        let (home, lifted, traffic) = (BTreeMap::new(), BTreeMap::new(), Traffic::default());
        Ok(Self(Arc::new(Mutex::new(Inside { upload, total_bytes, home, lifted, traffic }))))
    }

    /// Creates a bucket with a package of this shape, size and number of files, which uses no memory.
    ///
    /// # Errors
    /// If the package cannot be written.
    pub fn in_file(shape: Shape, bytes: usize, files: usize) -> std::io::Result<Self> {
        let load = Load { shape, files, file_bytes: bytes / files };
        Self::new(Upload::File(load.write(tempfile::tempfile()?)?))
    }

    /// Forgets what was put, so that the same package is new again.
    pub fn forget(&self) {
        self.lock().home.clear();
    }

    /// The counts so far.
    pub fn traffic(&self) -> Traffic {
        self.lock().traffic
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a chunk of the upload, after yielding to whatever else can happen.
    async fn some(&self, range: Range<u64>) -> Result<Bytes, PortError> {
        Yield(false).await;
        let mut inside = self.lock();
        inside.traffic.read_bytes += range.end - range.start;
        inside.bytes(range).map_err(|error| refused("s3:GetObject", &error.to_string()))
    }
}

impl Inside {
    fn bytes(&mut self, range: Range<u64>) -> std::io::Result<Bytes> {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        match &mut self.upload {
            Upload::Memory(bytes) => Ok(bytes.slice(size(range.start)..size(range.end))),
            Upload::File(file) => {
                let mut bytes = vec![0; size(range.end - range.start)];
                file.seek(SeekFrom::Start(range.start))?;
                file.read_exact(&mut bytes)?;
                Ok(Bytes::from(bytes))
            }
        }
    }
}

fn refused(operation: &'static str, what: &str) -> PortError {
    PortError::new(ErrorKind::Permanent, operation, what)
}

struct Chunks {
    bucket: LoadBucket,
    left: Range<u64>,
}

#[async_trait]
impl ChunkStream for Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        let end = self.left.end.min(self.left.start + CHUNK_BYTES);
        if self.left.start == end {
            return Ok(None);
        }
        let chunk = self.bucket.some(self.left.start..end).await?;
        self.left.start = end;
        Ok(Some(chunk))
    }
}

#[async_trait]
impl PackageStore for LoadBucket {
    async fn read_tail(&self, _: &ObjectRef, bytes: u64) -> Result<Tail, PortError> {
        let total_bytes = self.lock().total_bytes;
        self.lock().traffic.reads += 1;
        let bytes = self.some(total_bytes.saturating_sub(bytes)..total_bytes).await?;
        Ok(Tail { bytes, total_bytes, uploaded_at: Timestamp::UNIX_EPOCH })
    }

    async fn read(&self, _: &ObjectRef, range: Range<u64>) -> Result<Box<dyn ChunkStream>, PortError> {
        self.lock().traffic.reads += 1;
        Ok(Box::new(Chunks { bucket: self.clone(), left: range }))
    }

    async fn holds(&self, key: &str, digest: &Digest) -> Result<Option<Timestamp>, PortError> {
        Yield(false).await;
        // Its objects are always new.
        Ok(self.lock().home.get(key).filter(|held| *held == digest).map(|_| Timestamp::MAX))
    }

    async fn renew(&self, _: &str, _: &Digest) -> Result<bool, PortError> {
        Err(refused("s3:CopyObject", "nothing here is old"))
    }

    async fn put(&self, key: &str, digest: &Digest, body: Body) -> Result<(), PortError> {
        let (said, passed) = match body {
            Body::Bytes(bytes) => (bytes.len() as u64, bytes.len() as u64),
            Body::Stream(length, mut chunks) => {
                let mut passed = 0;
                while let Some(chunk) = chunks.next().await? {
                    passed += chunk.len() as u64;
                }
                (length, passed)
            }
        };
        if said != passed {
            return Err(refused("s3:PutObject", &format!("{key} has {passed} bytes instead of {said}")));
        }
        let mut inside = self.lock();
        inside.traffic.put_bytes += passed;
        inside.home.insert(key.to_owned(), *digest);
        Ok(())
    }

    async fn lift(
        &self,
        _: &ObjectRef,
        range: Range<u64>,
        parked: &str,
    ) -> Result<Option<Digest>, PortError> {
        Yield(false).await;
        let mut inside = self.lock();
        let known = inside.lifted.get(&(range.start, range.end)).copied();
        let digest = match known {
            Some(digest) => digest,
            None => {
                let mut hash = Digester::default();
                let mut at = range.start;
                while at < range.end {
                    let end = range.end.min(at + CHUNK_BYTES);
                    let chunk = inside.bytes(at..end);
                    hash.update(&chunk.map_err(|e| refused("s3:UploadPartCopy", &e.to_string()))?);
                    at = end;
                }
                hash.finish()
            }
        };
        inside.lifted.insert((range.start, range.end), digest);
        inside.home.insert(parked.to_owned(), digest);
        Ok(Some(digest))
    }

    async fn settle(&self, parked: &str, key: &str, digest: &Digest) -> Result<bool, PortError> {
        Yield(false).await;
        let mut inside = self.lock();
        if inside.home.remove(parked) != Some(*digest) {
            return Err(refused("s3:CopyObject", "what was parked has another digest"));
        }
        inside.home.insert(key.to_owned(), *digest);
        Ok(true)
    }

    async fn read_latest(&self, _: &str, _: u64) -> Result<Option<Bytes>, PortError> {
        Ok(None)
    }

    async fn fetch(&self, _: &ExternalObject, _: &str) -> Result<Option<Digest>, PortError> {
        Ok(None)
    }

    async fn read_parked(&self, parked: &str) -> Result<(u64, Box<dyn ChunkStream>), PortError> {
        Err(PortError::new(ErrorKind::Missing, "s3:GetObject", format!("NoSuchKey: {parked}")))
    }

    async fn list_incoming(&self, _: Option<&str>) -> Result<IncomingPage, PortError> {
        Ok(IncomingPage::default())
    }
}
