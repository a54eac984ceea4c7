//! The contract of the buckets that contain packages, as garbage collection uses them.

use super::Bench;
use bytes::Bytes;
use flotilla_domain::release::package::{asset_key, template_key};
use flotilla_domain::retention::StoredVersion;
use flotilla_domain::{Digest, Region};
use flotilla_engine::ports::{
    AssetBucket, AssetBuckets, Body, ErrorKind, ListMark, PackageStore, Unremoved, VersionPage,
};

/// The number of pages within which a short list must end.
const PAGES_MAX: usize = 100;

/// The contract of the buckets that contain packages.
///
/// # Panics
/// If S3 violates it.
pub async fn asset_buckets(buckets: &dyn AssetBuckets, packages: &dyn PackageStore, bench: &dyn Bench) {
    versions_are_listed_the_latest_of_each_key_first(buckets, bench).await;
    a_list_goes_on_behind_any_of_its_versions(buckets, bench).await;
    a_version_is_removed_and_what_was_stored_later_stays(buckets, bench).await;
    the_ingest_bucket_is_one_of_them(buckets, packages, bench).await;
    a_region_without_a_bucket_is_missing(buckets, bench).await;
}

fn site(bench: &dyn Bench) -> AssetBucket {
    AssetBucket::At(bench.place().clone())
}

async fn all(buckets: &dyn AssetBuckets, bucket: &AssetBucket, prefix: &str) -> Vec<StoredVersion> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = buckets.list(bucket, prefix, after.as_ref()).await.expect("a page");
        all.extend(page.versions);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
    panic!("the list has no end");
}

/// The versions of one object.
async fn of_key(buckets: &dyn AssetBuckets, bucket: &AssetBucket, key: &str) -> Vec<StoredVersion> {
    let mut found = all(buckets, bucket, key).await;
    found.retain(|version| version.key == key);
    found
}

fn name(bench: &dyn Bench, what: &str) -> (String, Bytes) {
    let bytes = Bytes::from(format!("{what} {}", bench.space()));
    (asset_key(&Digest::of(&bytes)), bytes)
}

async fn versions_are_listed_the_latest_of_each_key_first(buckets: &dyn AssetBuckets, bench: &dyn Bench) {
    let (key, bytes) = name(bench, "listed");
    let template = template_key(&Digest::of(&bytes));
    for _ in 0..2 {
        bench.place_object(&key, bytes.clone()).await;
    }
    bench.place_object(&template, bytes.clone()).await;
    bench.hide_object(&key).await;
    bench.place_object(&key, bytes.clone()).await;
    let found = of_key(buckets, &site(bench), &key).await;
    let seen: Vec<_> = found.iter().map(|version| (version.is_latest, version.is_marker)).collect();
    assert_eq!(seen.iter().filter(|(latest, _)| *latest).count(), 1, "{found:?}");
    assert_eq!(seen.iter().filter(|(_, marker)| *marker).count(), 1, "{found:?}");
    assert_eq!((seen.len(), seen[0]), (4, (true, false)), "{found:?}");
    for version in &found {
        assert!(!version.version_id.is_empty() && version.version_id != "null", "{version:?}");
        let bytes = if version.is_marker { 0 } else { bytes.len() as u64 };
        assert_eq!(version.bytes, bytes);
        let age_s = bench.now_ms() / 1_000 - version.stored_at.as_second();
        assert!((-5..300).contains(&age_s), "{version:?}");
    }
    let whole = all(buckets, &site(bench), "assets/").await;
    assert!(whole.is_sorted_by(|one, other| one.key <= other.key), "in the order of the keys");
    assert!(whole.iter().all(|version| version.key.starts_with("assets/")));
    assert_eq!(of_key(buckets, &site(bench), &template).await.len(), 1);
}

async fn a_list_goes_on_behind_any_of_its_versions(buckets: &dyn AssetBuckets, bench: &dyn Bench) {
    let whole = all(buckets, &site(bench), "assets/").await;
    assert!(whole.len() >= 4, "the versions of the test before");
    let bucket = site(bench);
    for (place, version) in whole.iter().enumerate().filter(|(_, version)| !version.is_marker) {
        let mark = ListMark { key: version.key.clone(), version_id: Some(version.version_id.clone()) };
        let page = buckets.list(&bucket, "assets/", Some(&mark)).await.expect("a page");
        let next = page.versions.iter().find(|other| !other.is_marker);
        let wanted = whole[place + 1..].iter().find(|other| !other.is_marker);
        assert_eq!(next.map(|v| &v.version_id), wanted.map(|v| &v.version_id), "behind {version:?}");
    }
}

async fn a_version_is_removed_and_what_was_stored_later_stays(buckets: &dyn AssetBuckets, bench: &dyn Bench) {
    let (key, bytes) = name(bench, "removed");
    let (other, other_bytes) = name(bench, "kept");
    bench.place_object(&other, other_bytes).await;
    bench.place_object(&key, bytes.clone()).await;
    let listed = of_key(buckets, &site(bench), &key).await;
    bench.place_object(&key, bytes).await;
    for _ in 0..2 {
        let removed = buckets.remove(&site(bench), &listed.iter().collect::<Vec<_>>()).await;
        assert_eq!(removed, Ok(Unremoved::default()), "also when it is gone already");
        let left = of_key(buckets, &site(bench), &key).await;
        assert_eq!(left.len(), 1, "what came after the list stays");
        assert!(left[0].is_latest && left[0].version_id != listed[0].version_id);
    }
    bench.hide_object(&key).await;
    let listed = of_key(buckets, &site(bench), &key).await;
    assert_eq!(listed.len(), 2, "a version and a mark");
    let removed = buckets.remove(&site(bench), &listed.iter().collect::<Vec<_>>()).await;
    assert_eq!(removed, Ok(Unremoved::default()));
    assert_eq!(of_key(buckets, &site(bench), &key).await, [], "nothing stays behind, no mark either");
    assert_eq!(of_key(buckets, &site(bench), &other).await.len(), 1);
}

async fn the_ingest_bucket_is_one_of_them(
    buckets: &dyn AssetBuckets,
    packages: &dyn PackageStore,
    bench: &dyn Bench,
) {
    let (key, bytes) = name(bench, "at home");
    let digest = Digest::of(&bytes);
    packages.put(&key, &digest, Body::Bytes(bytes)).await.expect("it is stored");
    let listed = of_key(buckets, &AssetBucket::Home, &key).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(packages.holds(&key, &digest).await, Ok(Some(listed[0].stored_at)), "both tell the same age");
    let removed = buckets.remove(&AssetBucket::Home, &[&listed[0]]).await;
    assert_eq!(removed, Ok(Unremoved::default()));
    assert_eq!(packages.holds(&key, &digest).await, Ok(None));
}

async fn a_region_without_a_bucket_is_missing(buckets: &dyn AssetBuckets, bench: &dyn Bench) {
    let mut elsewhere = bench.place().clone();
    elsewhere.site.region = Region::parse("ap-south-2").expect("a region");
    match buckets.list(&AssetBucket::At(elsewhere), "assets/", None).await {
        Err(error) => assert_eq!(error.kind, ErrorKind::Missing, "{error}"),
        Ok(page) => assert_eq!(page, VersionPage::default(), "or it is empty"),
    }
}
