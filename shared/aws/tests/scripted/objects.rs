//! Objects: copies into the targets' buckets and what proves them, and the ingest bucket.

use crate::script::{Reply, Script, place, reply, settings};
use aws_sdk_s3::Client;
use flotilla_aws::{S3PackageStore, S3ReplicaStore};
use flotilla_domain::release::Verdict;
use flotilla_domain::replica::Copies;
use flotilla_domain::{Code, Digest, Timestamp};
use flotilla_engine::ports::{
    CopySource, ErrorKind, ObjectRef, PackageStore, PortError, Presence, ReplicaStore, Seen,
};
use flotilla_engine::release::Ingest;
use flotilla_package::Limits;
use flotilla_sim::World;
use std::sync::Arc;
use std::time::Duration;

fn digest() -> Digest {
    Digest::of(b"bytes")
}

fn source() -> CopySource {
    CopySource { key: "assets/x.zip".into(), digest: digest() }
}

async fn copy(replies: impl IntoIterator<Item = Reply>) -> (Result<Presence, PortError>, Script) {
    let script = Script::new(replies);
    let copied = S3ReplicaStore::new(script.sessions(), &settings())
        .copy(&place("eu-west-1"), &source(), Copies::S3)
        .await;
    (copied, script)
}

fn copied(checksum: &str) -> Reply {
    reply(200, format!("<CopyObjectResult><ETag>e</ETag>{checksum}</CopyObjectResult>"))
}

fn error(status: u16, code: &str) -> Reply {
    reply(status, format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
}

fn found(checksum: Option<String>, kind: &str) -> Reply {
    let reply = reply(200, "").header("x-amz-checksum-type", kind);
    let reply = reply.header("last-modified", "Sat, 21 Nov 2026 00:00:00 GMT");
    checksum.into_iter().fold(reply, |reply, sum| reply.header("x-amz-checksum-sha256", sum))
}

#[tokio::test]
async fn s12_a_copy_names_both_owners_and_asks_for_a_checksum() {
    let sum = format!(
        "<ChecksumSHA256>{}</ChecksumSHA256><ChecksumType>FULL_OBJECT</ChecksumType>",
        digest().to_base64()
    );
    let (done, script) = copy([copied(&sum)]).await;
    assert_eq!(done, Ok(Presence::Proven(digest())));
    let call = script.only_call();
    for (name, value) in [
        ("x-amz-copy-source", "ingest/assets/x.zip"),
        ("x-amz-source-expected-bucket-owner", "111122223333"),
        ("x-amz-expected-bucket-owner", "444455556666"),
        ("x-amz-checksum-algorithm", "SHA256"),
    ] {
        assert_eq!(call.header(name), Some(value), "{name}");
    }
    assert!(call.uri.contains("flotilla-artifacts-444455556666-eu-west-1"), "{}", call.uri);
}

#[tokio::test]
async fn s12_a_bucket_of_another_owner_is_denied_and_not_tried_again() {
    let (done, script) = copy([error(403, "AccessDenied")]).await;
    assert_eq!(done.unwrap_err().kind, ErrorKind::Denied);
    script.only_call();
    // HEAD has no body that could name a code.
    let script = Script::new([reply(403, "")]);
    let replicas = S3ReplicaStore::new(script.sessions(), &settings());
    let error = replicas.presence(&place("eu-west-1"), "assets/x.zip").await.unwrap_err();
    assert_eq!((error.kind, error.may_pass()), (ErrorKind::Denied, false));
    assert_eq!(script.only_call().header("x-amz-expected-bucket-owner"), Some("444455556666"));
}

#[tokio::test]
async fn s08_an_error_inside_of_a_200_is_a_failure_that_may_pass() {
    for (code, kind) in [
        ("InternalError", ErrorKind::Transient),
        ("SlowDown", ErrorKind::Throttled),
        ("NobodyKnows", ErrorKind::Transient),
    ] {
        let (done, _) = copy((0..4).map(|_| error(200, code))).await;
        let error = done.unwrap_err();
        assert_eq!((error.kind, error.may_pass()), (kind, true), "{code}: {error}");
    }
}

#[tokio::test]
async fn s09_a_conflict_may_pass_and_after_a_failed_precondition_what_is_there_is_verified() {
    for code in ["ConditionalRequestConflict", "OperationAborted"] {
        let (done, _) = copy((0..4).map(|_| error(409, code))).await;
        assert_eq!(done.unwrap_err().kind, ErrorKind::Transient, "{code}");
    }
    let other = Digest::of(b"others");
    for digest in [digest(), other] {
        let there = found(Some(digest.to_base64()), "FULL_OBJECT");
        let (done, script) = copy([error(412, "PreconditionFailed"), there]).await;
        assert_eq!(done, Ok(Presence::Proven(digest)));
        assert_eq!(script.calls()[1].method, "HEAD");
    }
}

#[tokio::test]
async fn s10_a_composite_checksum_proves_nothing() {
    let plain = digest().to_base64();
    for (checksum, kind, means) in [
        (Some(plain.clone()), "FULL_OBJECT", Presence::Proven(digest())),
        (Some(plain.clone()), "COMPOSITE", Presence::Unproven),
        (Some(format!("{plain}-2")), "COMPOSITE", Presence::Unproven),
        (None, "FULL_OBJECT", Presence::Unproven),
    ] {
        let script = Script::new([found(checksum.clone(), kind)]);
        let replicas = S3ReplicaStore::new(script.sessions(), &settings());
        let seen = replicas.presence(&place("eu-west-1"), "assets/x.zip").await;
        let stored_at = Some("2026-11-21T00:00:00Z".parse().unwrap());
        assert_eq!(seen, Ok(Seen { presence: means, stored_at }), "{checksum:?} {kind}");
        assert_eq!(script.only_call().header("x-amz-checksum-mode"), Some("ENABLED"));
    }
    // A copy's own answer may be of that kind too: then what is there is looked at, and not believed either.
    let sum = format!("<ChecksumSHA256>{plain}-2</ChecksumSHA256><ChecksumType>COMPOSITE</ChecksumType>");
    let (done, script) = copy([copied(&sum), found(Some(format!("{plain}-2")), "COMPOSITE")]).await;
    assert_eq!((done, script.calls().len()), (Ok(Presence::Unproven), 2));
}

#[tokio::test]
async fn s11_a_key_that_may_not_be_used_in_one_region_is_denied_there() {
    let body = "<Error><Code>AccessDenied</Code><Message>not authorized to perform: kms:GenerateDataKey</Message></Error>";
    let (done, _) = copy([reply(403, body)]).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("kms:GenerateDataKey"), "{error}");
}

#[tokio::test]
async fn s06_an_object_that_is_gone_is_missing() {
    let script = Script::new([error(404, "NoSuchVersion"), reply(404, "")]);
    let packages = S3PackageStore::new(Client::new(&script.config()), &settings());
    let object = ObjectRef { key: "incoming/x".into(), version_id: "v1".into() };
    assert_eq!(packages.read_tail(&object, 9).await.unwrap_err().kind, ErrorKind::Missing);
    let replicas = S3ReplicaStore::new(script.sessions(), &settings());
    assert_eq!(
        replicas.presence(&place("eu-west-1"), "x").await,
        Ok(Seen { presence: Presence::Absent, stored_at: None })
    );
}

#[tokio::test]
async fn s12_the_roles_are_assumed_with_their_external_id_and_one_that_may_not_be_is_denied() {
    let (_, script) = copy([error(404, "NoSuchKey")]).await;
    let assumed = script.sts_calls();
    assert_eq!(assumed.len(), 1);
    assert_eq!(assumed[0].parameter("ExternalId").as_deref(), Some("outer"));
    assert_eq!(assumed[0].parameter("RoleArn").as_deref(), Some("arn:aws:iam::444455556666:role/deployer"));

    let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    let script = Script::new([]).sts_says(reply(403, refused));
    let replicas = S3ReplicaStore::new(script.sessions(), &settings());
    let error = replicas.presence(&place("eu-west-1"), "x").await.unwrap_err();
    assert_eq!((error.kind, error.may_pass()), (ErrorKind::Denied, false), "{error}");
    assert_eq!(
        error.to_string(),
        "sts:AssumeRole: AccessDenied: not authorized to perform: sts:AssumeRole",
        "STS's words"
    );
    assert!(script.calls().is_empty());
}

async fn stream(replies: impl IntoIterator<Item = Reply>) -> (Result<Presence, PortError>, Script) {
    let script = Script::new(replies);
    let replicas = S3ReplicaStore::new(script.sessions(), &settings());
    (replicas.copy(&place("eu-west-1"), &source(), Copies::Streamed).await, script)
}

fn read() -> Reply {
    reply(200, "bytes").header("content-length", "5")
}

#[tokio::test]
async fn a_streamed_object_is_read_at_home_and_written_once_with_the_digest_that_s3_has_to_find() {
    let written = found(Some(digest().to_base64()), "FULL_OBJECT");
    let (done, script) = stream([read(), written]).await;
    assert_eq!(done, Ok(Presence::Proven(digest())));
    let [get, put] = &script.calls()[..] else { panic!("{:#?}", script.calls()) };
    assert_eq!((get.method.as_str(), put.method.as_str()), ("GET", "PUT"));
    assert!(get.uri.contains("ingest") && put.uri.contains("flotilla-artifacts-444455556666-eu-west-1"));
    // The function's own credentials have no session; the assumed role's do.
    assert_eq!((get.header("x-amz-security-token"), put.header("x-amz-security-token")), (None, Some("t")));
    for (call, name, value) in [
        (get, "x-amz-expected-bucket-owner", "111122223333".to_owned()),
        (put, "x-amz-expected-bucket-owner", "444455556666".to_owned()),
        (put, "x-amz-checksum-sha256", digest().to_base64()),
        (put, "content-length", "5".to_owned()),
    ] {
        assert_eq!(call.header(name), Some(value.as_str()), "{name}");
    }
}

#[tokio::test]
async fn s09_what_s3_refuses_for_its_digest_is_not_there_and_a_put_that_breaks_off_may_pass() {
    let (done, script) = stream([read(), error(400, "BadDigest"), reply(404, "")]).await;
    assert_eq!((done, script.calls().len()), (Ok(Presence::Absent), 3), "what is there is looked at");
    let (done, _) = stream([read(), error(500, "InternalError")]).await;
    assert!(done.unwrap_err().may_pass());
    let (done, _) = stream([error(404, "NoSuchKey")]).await;
    assert_eq!(done.unwrap_err().kind, ErrorKind::Missing);
}

#[test]
fn s07_an_object_over_5_gb_is_refused_by_its_size_before_it_is_read() {
    let bytes = 9 * 1024 * 1024;
    let script = Script::new([reply(206, "x".repeat(bytes))
        .header("content-range", format!("bytes {}-5999999999/6000000000", 6_000_000_000 - bytes))
        .header("last-modified", "Sat, 21 Nov 2026 00:00:00 GMT")]);
    // The service is configured; nothing but the bucket is played from the script.
    let packages = Arc::new(S3PackageStore::new(Client::new(&script.config()), &settings()));
    let ingest = Ingest { packages, ..World::new(1, &[&["eu-west-1"]]).ingest() };
    let object = ObjectRef { key: "incoming/orders/branch/main/1.zip".into(), version_id: "v1".into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let verdict = runtime.block_on(ingest.intake(&object, Timestamp::UNIX_EPOCH)).unwrap().unwrap();
    let Verdict::Refused(refusal) = verdict else { panic!("{verdict:?}") };
    assert_eq!(refusal.code, Code::UploadTooLarge);
    assert!(refusal.message.contains("upload_bytes_max"), "{}", refusal.message);
    script.only_call();
    // What a package may hold at most can be copied in one call, so that no copy is made in ranges.
    const { assert!(Limits::DEFAULT.unpacked_bytes_max < 5 * 1024 * 1024 * 1024) };
}

fn upload() -> ObjectRef {
    ObjectRef { key: "incoming/orders/branch/main/a b.zip".into(), version_id: "v1".into() }
}

fn begun() -> Reply {
    reply(200, "<InitiateMultipartUploadResult><UploadId>u-1</UploadId></InitiateMultipartUploadResult>")
}

async fn lift(part: &str) -> (Result<Option<Digest>, PortError>, Script) {
    lift_slowly(part, Duration::ZERO).await
}

async fn lift_slowly(part: &str, silence: Duration) -> (Result<Option<Digest>, PortError>, Script) {
    let part = reply(200, format!("<CopyPartResult><ETag>\"e\"</ETag>{part}</CopyPartResult>"));
    let done = reply(200, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>");
    let script = Script::new([begun(), part.after(silence), done.after(silence)]);
    let store = S3PackageStore::new(Client::new(&script.config()), &settings());
    let lifted = store.lift(&upload(), 31..6_000_031, "parked/upl_1/0").await;
    (lifted, script)
}

#[tokio::test]
async fn a_file_is_lifted_by_one_part_whose_digest_s3_computes() {
    let sum = digest().to_base64();
    let (lifted, script) = lift(&format!("<ChecksumSHA256>{sum}</ChecksumSHA256>")).await;
    assert_eq!(lifted, Ok(Some(digest())));
    let calls = script.calls();
    assert_eq!(calls[0].header("x-amz-checksum-algorithm"), Some("SHA256"));
    for (name, value) in [
        ("x-amz-copy-source", "ingest/incoming/orders/branch/main/a%20b.zip?versionId=v1"),
        ("x-amz-copy-source-range", "bytes=31-6000030"),
        ("x-amz-expected-bucket-owner", "111122223333"),
    ] {
        assert_eq!(calls[1].header(name), Some(value), "{name}");
    }
    assert!(calls[2].uri.contains("uploadId=u-1"), "{}", calls[2].uri);
}

#[tokio::test(start_paused = true)]
async fn s13_a_copy_that_is_silent_for_half_a_minute_is_no_broken_connection() {
    let sum = format!("<ChecksumSHA256>{}</ChecksumSHA256>", digest().to_base64());
    let (lifted, script) = lift_slowly(&sum, Duration::from_secs(30)).await;
    assert_eq!(lifted, Ok(Some(digest())));
    assert_eq!(script.calls().len(), 3);

    let late = copied(&sum).after(Duration::from_secs(30));
    let (done, script) = copy([late]).await;
    assert_eq!((done, script.calls().len()), (Ok(Presence::Proven(digest())), 1));
}

#[tokio::test]
async fn s08_a_part_that_answers_200_with_an_error_inside_is_tried_again() {
    let (lifted, _) = lift("").await;
    assert_eq!(lifted, Ok(None), "S3 does not say what it copied");
    let failed = reply(200, "<Error><Code>InternalError</Code><Message>m</Message></Error>");
    let script = Script::new([begun(), failed]);
    let store = S3PackageStore::new(Client::new(&script.config()), &settings());
    let lifted = store.lift(&upload(), 31..6_000_031, "parked/upl_1/0").await;
    assert!(lifted.is_err(), "{lifted:?}");
}

#[tokio::test]
async fn what_was_parked_is_settled_only_with_its_proof() {
    let settle = async |reply: Reply| {
        let script = Script::new([copied(""), reply]);
        let store = S3PackageStore::new(Client::new(&script.config()), &settings());
        (store.settle("parked/upl_1/0", "assets/x.zip", &digest()).await, script)
    };
    let (settled, script) = settle(found(Some(digest().to_base64()), "FULL_OBJECT")).await;
    assert_eq!(settled, Ok(true));
    assert_eq!(script.calls()[0].header("x-amz-copy-source"), Some("ingest/parked/upl_1/0"));
    let (settled, _) = settle(found(Some(format!("{}-1", digest().to_base64())), "COMPOSITE")).await;
    assert_eq!(settled, Ok(false), "s10: a composite checksum is no proof");
    let (settled, _) = settle(found(Some(Digest::of(b"others").to_base64()), "FULL_OBJECT")).await;
    assert!(settled.unwrap_err().may_pass(), "another digest");
}

#[tokio::test]
async fn an_object_is_stored_anew_as_a_copy_of_itself_that_replaces_what_is_said_of_it() {
    let renew = async |replies: Vec<Reply>| {
        let script = Script::new(replies);
        let store = S3PackageStore::new(Client::new(&script.config()), &settings());
        (store.renew("assets/x.zip", &digest()).await, script)
    };
    let proven = || found(Some(digest().to_base64()), "FULL_OBJECT");
    let (renewed, script) = renew(vec![copied(""), proven()]).await;
    assert_eq!(renewed, Ok(true));
    let call = &script.calls()[0];
    for (name, value) in [
        ("x-amz-copy-source", "ingest/assets/x.zip"),
        // Without it S3 refuses: "trying to copy an object to itself without changing the object's metadata".
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-checksum-algorithm", "SHA256"),
        ("x-amz-expected-bucket-owner", "111122223333"),
    ] {
        assert_eq!(call.header(name), Some(value), "{name}");
    }
    assert_eq!(renew(vec![error(404, "NoSuchKey")]).await.0, Ok(false), "it is gone meanwhile");
    let other = found(Some(Digest::of(b"other").to_base64()), "FULL_OBJECT");
    assert_eq!(renew(vec![copied(""), other]).await.0, Ok(false), "it has another digest");
    let denied = renew(vec![error(403, "AccessDenied")]).await.0.unwrap_err();
    assert_eq!(denied.kind, ErrorKind::Denied);
}
