//! The contract of the port that empties buckets before their deletion.

use super::{Bench, Quirk};
use flotilla_domain::AccountId;
use flotilla_engine::ports::{Buckets, Emptied, ErrorKind, PortError};

/// The number of calls within which a small bucket must be empty.
const CALLS_MAX: usize = 100;

/// The contract of the port that empties buckets before their deletion.
///
/// # Panics
/// If S3 violates it.
pub async fn buckets(buckets: &dyn Buckets, bench: &dyn Bench) {
    if bench.quirks().have(Quirk::BucketsAreNotKept) {
        empty(buckets, bench, "any").await;
        return;
    }
    a_bucket_that_does_not_exist_is_empty(buckets, bench).await;
    versions_markers_and_unfinished_uploads_go(buckets, bench).await;
    a_bucket_of_somebody_else_is_left_alone(buckets, bench).await;
}

/// Empties a bucket and returns how much was removed.
async fn empty(buckets: &dyn Buckets, bench: &dyn Bench, bucket: &str) -> u64 {
    let mut removed = 0;
    for _ in 0..CALLS_MAX {
        let now = buckets.empty(bench.place(), bucket).await.expect("an answer");
        removed += now.removed;
        if now.done {
            return removed;
        }
    }
    panic!("{bucket} is not empty after {CALLS_MAX} calls");
}

async fn a_bucket_that_does_not_exist_is_empty(buckets: &dyn Buckets, bench: &dyn Bench) {
    let bucket = format!("{}-no-such-bucket", bench.space());
    let seen = buckets.empty(bench.place(), &bucket).await;
    assert_eq!(seen, Ok(Emptied { removed: 0, done: true }));
}

async fn versions_markers_and_unfinished_uploads_go(buckets: &dyn Buckets, bench: &dyn Bench) {
    let bucket = format!("{}-full-bucket", bench.space());
    bench.make_bucket(&bucket).await;
    for key in ["a", "a", "folder/ü b+c%2F", "z"] {
        bench.put_object(&bucket, key).await;
    }
    bench.delete_object(&bucket, "a").await;
    bench.begin_upload(&bucket, "half").await;
    assert_eq!(bench.left_in(&bucket).await, 6, "four versions, a marker and an upload");
    // C32: everything is removed, and the count is returned.
    assert_eq!(empty(buckets, bench, &bucket).await, 6);
    assert_eq!(bench.left_in(&bucket).await, 0);
    let again = buckets.empty(bench.place(), &bucket).await;
    assert_eq!(again, Ok(Emptied { removed: 0, done: true }), "an empty bucket stays empty");
}

/// S12: every call names the owner it expects.
async fn a_bucket_of_somebody_else_is_left_alone(buckets: &dyn Buckets, bench: &dyn Bench) {
    let bucket = format!("{}-owned-bucket", bench.space());
    bench.make_bucket(&bucket).await;
    bench.put_object(&bucket, "a").await;
    let mut elsewhere = bench.place().clone();
    elsewhere.site.account = AccountId::parse("999999999999").expect("an account");
    let seen = buckets.empty(&elsewhere, &bucket).await;
    let denied = matches!(&seen, Err(PortError { kind: ErrorKind::Denied, .. }));
    let as_on_aws = denied && bench.left_in(&bucket).await == 1;
    bench.quirks().check(
        Quirk::BucketOwnersAreNotChecked,
        as_on_aws,
        "a bucket of another account is not emptied",
    );
}
