//! Reads a package from the bytes of an upload: small files are read, assets are stored under their digests.

use super::assets::store_assets;
use super::external_images::manifest;
use super::stream::UploadBytes;
use crate::EngineError;
use crate::ports::{Body, ExternalImages, ObjectRef, PackageStore, Tail};
use bytes::BytesMut;
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::release::package::{Package, template_key};
use flotilla_domain::{AliasName, Code, Digest, Refusal, Region, StageName, Timestamp};
use flotilla_package::Limits;
use flotilla_package::formats::{Draft, DraftStep, ExternalPolicy, Files, manifest_name, recognise};
use flotilla_package::image::{in_archive, not_unpacked};
use flotilla_package::listing::Listing;
use flotilla_package::zip_file::{Directory, DirectoryStep, read_directory};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

/// How a package is read.
pub struct Reading<'a> {
    /// The digests that earlier releases of the service have stored.
    pub known: BTreeSet<Digest>,
    /// Objects that were stored before this time are stored again.
    pub renewed_before: Timestamp,
    /// The limits of an upload.
    pub limits: &'a Limits,
    /// The alias that its functions get.
    pub alias: Option<AliasName>,
    /// The stages that it may be deployed to.
    pub stages: BTreeSet<StageName>,
    /// The code and the images that its templates may take from elsewhere.
    pub external: ExternalPolicy,
    /// The region of the ingest bucket.
    pub region: Region,
}

/// Reads and stores a package.
pub async fn read_package(
    packages: &Arc<dyn PackageStore>,
    images: &Arc<dyn ExternalImages>,
    object: &ObjectVersion,
    tail: Tail,
    reading: Reading<'_>,
) -> Result<Package, EngineError> {
    let Reading { known, renewed_before, limits, alias, stages, external, region } = reading;
    if tail.total_bytes > limits.upload_bytes_max {
        let what = format!(
            "the upload has {} bytes; upload_bytes_max is {}",
            tail.total_bytes, limits.upload_bytes_max
        );
        return Err(Refusal::new(
            Code::UploadTooLarge,
            what,
            "remove files that are not deployed, or split the service",
        )
        .into());
    }
    let upload = object.upload_id();
    let object = ObjectRef { key: object.key.clone(), version_id: object.version_id.clone() };
    let mut upload = UploadBytes {
        packages: packages.clone(),
        images: images.clone(),
        id: upload,
        known,
        renewed_before,
        object,
        tail: tail.bytes,
        total_bytes: tail.total_bytes,
        region,
    };
    let directory = directory(&mut upload, limits).await?;
    let listing = Listing::from(&directory);
    let mut draft = draft(&upload, &directory, &listing, limits, &external).await?;
    draft.alias = alias;
    draft.stages = stages;
    let proofs = store_assets(&upload, &directory, &listing, &draft).await?;
    let finished = draft.finish(&proofs, limits)?;
    for (digest, bytes) in finished.templates {
        upload.store(&template_key(&digest), &digest, Body::Bytes(bytes.into())).await?;
    }
    Ok(finished.package)
}

/// Reads the zip's directory, which may begin before the tail.
async fn directory(upload: &mut UploadBytes, limits: &Limits) -> Result<Directory, EngineError> {
    let from = match read_directory(&upload.tail, upload.total_bytes, limits)? {
        DirectoryStep::Done(directory) => return Ok(directory),
        DirectoryStep::NeedFrom(from) => from,
    };
    let mut stream = upload.packages.read(&upload.object, from..upload.total_bytes).await?;
    let bytes = usize::try_from(upload.total_bytes - from).unwrap_or(0);
    let mut tail = BytesMut::with_capacity(bytes);
    while let Some(chunk) = stream.next().await? {
        tail.extend_from_slice(&chunk);
    }
    match read_directory(&tail, upload.total_bytes, limits)? {
        DirectoryStep::Done(directory) => Ok(directory),
        DirectoryStep::NeedFrom(_) => {
            let what = "the zip's directory does not have the length that it declares";
            Err(Refusal::new(Code::ZipDamaged, what, "zip the package again").into())
        }
    }
}

async fn draft(
    upload: &UploadBytes,
    directory: &Directory,
    listing: &Listing,
    limits: &Limits,
    external: &ExternalPolicy,
) -> Result<Draft, EngineError> {
    let recognised = recognise(listing, "")?;
    let mut files = Files::new();
    loop {
        match recognised.draft_with(listing, &files, limits, external)? {
            DraftStep::Done(draft) => return Ok(*draft),
            DraftStep::Need(name) if !files.contains_key(&name) => {
                let entry = directory.entry(&name).ok_or_else(|| match in_archive(&name) {
                    Some((archive, _)) => EngineError::from(not_unpacked(archive)),
                    None => EngineError::Defect(format!("{name} is not in the directory")),
                })?;
                let (bytes, _) = upload.unpack(entry).await?;
                files.insert(name, bytes.into());
            }
            DraftStep::NeedManifest(image) if !files.contains_key(&manifest_name(&image)) => {
                files.insert(manifest_name(&image), manifest(upload.images.as_ref(), &image).await?.into());
            }
            DraftStep::Need(name) => return Err(requested_twice(&name)),
            DraftStep::NeedManifest(image) => return Err(requested_twice(&image)),
        }
    }
}

fn requested_twice(what: &dyn Display) -> EngineError {
    EngineError::Defect(format!("{what} was requested twice"))
}
