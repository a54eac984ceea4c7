//! Brings container images to the repositories of the account-regions, by the API of Amazon ECR.

use crate::classify::classify;
use crate::patience::patient;
use crate::{Sessions, Settings};
use async_trait::async_trait;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::{ImageIdentifier, LayerAvailability};
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use flotilla_domain::config::account::artifact_bucket;
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::{AccountId, Digest, Region};
use flotilla_engine::ports::{ErrorKind, ImageManifest, ImageRegistry, Place, PortError};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The bytes of a part. ECR takes 5 MiB at least, but for the last one, and 10 MiB at most ("Amazon ECR service quotas").
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Blobs that a process sends at once. Each holds a part in memory, and twice that as JSON.
const BLOBS_AT_ONCE: usize = 4;
/// Digests of one call of `BatchCheckLayerAvailability`.
const DIGESTS_MAX: usize = 100;

/// The repository of an account-region: it has the name of the artifact bucket, so that a template needs one parameter for both.
pub(crate) fn repository(prefix: &str, account: &AccountId, region: &Region) -> String {
    artifact_bucket(prefix, account, region)
}

/// A digest as ECR writes it.
pub(crate) fn sha256(digest: &Digest) -> String {
    format!("sha256:{digest}")
}

/// The repositories on ECR.
#[derive(Debug, Clone)]
pub struct EcrRegistry {
    sessions: Sessions,
    prefix: String,
    source_bucket: String,
    source_owner: String,
    uploads: Arc<Semaphore>,
}

impl EcrRegistry {
    /// The repositories, through these sessions. The parts of images are read from the ingest bucket with the function's own role.
    pub fn new(sessions: Sessions, settings: &Settings) -> Self {
        Self {
            sessions,
            prefix: settings.prefix.clone(),
            source_bucket: settings.ingest_bucket.clone(),
            source_owner: settings.account.to_string(),
            uploads: Arc::new(Semaphore::new(BLOBS_AT_ONCE)),
        }
    }

    async fn client(&self, place: &Place) -> (Client, String) {
        let client = Client::new(&self.sessions.config(place).await);
        (client, repository(&self.prefix, &place.site.account, &place.site.region))
    }

    async fn stored(&self, kind: AssetKind, digest: &Digest) -> Result<ByteStream, PortError> {
        let key = Asset { kind, digest: *digest }.key();
        let read = patient(self.sessions.home()).get_object().bucket(&self.source_bucket).key(key);
        let read = read.expected_bucket_owner(&self.source_owner).send().await;
        Ok(read.map_err(|e| classify("s3:GetObject", e))?.body)
    }
}

/// The next part of a stream: [`PART_BYTES`], or what is left.
async fn part(body: &mut ByteStream, rest: &mut BytesMut) -> Result<Bytes, PortError> {
    while rest.len() < PART_BYTES {
        let chunk = body.try_next().await;
        let broken = |e| PortError::new(ErrorKind::Transient, "s3:GetObject", format!("the body ended: {e}"));
        match chunk.map_err(broken)? {
            Some(chunk) => rest.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(rest.split_to(rest.len().min(PART_BYTES)).freeze())
}

#[async_trait]
impl ImageRegistry for EcrRegistry {
    async fn tags(&self, place: &Place, image: &Digest) -> Result<Option<Vec<String>>, PortError> {
        let (client, repository) = self.client(place).await;
        let id = ImageIdentifier::builder().image_digest(sha256(image)).build();
        let seen = client.describe_images().repository_name(repository).image_ids(id).send().await;
        match seen.map_err(|e| classify("ecr:DescribeImages", e)) {
            Ok(seen) => Ok(seen.image_details().first().map(|image| image.image_tags().to_vec())),
            Err(error) if error.message.starts_with("ImageNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn manifest(&self, image: &Digest) -> Result<Bytes, PortError> {
        let body = self.stored(AssetKind::ImageManifest, image).await?.collect().await;
        let body = body.map_err(|e| PortError::new(ErrorKind::Transient, "s3:GetObject", e.to_string()))?;
        Ok(body.into_bytes())
    }

    async fn missing(&self, place: &Place, blobs: &[Digest]) -> Result<Vec<Digest>, PortError> {
        let (client, repository) = self.client(place).await;
        let mut missing = Vec::new();
        for some in blobs.chunks(DIGESTS_MAX) {
            let request = client.batch_check_layer_availability().repository_name(&repository);
            let request = request.set_layer_digests(Some(some.iter().map(sha256).collect()));
            let seen = request.send().await.map_err(|e| classify("ecr:BatchCheckLayerAvailability", e))?;
            let is_there = |blob: &&Digest| {
                seen.layers().iter().any(|layer| {
                    layer.layer_digest() == Some(sha256(blob).as_str())
                        && layer.layer_availability() == Some(&LayerAvailability::Available)
                })
            };
            missing.extend(some.iter().filter(|blob| !is_there(blob)));
        }
        Ok(missing)
    }

    async fn upload(&self, place: &Place, blob: &Digest) -> Result<(), PortError> {
        // Never closed, so it is always acquired.
        let _turn = self.uploads.acquire().await;
        let (client, repository) = self.client(place).await;
        let mut body = self.stored(AssetKind::ImageBlob, blob).await?;
        let begun = client.initiate_layer_upload().repository_name(&repository).send().await;
        let begun = begun.map_err(|e| classify("ecr:InitiateLayerUpload", e))?;
        let upload = begun.upload_id().unwrap_or_default();
        let (mut rest, mut first) = (BytesMut::new(), 0_i64);
        loop {
            let part = part(&mut body, &mut rest).await?;
            if part.is_empty() {
                break;
            }
            let last = first + i64::try_from(part.len()).unwrap_or(i64::MAX) - 1;
            let request = client.upload_layer_part().repository_name(&repository).upload_id(upload);
            let request =
                request.part_first_byte(first).part_last_byte(last).layer_part_blob(Blob::new(part));
            request.send().await.map_err(|e| classify("ecr:UploadLayerPart", e))?;
            first = last + 1;
        }
        let request = client.complete_layer_upload().repository_name(&repository).upload_id(upload);
        match request
            .layer_digests(sha256(blob))
            .send()
            .await
            .map_err(|e| classify("ecr:CompleteLayerUpload", e))
        {
            Err(error) if error.message.starts_with("LayerAlreadyExistsException") => Ok(()),
            done => done.map(drop),
        }
    }

    async fn put(&self, place: &Place, manifest: &ImageManifest, tag: &str) -> Result<(), PortError> {
        let (client, repository) = self.client(place).await;
        let text = String::from_utf8_lossy(&manifest.bytes).into_owned();
        let request = client.put_image().repository_name(repository).image_manifest(text).image_tag(tag);
        let request = request.image_manifest_media_type(&manifest.media_type);
        match request
            .image_digest(sha256(&manifest.digest))
            .send()
            .await
            .map_err(|e| classify("ecr:PutImage", e))
        {
            // The same manifest with the same tag.
            Err(error) if error.message.starts_with("ImageAlreadyExistsException") => Ok(()),
            done => done.map(drop),
        }
    }
}
