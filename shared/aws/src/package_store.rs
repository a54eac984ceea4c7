//! The ingest bucket on S3.

use crate::Settings;
use crate::classify::classify;
use crate::patience::silent;
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, MetadataDirective,
    TaggingDirective,
};
use bytes::{Bytes, BytesMut};
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::release::upload_key::INCOMING;
use flotilla_domain::{Digest, Timestamp};
use flotilla_engine::ports::{
    Body, ChunkStream, ErrorKind, ExternalObject, Incoming, IncomingPage, ObjectRef, PackageStore, PortError,
    Tail,
};
use futures::stream;
use http_body_util::StreamBody;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;
use sync_wrapper::SyncStream;

const GET: &str = "s3:GetObject";
const PUT: &str = "s3:PutObject";

/// The ingest bucket.
#[derive(Debug, Clone)]
pub struct S3PackageStore {
    client: Client,
    bucket: String,
    owner: String,
}

impl S3PackageStore {
    /// The bucket of the settings. Every call names the expected owner.
    pub fn new(client: Client, settings: &Settings) -> Self {
        Self { client, bucket: settings.ingest_bucket.clone(), owner: settings.account.to_string() }
    }

    async fn get(&self, object: &ObjectRef, range: String) -> Result<GetObjectOutput, PortError> {
        let request =
            self.client.get_object().bucket(&self.bucket).key(&object.key).version_id(&object.version_id);
        let got = request.range(range).expected_bucket_owner(&self.owner).send().await;
        got.map_err(|e| classify(GET, e))
    }

    /// The digest of an object as S3 computed it, and when the object was stored; `None` if there is no object,
    /// or no such digest.
    async fn digest(&self, key: &str) -> Result<Option<(Digest, Timestamp)>, PortError> {
        let request =
            self.client.head_object().bucket(&self.bucket).key(key).checksum_mode(ChecksumMode::Enabled);
        match request.expected_bucket_owner(&self.owner).send().await {
            Ok(head) => {
                let digest = head.checksum_sha256().and_then(|text| Digest::parse_base64(text).ok());
                digest.map(|digest| Ok((digest, uploaded_at(head.last_modified())?))).transpose()
            }
            Err(error) => match classify("s3:HeadObject", error) {
                error if error.kind == ErrorKind::Missing => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Lets S3 copy an object within the bucket, and compute the SHA-256 of the whole copy.
    async fn copy(&self, from: &str, to: &str) -> Result<(), PortError> {
        let request = self.client.copy_object().bucket(&self.bucket).key(to);
        // S3 copies an object onto itself only if something changes. The objects have no metadata to lose.
        let request = request.set_metadata_directive((from == to).then_some(MetadataDirective::Replace));
        let request = request.copy_source(format!("{}/{}", self.bucket, encoded(from)));
        let request = request.checksum_algorithm(ChecksumAlgorithm::Sha256);
        let request = request.expected_bucket_owner(&self.owner).expected_source_bucket_owner(&self.owner);
        request.send().await.map(drop).map_err(|e| classify("s3:CopyObject", e))
    }

    /// The tail of an empty object. S3 answers every range of it with an error.
    async fn empty_tail(&self, object: &ObjectRef) -> Result<Tail, PortError> {
        let request =
            self.client.head_object().bucket(&self.bucket).key(&object.key).version_id(&object.version_id);
        let head = request
            .expected_bucket_owner(&self.owner)
            .send()
            .await
            .map_err(|e| classify("s3:HeadObject", e))?;
        Ok(Tail { bytes: Bytes::new(), total_bytes: 0, uploaded_at: uploaded_at(head.last_modified())? })
    }
}

fn unproven(operation: &'static str, key: &str) -> PortError {
    PortError::new(ErrorKind::Transient, operation, format!("S3 reports no matching SHA-256 for {key}"))
}

/// A key, encoded for `x-amz-copy-source`.
fn encoded(key: &str) -> impl std::fmt::Display {
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(key, KEPT)
}

/// The range that a response covers: `bytes 0-9/100`. A response without one is the whole object.
fn covered(output: &GetObjectOutput) -> (u64, u64) {
    let length = output.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let range = output.content_range().and_then(|text| {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
    });
    range.unwrap_or((0, length))
}

fn uploaded_at(time: Option<&aws_sdk_s3::primitives::DateTime>) -> Result<Timestamp, PortError> {
    let second = time.map(aws_sdk_s3::primitives::DateTime::secs);
    second
        .and_then(|second| Timestamp::from_second(second).ok())
        .ok_or_else(|| PortError::new(ErrorKind::Permanent, GET, "the object has no Last-Modified"))
}

/// A response body that may begin before the requested range. The bytes before it are skipped.
struct Chunks {
    body: ByteStream,
    skip: u64,
    left: u64,
}

#[async_trait]
impl ChunkStream for Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        while self.left > 0 {
            let chunk = self
                .body
                .try_next()
                .await
                .map_err(|e| PortError::new(ErrorKind::Transient, GET, e.to_string()))?;
            let Some(mut chunk) = chunk else {
                return Err(PortError::new(ErrorKind::Transient, GET, "the body ended early"));
            };
            let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
            self.skip -= skip as u64;
            let mut chunk = chunk.split_off(skip);
            chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= chunk.len() as u64;
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl PackageStore for S3PackageStore {
    async fn read_tail(&self, object: &ObjectRef, bytes: u64) -> Result<Tail, PortError> {
        let got = match self.get(object, format!("bytes=-{bytes}")).await {
            Err(error) if error.message.starts_with("InvalidRange") => return self.empty_tail(object).await,
            got => got?,
        };
        let uploaded_at = uploaded_at(got.last_modified())?;
        let (start, total_bytes) = covered(&got);
        let wanted = total_bytes.saturating_sub(bytes);
        let mut chunks =
            Chunks { body: got.body, skip: wanted.saturating_sub(start), left: total_bytes - wanted };
        let mut tail = BytesMut::with_capacity(usize::try_from(chunks.left).unwrap_or(0));
        while let Some(chunk) = chunks.next().await? {
            tail.extend_from_slice(&chunk);
        }
        Ok(Tail { bytes: tail.freeze(), total_bytes, uploaded_at })
    }

    async fn read_latest(&self, key: &str, bytes_max: u64) -> Result<Option<Bytes>, PortError> {
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        let got = match request.expected_bucket_owner(&self.owner).send().await {
            Ok(got) => got,
            Err(error) => match classify(GET, error) {
                error if error.kind == ErrorKind::Missing => return Ok(None),
                error => return Err(error),
            },
        };
        let left = covered(&got).1.min(bytes_max + 1);
        let mut chunks = Chunks { body: got.body, skip: 0, left };
        let mut bytes = BytesMut::with_capacity(usize::try_from(left).unwrap_or(0));
        while let Some(chunk) = chunks.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes.freeze()))
    }

    async fn read(&self, object: &ObjectRef, range: Range<u64>) -> Result<Box<dyn ChunkStream>, PortError> {
        let got = self.get(object, format!("bytes={}-{}", range.start, range.end.saturating_sub(1))).await?;
        let (start, _) = covered(&got);
        Ok(Box::new(Chunks {
            body: got.body,
            skip: range.start.saturating_sub(start),
            left: range.end - range.start,
        }))
    }

    async fn holds(&self, key: &str, digest: &Digest) -> Result<Option<Timestamp>, PortError> {
        Ok(self.digest(key).await?.filter(|(found, _)| found == digest).map(|(_, stored_at)| stored_at))
    }

    async fn renew(&self, key: &str, digest: &Digest) -> Result<bool, PortError> {
        match self.copy(key, key).await {
            Err(error) if error.kind == ErrorKind::Missing => return Ok(false),
            copied => copied?,
        }
        Ok(self.holds(key, digest).await?.is_some())
    }

    async fn put(&self, key: &str, digest: &Digest, body: Body) -> Result<(), PortError> {
        let request =
            self.client.put_object().bucket(&self.bucket).key(key).checksum_sha256(digest.to_base64());
        let request = match body {
            Body::Bytes(bytes) => request.body(ByteStream::from(bytes)),
            Body::Stream(length, chunks) => {
                let frames = stream::unfold(Some(chunks), |chunks| async move {
                    let mut chunks = chunks?;
                    match chunks.next().await {
                        Ok(Some(chunk)) => Some((Ok(http_body::Frame::data(chunk)), Some(chunks))),
                        Ok(None) => None,
                        Err(error) => Some((Err(error), None)),
                    }
                });
                let body = SdkBody::from_body_1_x(StreamBody::new(SyncStream::new(frames)));
                request.content_length(i64::try_from(length).unwrap_or(i64::MAX)).body(ByteStream::new(body))
            }
        };
        request.expected_bucket_owner(&self.owner).send().await.map(drop).map_err(|e| classify(PUT, e))
    }

    /// Copies a range as the only part of a multipart upload. S3 computes the SHA-256 of the part, which is
    /// that of the range.
    async fn lift(
        &self,
        object: &ObjectRef,
        range: Range<u64>,
        parked: &str,
    ) -> Result<Option<Digest>, PortError> {
        let begun = self.client.create_multipart_upload().bucket(&self.bucket).key(parked);
        let begun = begun.checksum_algorithm(ChecksumAlgorithm::Sha256).expected_bucket_owner(&self.owner);
        let begun = begun.send().await.map_err(|e| classify("s3:CreateMultipartUpload", e))?;
        let id = begun.upload_id().unwrap_or_default();
        let source = format!("{}/{}?versionId={}", self.bucket, encoded(&object.key), object.version_id);
        let part = self.client.upload_part_copy().bucket(&self.bucket).key(parked).upload_id(id);
        let part = part.part_number(1).copy_source(source);
        let part = part.copy_source_range(format!("bytes={}-{}", range.start, range.end - 1));
        let part = part.expected_bucket_owner(&self.owner).expected_source_bucket_owner(&self.owner);
        let part = part.customize().config_override(silent()).send().await;
        let part = part.map_err(|e| classify("s3:UploadPartCopy", e))?;
        let part = part.copy_part_result();
        let checksum = part.and_then(|part| part.checksum_sha256());
        let done = CompletedPart::builder()
            .part_number(1)
            .set_e_tag(part.and_then(|part| part.e_tag()).map(str::to_owned))
            .set_checksum_sha256(checksum.map(str::to_owned))
            .build();
        let parts = CompletedMultipartUpload::builder().parts(done).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(parked).upload_id(id);
        let complete = complete.multipart_upload(parts).expected_bucket_owner(&self.owner);
        let complete = complete.customize().config_override(silent()).send().await;
        complete.map_err(|e| classify("s3:CompleteMultipartUpload", e))?;
        Ok(checksum.and_then(|text| Digest::parse_base64(text).ok()))
    }

    async fn settle(&self, parked: &str, key: &str, digest: &Digest) -> Result<bool, PortError> {
        self.copy(parked, key).await?;
        match self.digest(key).await? {
            Some((found, _)) if found == *digest => Ok(true),
            Some(_) => Err(unproven("s3:CopyObject", key)),
            None => Ok(false),
        }
    }

    async fn fetch(&self, from: &ExternalObject, parked: &str) -> Result<Option<Digest>, PortError> {
        let version = from.version.as_ref().map(|version| format!("?versionId={}", encoded(version)));
        let source = format!("{}/{}{}", from.bucket, encoded(&from.key), version.unwrap_or_default());
        let request = self.client.copy_object().bucket(&self.bucket).key(parked).copy_source(source);
        // Neither its metadata nor its tags belong to the package, and tags would need further permissions.
        let request = request.metadata_directive(MetadataDirective::Replace);
        let request = request.tagging_directive(TaggingDirective::Replace);
        let request =
            request.checksum_algorithm(ChecksumAlgorithm::Sha256).expected_bucket_owner(&self.owner);
        request.send().await.map_err(|e| classify("s3:CopyObject", e))?;
        Ok(self.digest(parked).await?.map(|(digest, _)| digest))
    }

    async fn read_parked(&self, parked: &str) -> Result<(u64, Box<dyn ChunkStream>), PortError> {
        let request = self.client.get_object().bucket(&self.bucket).key(parked);
        let got = request.expected_bucket_owner(&self.owner).send().await.map_err(|e| classify(GET, e))?;
        let left = got.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        Ok((left, Box::new(Chunks { body: got.body, skip: 0, left })))
    }

    async fn list_incoming(&self, after: Option<&str>) -> Result<IncomingPage, PortError> {
        let request = self.client.list_object_versions().bucket(&self.bucket).prefix(INCOMING);
        let request = request.set_key_marker(after.map(str::to_owned)).expected_bucket_owner(&self.owner);
        let page = request.send().await.map_err(|e| classify("s3:ListObjectVersions", e))?;
        let latest = page.versions().iter().filter(|version| version.is_latest() == Some(true));
        let objects = latest.map(|version| {
            let object = ObjectVersion {
                key: version.key().unwrap_or_default().to_owned(),
                version_id: version.version_id().unwrap_or_default().to_owned(),
                uploaded_at: uploaded_at(version.last_modified())?,
            };
            // The ETag of an object that was uploaded in parts ends with their number.
            Ok(Incoming { object, is_multipart: version.e_tag().is_some_and(|tag| tag.contains('-')) })
        });
        let next = page.next_key_marker().filter(|_| page.is_truncated() == Some(true)).map(str::to_owned);
        Ok(IncomingPage { objects: objects.collect::<Result<_, PortError>>()?, next })
    }
}
