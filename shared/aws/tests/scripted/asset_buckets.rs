//! What is listed and removed in the buckets that hold packages.

use crate::script::{Reply, Script, place, reply, settings};
use flotilla_aws::S3AssetBuckets;
use flotilla_domain::Timestamp;
use flotilla_domain::retention::StoredVersion;
use flotilla_engine::ports::{
    AssetBucket, AssetBuckets, ErrorKind, ListMark, PortError, Unremoved, VersionPage,
};

fn away() -> AssetBucket {
    AssetBucket::At(place("eu-west-1"))
}

fn version(key: &str, id: &str) -> StoredVersion {
    StoredVersion {
        key: key.into(),
        version_id: id.into(),
        stored_at: Timestamp::from_second(1_763_683_200).unwrap(),
        bytes: 5,
        is_latest: true,
        is_marker: false,
    }
}

fn entry(kind: &str, key: &str, id: &str, latest: bool) -> String {
    let size = if kind == "Version" { "<Size>5</Size>" } else { "" };
    format!(
        "<{kind}><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest>{size}\
         <LastModified>2025-11-21T00:00:00.000Z</LastModified></{kind}>"
    )
}

fn listed(inside: &str) -> Reply {
    reply(200, format!("<ListVersionsResult>{inside}</ListVersionsResult>"))
}

fn failed(status: u16, code: &str) -> Reply {
    reply(status, format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
}

async fn list(
    bucket: AssetBucket,
    after: Option<ListMark>,
    reply: Reply,
) -> (Result<VersionPage, PortError>, Script) {
    let script = Script::new([reply]);
    let buckets = S3AssetBuckets::new(script.sessions(), &settings());
    (buckets.list(&bucket, "assets/", after.as_ref()).await, script)
}

async fn remove(inside: &str) -> (Result<Unremoved, PortError>, Script) {
    let script = Script::new([reply(200, format!("<DeleteResult>{inside}</DeleteResult>"))]);
    let buckets = S3AssetBuckets::new(script.sessions(), &settings());
    let versions = [version("assets/a", "v1"), version("assets/b", "v2"), version("assets/b", "v3")];
    (buckets.remove(&away(), &versions.iter().collect::<Vec<_>>()).await, script)
}

#[tokio::test]
async fn a_page_names_where_the_next_one_begins_and_the_next_one_begins_there() {
    let mark = ListMark { key: "assets/b".into(), version_id: Some("v2".into()) };
    let more = "<IsTruncated>true</IsTruncated><NextKeyMarker>assets/b</NextKeyMarker>\
                <NextVersionIdMarker>v2</NextVersionIdMarker>";
    let inside = [
        entry("Version", "assets/a", "v1", true),
        entry("Version", "assets/b", "v2", false),
        entry("DeleteMarker", "assets/b", "m1", true),
        more.into(),
    ];
    let (page, script) = list(away(), None, listed(&inside.concat())).await;
    let page = page.unwrap();
    assert_eq!(page.next, Some(mark.clone()));
    let marker = StoredVersion { bytes: 0, is_marker: true, ..version("assets/b", "m1") };
    let behind = StoredVersion { is_latest: false, ..version("assets/b", "v2") };
    assert_eq!(
        page.versions,
        [version("assets/a", "v1"), marker, behind],
        "the mark stands before what it hides"
    );
    let call = script.only_call();
    assert_eq!(call.parameter("prefix").as_deref(), Some("assets/"));
    assert!(call.uri.contains("flotilla-artifacts-444455556666-eu-west-1"), "{}", call.uri);
    assert_eq!(call.header("x-amz-expected-bucket-owner"), Some("444455556666"), "s12");
    let (page, script) = list(away(), Some(mark), listed("<IsTruncated>false</IsTruncated>")).await;
    assert_eq!(page, Ok(VersionPage::default()));
    let call = script.only_call();
    let markers = ["key-marker", "version-id-marker"].map(|name| call.parameter(name).unwrap());
    assert_eq!(markers, ["assets/b", "v2"]);
}

#[tokio::test]
async fn an_account_is_entered_by_its_collector_and_the_ingest_bucket_by_the_functions_own_role() {
    let (_, script) = list(away(), None, listed("")).await;
    let sts = script.sts_calls();
    assert_eq!(sts.len(), 1);
    let role = sts[0].parameter("RoleArn").unwrap();
    assert_eq!(role, "arn:aws:iam::444455556666:role/flotilla-collector");
    assert_eq!(sts[0].parameter("ExternalId").as_deref(), Some("outer"));
    let (_, script) = list(AssetBucket::Home, None, listed("")).await;
    assert_eq!(script.sts_calls().len(), 0);
    assert!(script.only_call().uri.contains("ingest"));
    assert_eq!(script.only_call().header("x-amz-expected-bucket-owner"), Some("111122223333"));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_or_not_to_be_listed_is_told_apart_from_one_that_does_not_answer() {
    for (status, code, kind) in [
        (404, "NoSuchBucket", ErrorKind::Missing),
        (403, "AccessDenied", ErrorKind::Denied),
        (503, "SlowDown", ErrorKind::Throttled),
    ] {
        let script = Script::new([0; 4].map(|_| failed(status, code)));
        let buckets = S3AssetBuckets::new(script.sessions(), &settings());
        let error = buckets.list(&away(), "assets/", None).await.unwrap_err();
        assert_eq!((error.kind, error.operation), (kind, "s3:ListObjectVersions"), "{error}");
    }
    // An account that was prepared before there were collectors.
    let refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>";
    let script = Script::new([]).sts_says(reply(403, refusal));
    let buckets = S3AssetBuckets::new(script.sessions(), &settings());
    let error = buckets.list(&away(), "assets/", None).await.unwrap_err();
    assert_eq!((error.kind, error.operation), (ErrorKind::Denied, "sts:AssumeRole"));
}

#[tokio::test]
async fn versions_are_removed_by_their_ids_in_one_call_and_never_by_key_alone() {
    let (removed, script) = remove("").await;
    assert_eq!(removed, Ok(Unremoved::default()));
    let call = script.only_call();
    for (key, id) in [("assets/a", "v1"), ("assets/b", "v2"), ("assets/b", "v3")] {
        let object = format!("<Object><Key>{key}</Key><VersionId>{id}</VersionId></Object>");
        assert!(call.body.contains(&object), "{}", call.body);
    }
    assert!(call.body.contains("<Quiet>true</Quiet>"));
    assert_eq!(call.header("x-amz-expected-bucket-owner"), Some("444455556666"));
    for id in ["", "null"] {
        let script = Script::new([]);
        let buckets = S3AssetBuckets::new(script.sessions(), &settings());
        let error = buckets.remove(&away(), &[&version("assets/a", id)]).await.unwrap_err();
        assert_eq!((error.kind, script.calls().len()), (ErrorKind::Permanent, 0), "{id:?}");
    }
}

#[tokio::test]
async fn what_s3_says_of_single_keys_is_told_by_their_places() {
    let error = |key: &str, id: &str, code: &str| {
        format!(
            "<Error><Key>{key}</Key><VersionId>{id}</VersionId><Code>{code}</Code><Message>m</Message></Error>"
        )
    };
    let (removed, _) = remove(&error("assets/b", "v3", "AccessDenied")).await;
    let removed = removed.unwrap();
    assert_eq!(removed.places, [2]);
    assert_eq!(removed.why.unwrap().kind, ErrorKind::Denied);
    let (removed, _) = remove(&error("assets/a", "v1", "InternalError")).await;
    let removed = removed.unwrap();
    assert_eq!((removed.places, removed.why.unwrap().kind), (vec![0], ErrorKind::Transient));
    let (removed, _) = remove(&error("assets/a", "v1", "NoSuchVersion")).await;
    assert_eq!(removed, Ok(Unremoved::default()), "what is gone is as it should be");
}
