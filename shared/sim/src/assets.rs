//! The versions of objects in the ingest bucket and the artifact buckets, and the fake that removes them.

use crate::objects::Version;
use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::retention::StoredVersion;
use flotilla_domain::{Digest, Site, Timestamp};
use flotilla_engine::ports::{AssetBucket, AssetBuckets, ListMark, PortError, Unremoved, VersionPage};

impl State {
    /// Stores an object as a new version.
    pub fn keep(&mut self, site: Option<&Site>, key: &str, digest: Digest, bytes: u64) {
        self.store_version(site, key, Some(digest), bytes);
    }

    /// Deletes an object as a person does: its versions remain behind a delete marker.
    pub fn hide(&mut self, site: Option<&Site>, key: &str) {
        self.store_version(site, key, None, 0);
    }

    fn store_version(&mut self, site: Option<&Site>, key: &str, digest: Option<Digest>, bytes: u64) {
        // S3 reports whole seconds.
        let stored_at = Timestamp::from_second(self.now_ms.div_euclid(1_000)).unwrap_or(Timestamp::MAX);
        self.objects.made += 1;
        let version = Version { id: self.objects.made, stored_at, digest, bytes };
        self.objects.versions.entry((site.cloned(), key.to_owned())).or_default().push(version);
        self.answer(site, key, digest);
    }

    /// Sets the version that a key returns from now on.
    fn answer(&mut self, site: Option<&Site>, key: &str, digest: Option<Digest>) {
        match (site, digest) {
            (None, Some(digest)) => drop(self.home.insert(key.to_owned(), digest)),
            (None, None) => drop(self.home.remove(key)),
            (Some(site), Some(digest)) => drop(self.replicas.insert((site.clone(), key.to_owned()), digest)),
            (Some(site), None) => drop(self.replicas.remove(&(site.clone(), key.to_owned()))),
        }
    }

    fn remove_version(&mut self, site: Option<&Site>, key: &str, id: &str) {
        let place = (site.cloned(), key.to_owned());
        let Some(versions) = self.objects.versions.get_mut(&place) else { return };
        versions.retain(|version| version.id.to_string() != id);
        let latest = versions.last().and_then(|version| version.digest);
        if versions.is_empty() {
            self.objects.versions.remove(&place);
            self.objects.gone.push(place);
        }
        self.answer(site, key, latest);
    }
}

fn site_of(bucket: &AssetBucket) -> Option<&Site> {
    match bucket {
        AssetBucket::Home => None,
        AssetBucket::At(place) => Some(&place.site),
    }
}

/// The versions of one page: few, so that the versions of a key can span two pages.
const PAGE: usize = 4;

/// The buckets.
pub struct SimAssetBuckets(pub Shared);

#[async_trait]
impl AssetBuckets for SimAssetBuckets {
    async fn list(
        &self,
        bucket: &AssetBucket,
        prefix: &str,
        after: Option<&ListMark>,
    ) -> Result<VersionPage, PortError> {
        let site = site_of(bucket);
        let list = |state: &mut State| {
            let first = (site.cloned(), prefix.to_owned());
            let mut versions = Vec::new();
            let inside = state.objects.versions.range(first..);
            let inside = inside.take_while(|((at, key), _)| at.as_ref() == site && key.starts_with(prefix));
            for ((_, key), of_key) in inside {
                // The marker names a version; the older versions of its key follow.
                let below = match after {
                    Some(mark) if *key < mark.key => 0,
                    Some(mark) if *key == mark.key => {
                        mark.version_id.as_ref().and_then(|id| id.parse().ok()).unwrap_or(0)
                    }
                    _ => u64::MAX,
                };
                let latest = of_key.last().map(|version| version.id);
                for version in of_key.iter().rev().filter(|version| version.id < below) {
                    versions.push(StoredVersion {
                        key: key.clone(),
                        version_id: version.id.to_string(),
                        stored_at: version.stored_at,
                        bytes: version.bytes,
                        is_latest: Some(version.id) == latest,
                        is_marker: version.digest.is_none(),
                    });
                }
                if versions.len() > PAGE {
                    break;
                }
            }
            let more = versions.len() > PAGE;
            versions.truncate(PAGE);
            let mark = |last: &StoredVersion| ListMark {
                key: last.key.clone(),
                version_id: Some(last.version_id.clone()),
            };
            Ok(VersionPage { next: versions.last().filter(|_| more).map(mark), versions })
        };
        self.0.call("s3:ListObjectVersions", site, list).await
    }

    async fn remove(
        &self,
        bucket: &AssetBucket,
        versions: &[&StoredVersion],
    ) -> Result<Unremoved, PortError> {
        let site = site_of(bucket);
        let remove = |state: &mut State| {
            for version in versions {
                state.remove_version(site, &version.key, &version.version_id);
            }
            Ok(Unremoved::default())
        };
        self.0.call("s3:DeleteObjects", site, remove).await
    }
}
