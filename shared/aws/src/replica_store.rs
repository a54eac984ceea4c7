//! The targets' artifact buckets on S3.

use crate::classify::classify;
use crate::{Sessions, Settings};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType};
use aws_smithy_types::timeout::TimeoutConfig;
use flotilla_domain::Digest;
use flotilla_domain::account::artifact_bucket;
use flotilla_engine::ports::{CopySource, ErrorKind, Place, PortError, Presence, ReplicaStore};

/// The artifact buckets.
#[derive(Debug, Clone)]
pub struct S3ReplicaStore {
    sessions: Sessions,
    prefix: String,
    source_bucket: String,
    source_owner: String,
}

impl S3ReplicaStore {
    /// Buckets that are reached by these sessions.
    pub fn new(sessions: Sessions, settings: &Settings) -> Self {
        Self {
            sessions,
            prefix: settings.prefix.clone(),
            source_bucket: settings.ingest_bucket.clone(),
            source_owner: settings.account.to_string(),
        }
    }

    async fn client(&self, place: &Place) -> (Client, String, String) {
        // A copy between far regions may take minutes; the function's own timeout bounds it.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(std::time::Duration::from_secs(3))
            .disable_operation_attempt_timeout()
            .build();
        let config = aws_sdk_s3::config::Builder::from(&self.sessions.config(place).await);
        let client = Client::from_conf(config.timeout_config(timeouts).build());
        let account = &place.site.account;
        (client, artifact_bucket(&self.prefix, account, &place.site.region), account.to_string())
    }
}

/// S3's checksum as a proof: only a full object's is one.
fn proof(sha256: Option<&str>, kind: Option<&ChecksumType>) -> Option<Digest> {
    if kind == Some(&ChecksumType::Composite) {
        return None;
    }
    sha256.and_then(|text| Digest::parse_base64(text).ok())
}

#[async_trait]
impl ReplicaStore for S3ReplicaStore {
    async fn presence(&self, place: &Place, key: &str) -> Result<Presence, PortError> {
        let (client, bucket, owner) = self.client(place).await;
        let request = client.head_object().bucket(bucket).key(key).expected_bucket_owner(owner);
        match request.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(head) => Ok(match proof(head.checksum_sha256(), head.checksum_type()) {
                Some(digest) => Presence::Proven(digest),
                None => Presence::Unproven,
            }),
            Err(error) => match classify("s3:HeadObject", error) {
                error if error.kind == ErrorKind::Missing => Ok(Presence::Absent),
                error => Err(error),
            },
        }
    }

    async fn copy(&self, place: &Place, source: &CopySource) -> Result<Presence, PortError> {
        let (client, bucket, owner) = self.client(place).await;
        let copied = client
            .copy_object()
            .copy_source(format!("{}/{}", self.source_bucket, source.key))
            .expected_source_bucket_owner(&self.source_owner)
            .bucket(bucket)
            .key(&source.key)
            .expected_bucket_owner(owner)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .send()
            .await;
        let copied = match copied.map_err(|e| classify("s3:CopyObject", e)) {
            Ok(copied) => copied,
            // A bucket that lets nobody overwrite, and another copy was quicker: what is there is looked at.
            Err(error) if error.message.starts_with("PreconditionFailed") => {
                return self.presence(place, &source.key).await;
            }
            Err(error) => return Err(error),
        };
        let result = copied.copy_object_result();
        match result.and_then(|result| proof(result.checksum_sha256(), result.checksum_type())) {
            Some(digest) => Ok(Presence::Proven(digest)),
            // S3 answers with the checksum it was asked for; another implementation may keep it for HEAD.
            None => self.presence(place, &source.key).await,
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
