//! An upload's bytes become a package: small files are read, assets are hashed and stored under their
//! digests. Memory is bounded by the tail that is at hand and a few chunks.

use super::stream::{Unpacked, UploadBytes};
use crate::EngineError;
use crate::ports::{Body, ObjectRef, PackageStore, Tail};
use bytes::{Bytes, BytesMut};
use flotilla_domain::package::{Package, asset_key, template_key};
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::{Code, Digest, Refusal};
use flotilla_package::Limits;
use flotilla_package::formats::{Draft, DraftStep, Files, recognise};
use flotilla_package::zip_file::{Directory, DirectoryStep, Entry, Packing, read_directory};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Assets stored at a time.
const ASSETS_AT_ONCE: usize = 4;
/// An asset up to this size is held whole while it is stored; a larger one passes twice.
const HELD_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Reads and stores a package.
pub async fn read_package(
    packages: &dyn PackageStore,
    object: &ObjectVersion,
    tail: Tail,
    limits: &Limits,
) -> Result<Package, EngineError> {
    if tail.total_bytes > limits.upload_bytes_max {
        let what = format!(
            "the upload has {} bytes; upload_bytes_max is {}",
            tail.total_bytes, limits.upload_bytes_max
        );
        return Err(Refusal::new(
            Code::UploadTooLarge,
            what,
            "leave out what is not deployed, or split the service",
        )
        .into());
    }
    let object = ObjectRef { key: object.key.clone(), version_id: object.version_id.clone() };
    let mut upload = UploadBytes { packages, object, tail: tail.bytes, total_bytes: tail.total_bytes };
    let directory = directory(&mut upload, limits).await?;
    let draft = draft(&upload, &directory, limits).await?;
    let proofs = store_assets(&upload, &directory, &draft).await?;
    let finished = draft.finish(&proofs)?;
    let key = template_key(&finished.package.template);
    store(packages, &key, &finished.package.template, Body::Bytes(finished.template.into())).await?;
    Ok(finished.package)
}

/// Reads the zip's directory; a large one may begin before the tail.
async fn directory(upload: &mut UploadBytes<'_>, limits: &Limits) -> Result<Directory, EngineError> {
    let from = match read_directory(&upload.tail, upload.total_bytes, limits)? {
        DirectoryStep::Done(directory) => return Ok(directory),
        DirectoryStep::NeedFrom(from) => from,
    };
    let mut stream = upload.packages.read(&upload.object, from..upload.total_bytes).await?;
    let mut tail = BytesMut::new();
    while let Some(chunk) = stream.next().await? {
        tail.extend_from_slice(&chunk);
    }
    match read_directory(&tail, upload.total_bytes, limits)? {
        DirectoryStep::Done(directory) => Ok(directory),
        DirectoryStep::NeedFrom(_) => {
            let what = "the zip's directory does not end where it says";
            Err(Refusal::new(Code::ZipDamaged, what, "zip the package again").into())
        }
    }
}

async fn draft(
    upload: &UploadBytes<'_>,
    directory: &Directory,
    limits: &Limits,
) -> Result<Draft, EngineError> {
    let recognised = recognise(directory)?;
    let mut files = Files::new();
    let mut needs = recognised.needs.clone();
    loop {
        for name in needs.drain(..) {
            let entry = recognised.small_file(directory, &name, limits)?;
            let (bytes, _) = upload.unpack(entry).await?;
            files.insert(name, bytes.to_vec());
        }
        match recognised.draft(directory, &files, limits)? {
            DraftStep::Done(draft) => return Ok(*draft),
            DraftStep::Need(name) if !files.contains_key(&name) => needs.push(name),
            DraftStep::Need(name) => return Err(EngineError::Defect(format!("{name} was asked for twice"))),
        }
    }
}

async fn store_assets(
    upload: &UploadBytes<'_>,
    directory: &Directory,
    draft: &Draft,
) -> Result<BTreeMap<String, (Digest, u64)>, EngineError> {
    // Collected first: a lazy stream that borrows from the draft would tie the future to its lifetime.
    let mut work = Vec::new();
    for name in draft.assets() {
        let entry = directory
            .entry(name)
            .ok_or_else(|| EngineError::Defect(format!("{name} is not in the directory")))?;
        work.push(store_asset(upload, entry));
    }
    stream::iter(work).buffer_unordered(ASSETS_AT_ONCE).try_collect().await
}

/// Hashes an asset and stores it, unless it is there.
async fn store_asset(
    upload: &UploadBytes<'_>,
    entry: &Entry,
) -> Result<(String, (Digest, u64)), EngineError> {
    let at_hand = entry.header_start >= upload.tail_start();
    let (digest, body) = if entry.unpacked_bytes <= HELD_BYTES_MAX {
        let (bytes, proof) = upload.unpack(entry).await?;
        (proof.digest, Body::Bytes(bytes))
    } else if at_hand && entry.packing == Packing::Stored {
        let proof = upload.pass(entry, |_| {}).await?;
        (proof.digest, Body::Bytes(stored_bytes(upload, entry)?))
    } else {
        let proof = upload.pass(entry, |_| {}).await?;
        if upload.packages.holds(&asset_key(&proof.digest), &proof.digest).await? {
            return Ok((entry.name.clone(), (proof.digest, proof.bytes)));
        }
        let unpacked = Unpacked::new(upload.packed(entry).await?, entry);
        (proof.digest, Body::Stream(proof.bytes, Box::new(unpacked)))
    };
    store(upload.packages, &asset_key(&digest), &digest, body).await?;
    Ok((entry.name.clone(), (digest, entry.unpacked_bytes)))
}

/// A stored entry's bytes as they lie in the tail; its header has been checked by then.
fn stored_bytes(upload: &UploadBytes<'_>, entry: &Entry) -> Result<Bytes, EngineError> {
    let at = |offset: u64| usize::try_from(offset - upload.tail_start()).unwrap_or(usize::MAX);
    let header = upload.tail.slice(at(entry.header_start)..at(entry.end));
    let field = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let start = 30 + field(26) + field(28);
    let bytes = usize::try_from(entry.packed_bytes).unwrap_or(usize::MAX);
    if start + bytes > header.len() {
        return Err(EngineError::Defect(format!("{} was checked and is cut off", entry.name)));
    }
    Ok(header.slice(start..start + bytes))
}

/// Stores an object under its digest; what is there already is not sent again.
async fn store(
    packages: &dyn PackageStore,
    key: &str,
    digest: &Digest,
    body: Body,
) -> Result<(), EngineError> {
    if matches!(body, Body::Bytes(_)) && packages.holds(key, digest).await? {
        return Ok(());
    }
    Ok(packages.put(key, digest, body).await?)
}
