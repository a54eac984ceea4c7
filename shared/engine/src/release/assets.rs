//! Assets are hashed and stored under their digests. Memory is bounded by the tail that is at hand and a few
//! chunks; what S3 can copy out of the upload itself does not pass through here.

use super::folder::ZippedFolder;
use super::stream::{Unpacked, UploadBytes};
use crate::EngineError;
use crate::ports::{Body, ChunkStream, ErrorKind};
use bytes::BytesMut;
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::{Code, Digest, Digester, Refusal};
use flotilla_package::formats::{Draft, Proof, Source};
use flotilla_package::listing::Listing;
use flotilla_package::zip_file::{Directory, Entry, EntryReader, Packing};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Assets stored at a time.
const ASSETS_AT_ONCE: usize = 4;
/// An asset up to this size is held whole while it is stored; a larger one passes twice: to be hashed, and, if
/// nobody has brought it before, to be stored.
const HELD_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// A file of the upload that is not packed and at least this large is copied out by S3.
/// Parts of an upload can be copied only if it is larger than 5 MiB (`UploadPartCopy`).
const LIFTED_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// The longest local header: 30 bytes, a name and an extra field of 65,535 bytes each.
const HEADER_BYTES_MAX: u64 = 30 + 2 * 65_535;

/// Hashes and stores what the templates name.
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
                Source::Folder { folder } => store_folder(upload, directory, listing, folder).await?,
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
    let key = |digest: Digest| Asset { kind, digest }.key();
    if bytes <= HELD_BYTES_MAX {
        let (content, proof) = upload.unpack(entry).await?;
        store(upload, &key(proof.digest), &proof.digest, Body::Bytes(content)).await?;
        return Ok(Proof { digest: proof.digest, bytes });
    }
    // The package names the asset by its content, and an earlier release of the service brought that content, proven
    // when it came: whatever lies in this upload under its name is not needed.
    if let Some(digest) = claim.filter(|digest| upload.known.contains(digest))
        && holds(upload, &key(digest), &digest).await?
    {
        return Ok(Proof { digest, bytes });
    }
    if entry.packing == Packing::Stored
        && bytes >= LIFTED_BYTES_MIN
        && let Some(digest) = lift(upload, entry, key).await?
    {
        return Ok(Proof { digest, bytes });
    }
    let digest = upload.pass(entry, |_| {}).await?.digest;
    if !holds(upload, &key(digest), &digest).await? {
        let unpacked = Unpacked::new(upload.packed(entry).await?, entry);
        packages.put(&key(digest), &digest, Body::Stream(bytes, Box::new(unpacked))).await?;
    }
    Ok(Proof { digest, bytes })
}

/// Has S3 copy a file out of the upload: only its local header is read here. Answers `None` if S3 does not say
/// what it copied.
async fn lift(
    upload: &UploadBytes,
    entry: &Entry,
    key: impl Fn(Digest) -> String,
) -> Result<Option<Digest>, EngineError> {
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
                let what = format!("{}: it is cut off", entry.name);
                return Err(Refusal::new(Code::ZipDamaged, what, "zip the package again")
                    .at(&entry.name)
                    .into());
            }
        }
    };
    if entry.packed_bytes != entry.unpacked_bytes {
        let what = format!("{}: it is not packed and has two lengths", entry.name);
        return Err(Refusal::new(Code::EntryCorrupt, what, "zip the package again").at(&entry.name).into());
    }
    let parked = format!("parked/{}/{}", upload.id, entry.header_start);
    let range = start..start + entry.packed_bytes;
    let digest = match packages.lift(&upload.object, range, &parked).await {
        Ok(Some(digest)) => digest,
        Ok(None) => return Ok(None),
        // What S3 does not copy by parts is read.
        Err(error) if error.kind == ErrorKind::Permanent => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !holds(upload, &key(digest), &digest).await? {
        packages.settle(&parked, &key(digest), &digest).await?;
    }
    Ok(Some(digest))
}

/// Stores a folder of the upload as the zip that it makes.
async fn store_folder(
    upload: &UploadBytes,
    directory: &Directory,
    listing: &Listing,
    folder: &str,
) -> Result<Proof, EngineError> {
    let entries: Vec<Entry> =
        listing.folder(folder).map(|(name, _)| entry(directory, name).cloned()).collect::<Result<_, _>>()?;
    let small = entries.iter().map(|entry| entry.unpacked_bytes).sum::<u64>() <= HELD_BYTES_MAX;
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
    if !holds(upload, &key, &digest).await? {
        let body = if small {
            Body::Bytes(held.freeze())
        } else {
            Body::Stream(bytes, Box::new(ZippedFolder::new(upload, folder, entries)) as Box<dyn ChunkStream>)
        };
        upload.packages.put(&key, &digest, body).await?;
    }
    Ok(Proof { digest, bytes })
}

/// Stores an object under its digest; what is there already is not sent again.
pub async fn store(upload: &UploadBytes, key: &str, digest: &Digest, body: Body) -> Result<(), EngineError> {
    if holds(upload, key, digest).await? {
        return Ok(());
    }
    Ok(upload.packages.put(key, digest, body).await?)
}

/// Whether an object is stored, and will be until the release is saved that names it: one that is so old that
/// it could be removed is stored anew.
async fn holds(upload: &UploadBytes, key: &str, digest: &Digest) -> Result<bool, EngineError> {
    match upload.packages.holds(key, digest).await? {
        None => Ok(false),
        Some(stored_at) if stored_at >= upload.renewed_before => Ok(true),
        Some(_) => Ok(upload.packages.renew(key, digest).await?),
    }
}
