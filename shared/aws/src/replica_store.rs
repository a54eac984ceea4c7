//! The artifact buckets of the account-regions, on S3.

use crate::classify::classify;
use crate::patience::patient;
use crate::{Sessions, Settings};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CopyObjectResult};
use flotilla_domain::config::account::artifact_bucket;
use flotilla_domain::replica::Copies;
use flotilla_domain::{Digest, Timestamp};
use flotilla_engine::ports::{CopySource, ErrorKind, Place, PortError, Presence, ReplicaStore, Seen};

/// The artifact buckets.
#[derive(Debug, Clone)]
pub struct S3ReplicaStore {
    sessions: Sessions,
    prefix: String,
    source_bucket: String,
    source_owner: String,
}

impl S3ReplicaStore {
    /// The buckets, through these sessions.
    pub fn new(sessions: Sessions, settings: &Settings) -> Self {
        Self {
            sessions,
            prefix: settings.prefix.clone(),
            source_bucket: settings.ingest_bucket.clone(),
            source_owner: settings.account.to_string(),
        }
    }

    async fn client(&self, place: &Place) -> (Client, String, String) {
        let client = patient(&self.sessions.config(place).await);
        let account = &place.site.account;
        (client, artifact_bucket(&self.prefix, account, &place.site.region), account.to_string())
    }

    /// S3 copies the object. The deployer role of the account reads the ingest bucket.
    async fn copied_by_s3(&self, place: &Place, source: &CopySource) -> Result<Sums, PortError> {
        let (client, bucket, owner) = self.client(place).await;
        let request = client
            .copy_object()
            .copy_source(format!("{}/{}", self.source_bucket, source.key))
            .expected_source_bucket_owner(&self.source_owner)
            .bucket(bucket)
            .key(&source.key)
            .expected_bucket_owner(owner)
            .checksum_algorithm(ChecksumAlgorithm::Sha256);
        let copied = request.send().await.map_err(|e| classify("s3:CopyObject", e))?;
        let result = copied.copy_object_result.unwrap_or_else(|| CopyObjectResult::builder().build());
        Ok((result.checksum_sha256, result.checksum_type))
    }

    /// The function's own role reads, the deployer role of the account writes, and only a few chunks are in
    /// memory. One PUT for any size: S3 then computes the SHA-256 of the whole object and refuses any other.
    /// Packages are below the 5 GB limit of a PUT. A stream that breaks off is started again by the next
    /// delivery of the message.
    async fn streamed(&self, place: &Place, source: &CopySource) -> Result<Sums, PortError> {
        let read = patient(self.sessions.home()).get_object().bucket(&self.source_bucket).key(&source.key);
        let read = read.expected_bucket_owner(&self.source_owner).send().await;
        let read = read.map_err(|e| classify("s3:GetObject", e))?;
        let (client, bucket, owner) = self.client(place).await;
        let request = client
            .put_object()
            .bucket(bucket)
            .key(&source.key)
            .expected_bucket_owner(owner)
            .checksum_sha256(source.digest.to_base64())
            .set_content_length(read.content_length)
            .body(read.body);
        let put = request.send().await.map_err(|e| classify("s3:PutObject", e))?;
        Ok((put.checksum_sha256, put.checksum_type))
    }
}

/// The SHA-256 that S3 reports, and whether it covers the full object.
type Sums = (Option<String>, Option<ChecksumType>);

/// S3's checksum as a proof. Only a full-object checksum is one.
fn proof(sha256: Option<&str>, kind: Option<&ChecksumType>) -> Option<Digest> {
    if kind == Some(&ChecksumType::Composite) {
        return None;
    }
    sha256.and_then(|text| Digest::parse_base64(text).ok())
}

#[async_trait]
impl ReplicaStore for S3ReplicaStore {
    async fn presence(&self, place: &Place, key: &str) -> Result<Seen, PortError> {
        let (client, bucket, owner) = self.client(place).await;
        let request = client.head_object().bucket(bucket).key(key).expected_bucket_owner(owner);
        match request.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(head) => Ok(Seen {
                presence: match proof(head.checksum_sha256(), head.checksum_type()) {
                    Some(digest) => Presence::Proven(digest),
                    None => Presence::Unproven,
                },
                stored_at: head.last_modified().and_then(|at| Timestamp::from_second(at.secs()).ok()),
            }),
            Err(error) => match classify("s3:HeadObject", error) {
                error if error.kind == ErrorKind::Missing => {
                    Ok(Seen { presence: Presence::Absent, stored_at: None })
                }
                error => Err(error),
            },
        }
    }

    async fn copy(&self, place: &Place, source: &CopySource, how: Copies) -> Result<Presence, PortError> {
        let sums = match how {
            Copies::S3 => self.copied_by_s3(place, source).await,
            Copies::Streamed => self.streamed(place, source).await,
        };
        // In these cases the existing object is observed: the bucket forbids overwriting and another copy was
        // faster, or S3 refused bytes with another digest.
        const LOOK: [&str; 2] = ["PreconditionFailed", "BadDigest"];
        let sums = match sums {
            Err(error) if LOOK.iter().any(|code| error.message.starts_with(code)) => None,
            sums => Some(sums?),
        };
        match sums.and_then(|(sha256, kind)| proof(sha256.as_deref(), kind.as_ref())) {
            Some(digest) => Ok(Presence::Proven(digest)),
            // S3 responds with the requested checksum; another implementation may return it for HEAD only.
            None => Ok(self.presence(place, &source.key).await?.presence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_only_a_full_objects_checksum_is_a_proof() {
        let digest = Digest::of(b"x");
        assert_eq!(proof(Some(&digest.to_base64()), Some(&ChecksumType::FullObject)), Some(digest));
        assert_eq!(proof(Some(&digest.to_base64()), None), Some(digest));
        assert_eq!(proof(Some(&digest.to_base64()), Some(&ChecksumType::Composite)), None);
        assert_eq!(proof(Some(&format!("{}-2", digest.to_base64())), None), None);
        assert_eq!(proof(None, None), None);
    }
}
