//! Hashes assets and stores them under their digests. Memory is bounded by the tail and a few chunks. What S3
//! can copy out of the upload does not pass through this process.

use super::external::store_external;
use super::external_images::store_pulled;
use super::folder::ZippedFolder;
use super::stream::{Unpacked, UploadBytes};
use crate::EngineError;
use crate::ports::{Body, ChunkStream, ErrorKind};
use bytes::BytesMut;
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::{Code, Digest, Digester, Refusal};
use flotilla_package::formats::{Draft, Proof, Source};
use flotilla_package::listing::Listing;
use flotilla_package::zip_file::{Directory, Entry, EntryReader, Packing, TAIL_BYTES, Unzipped};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Assets stored concurrently.
const ASSETS_AT_ONCE: usize = 4;
/// An asset up to this size is held in memory while it is stored. A larger one is read twice: to hash it and,
/// if its digest is not stored yet, to store it.
const HELD_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// An uncompressed file of the upload that is at least this large is copied by S3. S3 copies parts of an object
/// only if it is larger than 5 MiB (`UploadPartCopy`).
const LIFTED_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// The longest local header of a zip entry: 30 bytes, a name and an extra field of 65,535 bytes each.
const HEADER_BYTES_MAX: u64 = 30 + 2 * 65_535;

/// Hashes and stores the assets that the templates name.
pub async fn store_assets(
    upload: &UploadBytes,
    directory: &Directory,
    listing: &Listing,
    draft: &Draft,
) -> Result<BTreeMap<Source, Proof>, EngineError> {
    // Collected first: a lazy stream that borrows from the draft would tie the future to its lifetime.
    let mut work = Vec::new();
    for source in draft.sources() {
        let claim = draft.claim(source);
        work.push(async move {
            let proof = match source {
                Source::File { name, kind } => {
                    store_file(upload, entry(directory, name)?, *kind, claim).await?
                }
                Source::Folder { .. } | Source::ZippedFile { .. } => {
                    store_zipped(upload, directory, listing, source).await?
                }
                Source::External(code) => store_external(upload, code).await?,
                Source::Pulled { repository, digest, kind } => {
                    store_pulled(upload, repository, Asset { kind: *kind, digest: *digest }).await?
                }
            };
            Ok::<_, EngineError>((source.clone(), proof))
        });
    }
    stream::iter(work).buffer_unordered(ASSETS_AT_ONCE).try_collect().await
}

fn entry<'d>(directory: &'d Directory, name: &str) -> Result<&'d Entry, EngineError> {
    directory.entry(name).ok_or_else(|| EngineError::Defect(format!("{name} is not in the directory")))
}

/// Stores one file of the upload as it is.
async fn store_file(
    upload: &UploadBytes,
    entry: &Entry,
    kind: AssetKind,
    claim: Option<Digest>,
) -> Result<Proof, EngineError> {
    let packages = upload.packages.as_ref();
    let bytes = entry.unpacked_bytes;
    let is_zip = kind == AssetKind::Zip;
    let key = |digest: Digest| Asset { kind, digest }.key();
    if bytes <= HELD_BYTES_MAX {
        let (content, proof) = upload.unpack(entry).await?;
        let unzipped = is_zip.then(|| Unzipped::of_tail(content.to_vec(), bytes).bytes()).flatten();
        upload.store(&key(proof.digest), &proof.digest, Body::Bytes(content)).await?;
        return Ok(Proof { digest: proof.digest, bytes, unzipped });
    }
    // The asset is named by its digest, and an earlier release of the service stored and proved that content:
    // the file in this upload is not needed.
    if let Some(digest) = claim.filter(|digest| upload.known.contains(digest))
        && upload.holds(&key(digest), &digest).await?
    {
        // It was measured when it came.
        return Ok(Proof { digest, bytes, unzipped: None });
    }
    if entry.packing == Packing::Stored
        && bytes >= LIFTED_BYTES_MIN
        && let Some((digest, unzipped)) = lift(upload, entry, is_zip, key).await?
    {
        return Ok(Proof { digest, bytes, unzipped });
    }
    let mut unzipped = Unzipped::default();
    let digest = upload.pass(entry, |bytes| unzipped.push(bytes)).await?.digest;
    if !upload.holds(&key(digest), &digest).await? {
        let unpacked = Unpacked::new(upload.packed(entry).await?, entry);
        packages.put(&key(digest), &digest, Body::Stream(bytes, Box::new(unpacked))).await?;
    }
    Ok(Proof { digest, bytes, unzipped: unzipped.bytes().filter(|_| is_zip) })
}

/// Lets S3 copy a file out of the upload. Only its local header is read here, and the end of a zip, for the size of its files. `None` if S3
/// reports no digest of a copy: then its bytes pass through this process, and S3 proves what is put.
async fn lift(
    upload: &UploadBytes,
    entry: &Entry,
    is_zip: bool,
    key: impl Fn(Digest) -> String,
) -> Result<Option<(Digest, Option<u64>)>, EngineError> {
    let packages = upload.packages.as_ref();
    let header_end = entry.end.min(entry.header_start + HEADER_BYTES_MAX);
    let mut header = packages.read(&upload.object, entry.header_start..header_end).await?;
    let mut reader = EntryReader::new(entry.clone());
    let start = loop {
        if let Some(start) = reader.data_start() {
            break start;
        }
        match header.next().await? {
            Some(chunk) => reader.push(&chunk, |_| {})?,
            None => {
                let what = format!("{}: the entry is truncated", entry.name);
                return Err(Refusal::new(Code::ZipDamaged, what, "zip the package again")
                    .at(&entry.name)
                    .into());
            }
        }
    };
    if entry.packed_bytes != entry.unpacked_bytes {
        let what = format!("{}: the entry is uncompressed, but its two lengths differ", entry.name);
        return Err(Refusal::new(Code::EntryCorrupt, what, "zip the package again").at(&entry.name).into());
    }
    let parked = format!("parked/{}/{}", upload.id, entry.header_start);
    let range = start..start + entry.packed_bytes;
    let digest = match packages.lift(&upload.object, range.clone(), &parked).await {
        Ok(Some(digest)) => digest,
        Ok(None) => return Ok(None),
        // If S3 cannot copy the range, it is read instead.
        Err(error) if error.kind == ErrorKind::Permanent => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let there =
        upload.holds(&key(digest), &digest).await? || packages.settle(&parked, &key(digest), &digest).await?;
    if !there {
        return Ok(None);
    }
    let unzipped = match is_zip {
        true => {
            let end =
                upload.read(range.end.saturating_sub(TAIL_BYTES as u64).max(range.start)..range.end).await?;
            Unzipped::of_tail(end.to_vec(), entry.unpacked_bytes).bytes()
        }
        false => None,
    };
    Ok(Some((digest, unzipped)))
}

/// Zips files of the upload and stores the zip.
async fn store_zipped(
    upload: &UploadBytes,
    directory: &Directory,
    listing: &Listing,
    source: &Source,
) -> Result<Proof, EngineError> {
    let (folder, files) = source.to_zip(listing).unwrap_or_default();
    let entries = files.into_iter().map(|(name, _)| entry(directory, name).cloned());
    let entries = entries.collect::<Result<Vec<Entry>, _>>()?;
    let unzipped = entries.iter().map(|entry| entry.unpacked_bytes).sum::<u64>();
    let small = unzipped <= HELD_BYTES_MAX;
    let mut zipped = ZippedFolder::new(upload, folder, entries.clone());
    let (mut hash, mut bytes) = (Digester::default(), 0_u64);
    let mut held = BytesMut::new();
    while let Some(chunk) = zipped.next_chunk().await? {
        hash.update(&chunk);
        bytes += chunk.len() as u64;
        if small {
            held.extend_from_slice(&chunk);
        }
    }
    let digest = hash.finish();
    let key = Asset { kind: AssetKind::Zip, digest }.key();
    if !upload.holds(&key, &digest).await? {
        let body = if small {
            Body::Bytes(held.freeze())
        } else {
            Body::Stream(bytes, Box::new(ZippedFolder::new(upload, folder, entries)) as Box<dyn ChunkStream>)
        };
        upload.packages.put(&key, &digest, body).await?;
    }
    Ok(Proof { digest, bytes, unzipped: Some(unzipped) })
}
