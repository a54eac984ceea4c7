//! Unpacks entries of an upload as streams.

use crate::EngineError;
use crate::ports::{Body, ChunkStream, ErrorKind, ExternalImages, ObjectRef, PackageStore, PortError};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use flotilla_domain::{Digest, Refusal, Region, Timestamp, UploadId};
use flotilla_package::zip_file::{Entry, EntryProof, EntryReader};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// An upload, and the bytes of it that were read.
pub struct UploadBytes {
    /// The ingest bucket.
    pub packages: Arc<dyn PackageStore>,
    /// The repositories of others.
    pub images: Arc<dyn ExternalImages>,
    /// The upload's id.
    pub id: UploadId,
    /// The digests that earlier releases of the service have stored.
    pub known: BTreeSet<Digest>,
    /// Objects stored before this time are stored again, because garbage collection could remove them while the
    /// upload is ingested.
    pub renewed_before: Timestamp,
    /// The upload.
    pub object: ObjectRef,
    /// The last bytes of the upload.
    pub tail: Bytes,
    /// Length of the upload, in bytes.
    pub total_bytes: u64,
    /// The region of the ingest bucket.
    pub region: Region,
}

impl UploadBytes {
    /// The offset of the tail.
    pub fn tail_start(&self) -> u64 {
        self.total_bytes - self.tail.len() as u64
    }

    /// An entry's packed bytes with its header, from the tail if it has them.
    pub async fn packed(&self, entry: &Entry) -> Result<Box<dyn ChunkStream>, PortError> {
        if let Some(start) = entry.header_start.checked_sub(self.tail_start()) {
            let range = usize::try_from(start).unwrap_or(usize::MAX)
                ..usize::try_from(entry.end - self.tail_start()).unwrap_or(usize::MAX);
            return Ok(Box::new(AtHand(Some(self.tail.slice(range)))));
        }
        self.packages.read(&self.object, entry.header_start..entry.end).await
    }

    /// Reads a range of the upload into memory, from the tail if it has it. The caller has checked that it is small.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, PortError> {
        if let Some(start) = range.start.checked_sub(self.tail_start()) {
            let from = usize::try_from(start).unwrap_or(usize::MAX);
            let to = usize::try_from(range.end - self.tail_start()).unwrap_or(usize::MAX);
            return Ok(self.tail.slice(from..to));
        }
        read_range(self.packages.as_ref(), &self.object, range).await
    }

    /// Reads an entry into memory. The caller has checked that it is small.
    pub async fn unpack(&self, entry: &Entry) -> Result<(Bytes, EntryProof), EngineError> {
        let mut out = Vec::with_capacity(usize::try_from(entry.unpacked_bytes).unwrap_or(0));
        let proof = self.pass(entry, |bytes| out.extend_from_slice(bytes)).await?;
        Ok((Bytes::from(out), proof))
    }

    /// Stores an object under its digest, unless it is stored already.
    pub async fn store(&self, key: &str, digest: &Digest, body: Body) -> Result<(), EngineError> {
        if self.holds(key, digest).await? {
            return Ok(());
        }
        Ok(self.packages.put(key, digest, body).await?)
    }

    /// Whether an object is stored, and stays stored until the release that names it is saved. An object that is
    /// old enough to be garbage-collected is stored again.
    pub async fn holds(&self, key: &str, digest: &Digest) -> Result<bool, EngineError> {
        match self.packages.holds(key, digest).await? {
            None => Ok(false),
            Some(stored_at) if stored_at >= self.renewed_before => Ok(true),
            Some(_) => Ok(self.packages.renew(key, digest).await?),
        }
    }

    /// Streams an entry through a sink, checks it and returns its proof.
    pub async fn pass(&self, entry: &Entry, mut sink: impl FnMut(&[u8])) -> Result<EntryProof, EngineError> {
        let mut packed = self.packed(entry).await?;
        let mut reader = EntryReader::new(entry.clone());
        while let Some(chunk) = packed.next().await? {
            reader.push(&chunk, &mut sink)?;
        }
        Ok(reader.finish()?)
    }
}

/// Reads a range of an upload into memory. The caller has checked that it is small.
pub async fn read_range(
    packages: &dyn PackageStore,
    object: &ObjectRef,
    range: Range<u64>,
) -> Result<Bytes, PortError> {
    let mut all = BytesMut::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
    let mut stream = packages.read(object, range).await?;
    while let Some(chunk) = stream.next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

struct AtHand(Option<Bytes>);

#[async_trait]
impl ChunkStream for AtHand {
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        // Small steps bound the inflated output of each.
        const STEP: usize = 256 * 1024;
        Ok(match &mut self.0 {
            Some(bytes) if bytes.len() > STEP => Some(bytes.split_to(STEP)),
            last => last.take().filter(|bytes| !bytes.is_empty()),
        })
    }
}

/// Packed bytes that are unpacked in one step. They may inflate to a thousand times as many.
const PACKED_STEP_BYTES: usize = 1024;
/// Approximate size of a chunk of unpacked bytes.
const UNPACKED_BYTES: usize = 256 * 1024;

/// An entry's unpacked bytes, as a stream.
pub struct Unpacked {
    packed: Box<dyn ChunkStream>,
    /// Bytes that were read and are not unpacked yet.
    at_hand: Bytes,
    reader: Option<EntryReader>,
}

impl Unpacked {
    /// Unpacks a stream of an entry's packed bytes.
    pub fn new(packed: Box<dyn ChunkStream>, entry: &Entry) -> Self {
        Self { packed, at_hand: Bytes::new(), reader: Some(EntryReader::new(entry.clone())) }
    }
}

#[async_trait]
impl ChunkStream for Unpacked {
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        let changed =
            |refusal: Refusal| PortError::new(ErrorKind::Permanent, "s3:GetObject", refusal.to_string());
        let mut out = BytesMut::new();
        while out.len() < UNPACKED_BYTES {
            if self.at_hand.is_empty() {
                match self.packed.next().await? {
                    Some(chunk) => self.at_hand = chunk,
                    None => {
                        self.reader
                            .take()
                            .map_or(Ok(()), |reader| reader.finish().map(drop))
                            .map_err(changed)?;
                        break;
                    }
                }
            }
            let Some(reader) = &mut self.reader else { break };
            let step = self.at_hand.split_to(self.at_hand.len().min(PACKED_STEP_BYTES));
            reader.push(&step, |bytes| out.extend_from_slice(bytes)).map_err(changed)?;
        }
        Ok(Some(out.freeze()).filter(|bytes| !bytes.is_empty()))
    }
}
