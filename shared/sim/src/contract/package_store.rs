//! The contract of the ingest bucket.

use super::{Bench, Quirk};
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::release::package::asset_key;
use flotilla_engine::ports::{
    Body, ChunkStream, ErrorKind, ExternalObject, ObjectRef, PackageStore, PortError,
};
use std::ops::Range;
use std::time::Duration;

/// The contract of the ingest bucket.
///
/// # Panics
/// If the store violates it.
pub async fn package_store(store: &dyn PackageStore, bench: &dyn Bench) {
    tails_and_ranges_are_read_exactly(store, bench).await;
    an_object_without_bytes_has_an_empty_tail(store, bench).await;
    the_pinned_version_is_read_whatever_comes_after_it(store, bench).await;
    the_latest_version_of_a_small_object_is_read_whole(store, bench).await;
    what_is_stored_is_proven_by_its_digest(store, bench).await;
    what_has_another_digest_is_not_stored(store, bench).await;
    what_is_stored_anew_is_young_again(store, bench).await;
    a_range_is_lifted_out_of_an_upload_and_proven(store, bench).await;
    an_object_of_another_bucket_is_fetched_and_proven(store, bench).await;
    what_has_no_checksum_is_not_held(store, bench).await;
    uploads_are_listed_in_the_order_of_their_keys(store, bench).await;
}

fn key(bench: &dyn Bench, name: &str) -> String {
    format!("incoming/{}/branch/main/{name}.zip", bench.space())
}

async fn upload(bench: &dyn Bench, key: &str, bytes: &Bytes) -> ObjectRef {
    let version_id = bench.upload(key, bytes.clone()).await;
    ObjectRef { key: key.to_owned(), version_id }
}

/// Reads a stream to its end.
async fn drain(mut stream: Box<dyn ChunkStream>) -> Result<Vec<u8>, PortError> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

async fn read(store: &dyn PackageStore, object: &ObjectRef, range: Range<u64>) -> Result<Vec<u8>, PortError> {
    drain(store.read(object, range).await?).await
}

async fn tails_and_ranges_are_read_exactly(store: &dyn PackageStore, bench: &dyn Bench) {
    let bytes: Bytes = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    // S04: the key is used exactly, whatever URL encoding requires.
    let object = upload(bench, &key(bench, "a b+c%2Fü"), &bytes).await;
    for wanted in [1, 65_557, 200_000, 300_000] {
        let tail = store.read_tail(&object, wanted).await.expect("a tail");
        let start = bytes.len().saturating_sub(usize::try_from(wanted).expect("a small number"));
        assert_eq!((tail.bytes.len(), tail.total_bytes), (bytes.len() - start, 200_000));
        assert!(tail.bytes == bytes[start..], "the last {wanted} bytes are others");
        let age_s = bench.now_ms() / 1_000 - tail.uploaded_at.as_second();
        assert!((-5..300).contains(&age_s), "it was uploaded at {}", tail.uploaded_at);
        assert_eq!(tail.uploaded_at.subsec_nanosecond(), 0, "S3 tells seconds");
    }
    for range in [0..1_usize, 0..200_000, 7..70_007, 199_999..200_000, 5..5] {
        let found = read(store, &object, range.start as u64..range.end as u64).await.expect("a range");
        assert!(found == bytes[range.clone()], "{range:?} is {} bytes", found.len());
    }
    let beyond = read(store, &object, 199_990..200_010).await;
    assert!(beyond.is_err(), "a range that is not all there is an error, never fewer bytes");
}

async fn an_object_without_bytes_has_an_empty_tail(store: &dyn PackageStore, bench: &dyn Bench) {
    let object = upload(bench, &key(bench, "empty"), &Bytes::new()).await;
    let tail = store.read_tail(&object, 1_000).await.expect("a tail");
    assert_eq!((tail.bytes.len(), tail.total_bytes), (0, 0));
}

async fn the_pinned_version_is_read_whatever_comes_after_it(store: &dyn PackageStore, bench: &dyn Bench) {
    let key = key(bench, "overwritten");
    let (old, new) = (Bytes::from_static(b"old bytes"), Bytes::from_static(b"new and more"));
    let first = upload(bench, &key, &old).await;
    let second = upload(bench, &key, &new).await;
    assert_ne!(first.version_id, second.version_id);
    // S05: the bytes that are read are those of the version that was seen first.
    assert_eq!(store.read_tail(&first, 5).await.expect("a tail").bytes, old[4..]);
    assert_eq!(read(store, &first, 0..9).await.expect("a range"), old);
    assert_eq!(read(store, &second, 0..12).await.expect("a range"), new);
    bench.remove_upload(&key, &first.version_id).await;
    // S06: a deleted version is missing, although the key has another one.
    let kinds = [
        store.read_tail(&first, 5).await.map(drop).expect_err("it is gone").kind,
        read(store, &first, 0..9).await.expect_err("it is gone").kind,
    ];
    assert_eq!(kinds, [ErrorKind::Missing; 2]);
    assert_eq!(read(store, &second, 0..12).await.expect("a range"), new, "the other one stays");
    let nowhere = ObjectRef { key: format!("{key}.no"), ..second };
    let kind = store.read_tail(&nowhere, 5).await.map(drop).expect_err("there is no such key").kind;
    assert_eq!(kind, ErrorKind::Missing);
}

async fn the_latest_version_of_a_small_object_is_read_whole(store: &dyn PackageStore, bench: &dyn Bench) {
    let key = key(bench, "small");
    assert_eq!(store.read_latest(&key, 10).await, Ok(None), "there is none yet");
    for bytes in [Bytes::from_static(b"old bytes"), Bytes::new(), Bytes::from_static(b"new bytes!")] {
        upload(bench, &key, &bytes).await;
        assert_eq!(store.read_latest(&key, 10).await, Ok(Some(bytes)));
    }
    let cut = store.read_latest(&key, 4).await.expect("an object");
    assert_eq!(cut, Some(Bytes::from_static(b"new b")), "one more byte tells that there are more");
}

async fn holds(store: &dyn PackageStore, key: &str, digest: &Digest) -> Result<bool, PortError> {
    Ok(store.holds(key, digest).await?.is_some())
}

async fn what_is_stored_is_proven_by_its_digest(store: &dyn PackageStore, bench: &dyn Bench) {
    let other = Digest::of(b"other");
    for (n, streamed) in [false, true].into_iter().enumerate() {
        let bytes = Bytes::from(format!("stored {n} {}", bench.space()));
        let digest = Digest::of(&bytes);
        let key = asset_key(&digest);
        assert_eq!(holds(store, &key, &digest).await, Ok(false), "not yet");
        for _ in 0..2 {
            let body =
                if streamed { stream(bytes.chunks(5), bytes.len()) } else { Body::Bytes(bytes.clone()) };
            assert_eq!(store.put(&key, &digest, body).await, Ok(()), "streamed: {streamed}");
            assert_eq!(holds(store, &key, &digest).await, Ok(true));
            assert_eq!(holds(store, &key, &other).await, Ok(false), "it has another digest");
        }
    }
}

async fn what_has_another_digest_is_not_stored(store: &dyn PackageStore, bench: &dyn Bench) {
    let bytes = Bytes::from(format!("refused {}", bench.space()));
    let wanted = Digest::of(format!("wanted {}", bench.space()).as_bytes());
    let key = asset_key(&wanted);
    let refused = store.put(&key, &wanted, Body::Bytes(bytes.clone())).await.expect_err("other bytes");
    assert_eq!(refused.kind, ErrorKind::Permanent, "{refused}");
    let refused = store.put(&key, &wanted, stream(bytes.chunks(4), bytes.len())).await;
    assert_eq!(refused.expect_err("other bytes").kind, ErrorKind::Permanent);
    // An interrupted upload leaves nothing behind.
    let length = bytes.len() as u64;
    let broken = Body::Stream(length, Box::new(Chunks(vec![Err(lost()), Ok(bytes.slice(..4))])));
    store.put(&key, &Digest::of(&bytes), broken).await.expect_err("it broke off");
    assert_eq!(holds(store, &key, &wanted).await, Ok(false));
    assert_eq!(holds(store, &key, &Digest::of(&bytes)).await, Ok(false));
}

async fn what_is_stored_anew_is_young_again(store: &dyn PackageStore, bench: &dyn Bench) {
    let bytes = Bytes::from(format!("renewed {}", bench.space()));
    let (digest, other) = (Digest::of(&bytes), Digest::of(b"other"));
    let key = asset_key(&digest);
    assert_eq!(store.renew(&key, &digest).await, Ok(false), "there is none yet");
    store.put(&key, &digest, Body::Bytes(bytes)).await.expect("it is stored");
    let stored_at = async || store.holds(&key, &digest).await.expect("an answer").expect("it is held");
    let before = stored_at().await;
    let age_s = bench.now_ms() / 1_000 - before.as_second();
    assert!((-5..300).contains(&age_s), "it was stored at {before}");
    bench.pass(Duration::from_millis(1_100)).await;
    assert_eq!(stored_at().await, before, "looking at it does not make it younger");
    assert_eq!(store.renew(&key, &digest).await, Ok(true));
    let after = stored_at().await;
    assert!(after > before, "{after}, before {before}");
    assert_eq!(store.renew(&key, &other).await, Ok(false), "it has another digest");
}

async fn a_range_is_lifted_out_of_an_upload_and_proven(store: &dyn PackageStore, bench: &dyn Bench) {
    let bytes: Bytes = (0..100_000_u32).map(|n| (n % 241) as u8).collect();
    let object = upload(bench, &key(bench, "lifted +ü"), &bytes).await;
    let digest = Digest::of(&bytes[7..70_007]);
    let (parked, key) = (format!("parked/{}/7", bench.space()), asset_key(&digest));
    for _ in 0..2 {
        let lifted = store.lift(&object, 7..70_007, &parked).await.expect("a copy");
        bench.quirks().check(
            Quirk::PartsHaveNoDigest,
            lifted == Some(digest),
            "S3 computes the range's digest",
        );
        if lifted.is_none() {
            return;
        }
        assert_eq!(store.settle(&parked, &key, &digest).await, Ok(true));
        assert_eq!(holds(store, &key, &digest).await, Ok(true), "what was copied whole is proven");
    }
    let other = Digest::of(b"other");
    store.settle(&parked, &asset_key(&other), &other).await.expect_err("it has another digest");
    store.lift(&object, 99_000..100_001, &parked).await.expect_err("the range is not all there");
    let kind =
        store.settle(&format!("{parked}.no"), &key, &digest).await.expect_err("nothing is parked").kind;
    assert_eq!(kind, ErrorKind::Missing);
}

async fn an_object_of_another_bucket_is_fetched_and_proven(store: &dyn PackageStore, bench: &dyn Bench) {
    let bytes = Bytes::from(format!("somebody else's {}", bench.space()));
    let digest = Digest::of(&bytes);
    let from = bench.place_external("vendor/a +ü.zip", bytes.clone()).await;
    let parked = format!("parked/{}/external", bench.space());
    for _ in 0..2 {
        assert_eq!(store.fetch(&from, &parked).await, Ok(Some(digest)));
    }
    let key = asset_key(&digest);
    assert_eq!(store.settle(&parked, &key, &digest).await, Ok(true));
    assert_eq!(holds(store, &key, &digest).await, Ok(true));
    let (length, stream) = store.read_parked(&parked).await.expect("it is read");
    assert_eq!((length, drain(stream).await), (bytes.len() as u64, Ok(bytes.to_vec())));
    let none = ExternalObject { key: "vendor/none.zip".into(), ..from };
    assert_eq!(store.fetch(&none, &parked).await.expect_err("it does not exist").kind, ErrorKind::Missing);
    let read = store.read_parked(&format!("{parked}.no")).await.map(|(length, _)| length);
    assert_eq!(read.expect_err("nothing is parked").kind, ErrorKind::Missing);
}

async fn what_has_no_checksum_is_not_held(store: &dyn PackageStore, bench: &dyn Bench) {
    let bytes = Bytes::from(format!("held by no proof {}", bench.space()));
    let digest = Digest::of(&bytes);
    bench.store_unproven(&asset_key(&digest), bytes).await;
    let held = holds(store, &asset_key(&digest), &digest).await.expect("an answer");
    bench.quirks().check(Quirk::EveryObjectIsProven, !held, "only S3's own SHA-256 is a proof");
}

async fn uploads_are_listed_in_the_order_of_their_keys(store: &dyn PackageStore, bench: &dyn Bench) {
    let mut wanted = Vec::new();
    for name in ["list-9", "list-10", "list-a", "list-ü", "list-1"] {
        let key = key(bench, name);
        upload(bench, &key, &Bytes::from_static(b"first")).await;
        wanted.push(upload(bench, &key, &Bytes::from_static(b"latest")).await);
    }
    wanted.sort_by(|one, other| one.key.cmp(&other.key));
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..100 {
        let page = store.list_incoming(after.as_deref()).await.expect("a page");
        found.extend(page.objects.into_iter().map(|upload| upload.object));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(after, None, "the list has an end");
    assert!(found.is_sorted_by(|one, other| one.key < other.key), "each key once, in order: {found:?}");
    found.retain(|version| version.key.contains("list-"));
    let found: Vec<_> =
        found.into_iter().map(|v| ObjectRef { key: v.key, version_id: v.version_id }).collect();
    assert_eq!(found, wanted, "s03: the latest version of each");
}

/// The chunks, in reverse order.
struct Chunks(Vec<Result<Bytes, PortError>>);

#[async_trait]
impl ChunkStream for Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        self.0.pop().transpose()
    }
}

fn stream<'a>(chunks: impl DoubleEndedIterator<Item = &'a [u8]>, length: usize) -> Body {
    let chunks = chunks.rev().map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
    Body::Stream(length as u64, Box::new(Chunks(chunks.collect())))
}

fn lost() -> PortError {
    PortError::new(ErrorKind::Transient, "s3:GetObject", "the body ended early")
}
