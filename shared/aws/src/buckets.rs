//! Empties a preview's buckets on S3.

use crate::Sessions;
use crate::classify::classify;
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use flotilla_engine::ports::{Buckets, Emptied, ErrorKind, Place, PortError};

/// Pages of 1,000 versions that one call removes.
const PAGES_MAX: usize = 5;

/// S3, for buckets that will be deleted.
#[derive(Debug, Clone)]
pub struct S3Buckets {
    sessions: Sessions,
}

impl S3Buckets {
    /// The buckets, through these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

fn permanent(operation: &'static str) -> impl Fn(aws_sdk_s3::error::BuildError) -> PortError {
    move |error| PortError::new(ErrorKind::Permanent, operation, error.to_string())
}

/// Removes one page of versions and delete markers. Returns their number.
async fn remove_page(client: &Client, bucket: &str, owner: &str) -> Result<u64, PortError> {
    const DELETE: &str = "s3:DeleteObjects";
    let page = client.list_object_versions().bucket(bucket).expected_bucket_owner(owner).send().await;
    let page = page.map_err(|e| classify("s3:ListObjectVersions", e))?;
    let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
    let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
    let objects = versions.chain(markers).map(|(key, version)| {
        ObjectIdentifier::builder()
            .key(key.unwrap_or_default())
            .set_version_id(version.map(str::to_owned))
            .build()
    });
    let objects: Vec<ObjectIdentifier> = objects.collect::<Result<_, _>>().map_err(permanent(DELETE))?;
    let count = objects.len() as u64;
    if count == 0 {
        return Ok(0);
    }
    let delete =
        Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(permanent(DELETE))?;
    let request = client.delete_objects().bucket(bucket).delete(delete).expected_bucket_owner(owner);
    let deleted = request.send().await.map_err(|e| classify(DELETE, e))?;
    match deleted.errors().first() {
        None => Ok(count),
        Some(error) => {
            let text =
                format!("{}: {}", error.code().unwrap_or_default(), error.message().unwrap_or_default());
            let kind =
                if error.code() == Some("AccessDenied") { ErrorKind::Denied } else { ErrorKind::Transient };
            Err(PortError::new(kind, DELETE, text))
        }
    }
}

/// Aborts one page of multipart uploads. Returns their number, and whether those were all.
async fn abort_uploads(client: &Client, bucket: &str, owner: &str) -> Result<(u64, bool), PortError> {
    let page = client.list_multipart_uploads().bucket(bucket).expected_bucket_owner(owner).send().await;
    let page = page.map_err(|e| classify("s3:ListMultipartUploads", e))?;
    for upload in page.uploads() {
        let request = client.abort_multipart_upload().bucket(bucket).expected_bucket_owner(owner);
        let request =
            request.key(upload.key().unwrap_or_default()).upload_id(upload.upload_id().unwrap_or_default());
        request.send().await.map_err(|e| classify("s3:AbortMultipartUpload", e))?;
    }
    Ok((page.uploads().len() as u64, page.is_truncated() != Some(true)))
}

#[async_trait]
impl Buckets for S3Buckets {
    async fn empty(&self, place: &Place, bucket: &str) -> Result<Emptied, PortError> {
        let client = Client::new(&self.sessions.config(place).await);
        let owner = place.site.account.to_string();
        let mut removed = 0;
        for _ in 0..PAGES_MAX {
            let now = match remove_page(&client, bucket, &owner).await {
                Err(error) if error.kind == ErrorKind::Missing => return Ok(Emptied { removed, done: true }),
                now => now?,
            };
            removed += now;
            if now == 0 {
                let (aborted, done) = abort_uploads(&client, bucket, &owner).await?;
                return Ok(Emptied { removed: removed + aborted, done });
            }
        }
        Ok(Emptied { removed, done: false })
    }
}
