//! Lists and removes object versions in the ingest bucket and the artifact buckets on S3.

use crate::classify::{classify, kind_of};
use crate::{Sessions, Settings};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, DeleteMarkerEntry, ObjectIdentifier, ObjectVersion};
use flotilla_domain::Timestamp;
use flotilla_domain::config::account::{artifact_bucket, collector_role_arn};
use flotilla_domain::deployment::Access;
use flotilla_domain::retention::StoredVersion;
use flotilla_engine::ports::{
    AssetBucket, AssetBuckets, ErrorKind, ListMark, Place, PortError, Unremoved, VersionPage,
};

const LIST: &str = "s3:ListObjectVersions";
const DELETE: &str = "s3:DeleteObjects";

/// The ingest bucket and the artifact buckets on S3.
#[derive(Debug, Clone)]
pub struct S3AssetBuckets {
    sessions: Sessions,
    prefix: String,
    home_bucket: String,
    home_owner: String,
}

/// A bucket and its expected owner.
struct Reached {
    client: Client,
    bucket: String,
    owner: String,
}

impl S3AssetBuckets {
    /// The buckets, through these sessions: the ingest bucket with the function's own role, the others with the
    /// collector role of their account.
    pub fn new(sessions: Sessions, settings: &Settings) -> Self {
        Self {
            sessions,
            prefix: settings.prefix.clone(),
            home_bucket: settings.ingest_bucket.clone(),
            home_owner: settings.account.to_string(),
        }
    }

    async fn reach(&self, bucket: &AssetBucket) -> Reached {
        match bucket {
            AssetBucket::Home => Reached {
                client: Client::new(self.sessions.home()),
                bucket: self.home_bucket.clone(),
                owner: self.home_owner.clone(),
            },
            AssetBucket::At(Place { site, access }) => {
                let role_arn = collector_role_arn(&self.prefix, site);
                let access = Access { role_arn, ..access.clone() };
                let place = Place { site: site.clone(), access };
                Reached {
                    client: Client::new(&self.sessions.config(&place).await),
                    bucket: artifact_bucket(&self.prefix, &site.account, &site.region),
                    owner: site.account.to_string(),
                }
            }
        }
    }
}

fn stored_at(time: Option<&DateTime>) -> Result<Timestamp, PortError> {
    let second = time.and_then(|time| Timestamp::from_second(time.secs()).ok());
    second.ok_or_else(|| PortError::new(ErrorKind::Permanent, LIST, "a version has no Last-Modified"))
}

fn of_version(version: &ObjectVersion) -> Result<StoredVersion, PortError> {
    Ok(StoredVersion {
        key: version.key().unwrap_or_default().to_owned(),
        version_id: version.version_id().unwrap_or_default().to_owned(),
        stored_at: stored_at(version.last_modified())?,
        bytes: version.size().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
        is_latest: version.is_latest() == Some(true),
        is_marker: false,
    })
}

fn of_marker(marker: &DeleteMarkerEntry) -> Result<StoredVersion, PortError> {
    Ok(StoredVersion {
        key: marker.key().unwrap_or_default().to_owned(),
        version_id: marker.version_id().unwrap_or_default().to_owned(),
        stored_at: stored_at(marker.last_modified())?,
        bytes: 0,
        is_latest: marker.is_latest() == Some(true),
        is_marker: true,
    })
}

/// S3's error for one key that it did not remove.
fn refused(error: &aws_sdk_s3::types::Error) -> PortError {
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    PortError::new(kind_of(code, message), DELETE, format!("{code}: {message}"))
}

fn identifier(version: &StoredVersion) -> Result<ObjectIdentifier, PortError> {
    // Without a version id, S3 would add a delete marker to the key, whatever is stored there by then.
    if version.version_id.is_empty() || version.version_id == "null" {
        return Err(PortError::new(ErrorKind::Permanent, DELETE, format!("{} has no version", version.key)));
    }
    let object = ObjectIdentifier::builder().key(&version.key).version_id(&version.version_id);
    object.build().map_err(|error| PortError::new(ErrorKind::Permanent, DELETE, error.to_string()))
}

#[async_trait]
impl AssetBuckets for S3AssetBuckets {
    async fn list(
        &self,
        bucket: &AssetBucket,
        prefix: &str,
        after: Option<&ListMark>,
    ) -> Result<VersionPage, PortError> {
        let Reached { client, bucket, owner } = self.reach(bucket).await;
        let request =
            client.list_object_versions().bucket(bucket).prefix(prefix).expected_bucket_owner(owner);
        let request = request.set_key_marker(after.map(|mark| mark.key.clone()));
        let request = request.set_version_id_marker(after.and_then(|mark| mark.version_id.clone()));
        let page = request.send().await.map_err(|e| classify(LIST, e))?;
        let versions = page.versions().iter().map(of_version);
        let mut versions = versions
            .chain(page.delete_markers().iter().map(of_marker))
            .collect::<Result<Vec<_>, PortError>>()?;
        // S3 lists versions and delete markers separately; within a key the latest comes first.
        versions.sort_by(|one, other| {
            let age = other.stored_at.cmp(&one.stored_at);
            one.key.cmp(&other.key).then(other.is_latest.cmp(&one.is_latest)).then(age)
        });
        let next = page.next_key_marker().filter(|_| page.is_truncated() == Some(true));
        let next = next.map(|key| ListMark {
            key: key.to_owned(),
            version_id: page.next_version_id_marker().filter(|id| !id.is_empty()).map(str::to_owned),
        });
        Ok(VersionPage { versions, next })
    }

    async fn remove(
        &self,
        bucket: &AssetBucket,
        versions: &[&StoredVersion],
    ) -> Result<Unremoved, PortError> {
        let Reached { client, bucket, owner } = self.reach(bucket).await;
        let objects = versions.iter().map(|version| identifier(version)).collect::<Result<Vec<_>, _>>()?;
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete =
            delete.map_err(|error| PortError::new(ErrorKind::Permanent, DELETE, error.to_string()))?;
        let request = client.delete_objects().bucket(bucket).delete(delete).expected_bucket_owner(owner);
        let deleted = request.send().await.map_err(|e| classify(DELETE, e))?;
        // A version that does not exist counts as removed.
        let errors = || deleted.errors().iter().filter(|error| refused(error).kind != ErrorKind::Missing);
        let is_left = |version: &StoredVersion| {
            errors().any(|error| {
                error.key() == Some(&version.key)
                    && error.version_id().is_none_or(|id| id.is_empty() || id == version.version_id)
            })
        };
        let places = versions.iter().enumerate().filter(|(_, version)| is_left(version));
        Ok(Unremoved { places: places.map(|(place, _)| place).collect(), why: errors().next().map(refused) })
    }
}
