//! The contract of the artifact buckets.

use super::{Bench, Quirk};
use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::release::package::asset_key;
use flotilla_domain::replica::Copies;
use flotilla_engine::ports::{
    Body, CopySource, ErrorKind, PackageStore, Place, PortError, Presence, ReplicaStore,
};
use std::time::Duration;

/// The contract of the artifact buckets, which are filled from the ingest bucket.
///
/// # Panics
/// If a store violates it.
pub async fn replica_store(replicas: &dyn ReplicaStore, packages: &dyn PackageStore, bench: &dyn Bench) {
    for how in [Copies::S3, Copies::Streamed] {
        a_copy_is_proven_and_can_be_made_again(replicas, packages, bench, how).await;
        what_is_missing_cannot_be_copied(replicas, bench, how).await;
    }
    a_copy_tells_the_digest_of_its_own_bytes(replicas, packages, bench).await;
    what_has_another_digest_is_not_streamed(replicas, packages, bench).await;
    what_has_no_checksum_is_not_proven(replicas, bench).await;
}

async fn presence(replicas: &dyn ReplicaStore, place: &Place, key: &str) -> Result<Presence, PortError> {
    let seen = replicas.presence(place, key).await?;
    assert_eq!(seen.stored_at.is_none(), seen.presence == Presence::Absent, "what is there has an age");
    Ok(seen.presence)
}

async fn a_copy_is_proven_and_can_be_made_again(
    replicas: &dyn ReplicaStore,
    packages: &dyn PackageStore,
    bench: &dyn Bench,
    how: Copies,
) {
    let (bytes, place) = (Bytes::from(format!("copied {how:?} {}", bench.space())), bench.place());
    let digest = Digest::of(&bytes);
    let source = CopySource { key: asset_key(&digest), digest };
    packages.put(&source.key, &digest, Body::Bytes(bytes)).await.expect("it is stored");
    assert_eq!(presence(replicas, place, &source.key).await, Ok(Presence::Absent));
    assert_eq!(replicas.copy(place, &source, how).await, Ok(Presence::Proven(digest)));
    assert_eq!(presence(replicas, place, &source.key).await, Ok(Presence::Proven(digest)));
    assert_eq!(replicas.copy(place, &source, how).await, Ok(Presence::Proven(digest)), "again");
    let stored_at = async || replicas.presence(place, &source.key).await.expect("an answer").stored_at;
    let before = stored_at().await;
    bench.pass(Duration::from_millis(1_100)).await;
    replicas.copy(place, &source, how).await.expect("a copy");
    assert!(stored_at().await > before, "a copy that is made again is younger");
    assert_eq!(presence(replicas, place, &source.key).await, Ok(Presence::Proven(digest)));
}

async fn what_is_missing_cannot_be_copied(replicas: &dyn ReplicaStore, bench: &dyn Bench, how: Copies) {
    let digest = Digest::of(format!("never stored {}", bench.space()).as_bytes());
    let source = CopySource { key: asset_key(&digest), digest };
    let error = replicas.copy(bench.place(), &source, how).await.expect_err("there is nothing to copy");
    assert_eq!(error.kind, ErrorKind::Missing, "s06: {error}");
    assert_eq!(presence(replicas, bench.place(), &source.key).await, Ok(Presence::Absent));
}

/// The key and the caller may be wrong: only the SHA-256 that S3 computed of the bytes is a proof.
async fn a_copy_tells_the_digest_of_its_own_bytes(
    replicas: &dyn ReplicaStore,
    packages: &dyn PackageStore,
    bench: &dyn Bench,
) {
    let wanted = Digest::of(format!("wanted {}", bench.space()).as_bytes());
    let source = CopySource { key: asset_key(&wanted), digest: wanted };
    let bytes = Bytes::from(format!("another {}", bench.space()));
    let found = Digest::of(&bytes);
    packages.put(&source.key, &found, Body::Bytes(bytes)).await.expect("it is stored");
    assert_eq!(replicas.copy(bench.place(), &source, Copies::S3).await, Ok(Presence::Proven(found)));
    let seen = presence(replicas, bench.place(), &source.key).await;
    assert_eq!(seen, Ok(Presence::Proven(found)), "s09: what is there is verified");
}

/// Nothing is stored: S3 refuses bytes whose digest differs from the given one.
async fn what_has_another_digest_is_not_streamed(
    replicas: &dyn ReplicaStore,
    packages: &dyn PackageStore,
    bench: &dyn Bench,
) {
    let wanted = Digest::of(format!("streamed, wanted {}", bench.space()).as_bytes());
    let source = CopySource { key: asset_key(&wanted), digest: wanted };
    let bytes = Bytes::from(format!("streamed, another {}", bench.space()));
    packages.put(&source.key, &Digest::of(&bytes), Body::Bytes(bytes)).await.expect("it is stored");
    let copied = replicas.copy(bench.place(), &source, Copies::Streamed).await;
    assert_eq!(copied, Ok(Presence::Absent), "s09");
}

async fn what_has_no_checksum_is_not_proven(replicas: &dyn ReplicaStore, bench: &dyn Bench) {
    let quirks = bench.quirks();
    let bytes = Bytes::from(format!("unproven {}", bench.space()));
    let digest = Digest::of(&bytes);
    let source = CopySource { key: asset_key(&digest), digest };
    bench.place_unproven(&source.key, bytes.clone()).await;
    let seen = presence(replicas, bench.place(), &source.key).await.expect("an answer");
    quirks.check(
        Quirk::EveryObjectIsProven,
        seen == Presence::Unproven,
        "s10: an object without a full SHA-256 is not proven",
    );
    bench.store_unproven(&source.key, bytes).await;
    let copied = replicas.copy(bench.place(), &source, Copies::S3).await.expect("a copy");
    quirks.check(
        Quirk::CopiesStayUnproven,
        copied == Presence::Proven(digest),
        "S3 computes the SHA-256 of the copy that it makes",
    );
    let streamed = replicas.copy(bench.place(), &source, Copies::Streamed).await;
    assert_eq!(streamed, Ok(Presence::Proven(digest)), "what is streamed is proven, whatever its source");
}
