//! Container images: what ECR is asked for, and what its answers mean.

use crate::script::{Reply, Script, place, reply, settings};
use flotilla_aws::{EcrRegistry, EcrRepositories};
use flotilla_domain::Digest;
use flotilla_domain::retention::StoredImage;
use flotilla_engine::ports::{ErrorKind, ImageManifest, ImageRegistry, PortError, StoredImages};
use serde_json::{Value, json};

fn answer(body: &Value) -> Reply {
    reply(200, body.to_string())
}

fn refusal(code: &str) -> Reply {
    reply(400, json!({"__type": code, "message": "no"}).to_string())
}

fn registry(script: &Script) -> EcrRegistry {
    EcrRegistry::new(script.sessions(), &settings())
}

fn image() -> Digest {
    Digest::of(b"image")
}

fn body(call: &crate::script::Call) -> Value {
    serde_json::from_str(&call.body).unwrap()
}

#[tokio::test]
async fn an_image_is_looked_for_by_its_digest_in_the_repository_of_the_region() {
    let found =
        json!({"imageDetails": [{"imageDigest": format!("sha256:{}", image()), "imageTags": ["a", "b"]}]});
    let script = Script::new([
        answer(&found),
        refusal("ImageNotFoundException"),
        refusal("RepositoryNotFoundException"),
    ]);
    let registry = registry(&script);
    let tags = async || registry.tags(&place("eu-west-1"), &image()).await;
    assert_eq!(tags().await, Ok(Some(vec!["a".into(), "b".into()])));
    assert_eq!(tags().await, Ok(None));
    let error = tags().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "the region is not prepared: {error}");
    let call = &script.calls()[0];
    assert!(call.uri.contains("ecr.eu-west-1."), "{}", call.uri);
    let asked = body(call);
    assert_eq!(asked["imageIds"][0]["imageDigest"], format!("sha256:{}", image()));
    assert!(
        asked["repositoryName"].as_str().unwrap().ends_with("-artifacts-444455556666-eu-west-1"),
        "{asked}"
    );
}

#[tokio::test]
async fn only_blobs_that_are_available_are_not_sent_and_a_call_takes_a_hundred() {
    let blobs: Vec<Digest> = (0..101_u32).map(|n| Digest::of(&n.to_be_bytes())).collect();
    let layer = |n: usize, availability: &str| json!({"layerDigest": format!("sha256:{}", blobs[n]), "layerAvailability": availability});
    let first = json!({"layers": (0..100).map(|n| layer(n, "AVAILABLE")).collect::<Vec<_>>()});
    let second = json!({"layers": [layer(100, "UNAVAILABLE")], "failures": []});
    let script = Script::new([answer(&first), answer(&second)]);
    let missing = registry(&script).missing(&place("eu-west-1"), &blobs).await;
    assert_eq!(missing, Ok(vec![blobs[100]]));
    assert_eq!(body(&script.calls()[1])["layerDigests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_blob_is_sent_in_parts_that_follow_each_other_and_proven_by_its_digest() {
    const MIB: usize = 1024 * 1024;
    let bytes = vec![7_u8; 17 * MIB];
    let digest = Digest::of(&bytes);
    let part = || answer(&json!({"lastByteReceived": 1}));
    let script = Script::new([
        reply(200, bytes),
        answer(&json!({"uploadId": "u", "partSize": 1})),
        part(),
        part(),
        part(),
        answer(&json!({"layerDigest": format!("sha256:{digest}")})),
    ]);
    registry(&script).upload(&place("eu-west-1"), &digest).await.unwrap();
    let calls = script.calls();
    assert!(calls[0].uri.contains(&format!("assets/{digest}.blob")), "{}", calls[0].uri);
    let ranges: Vec<(u64, u64)> = calls[2..5]
        .iter()
        .map(|call| {
            (body(call)["partFirstByte"].as_u64().unwrap(), body(call)["partLastByte"].as_u64().unwrap())
        })
        .collect();
    let mib = MIB as u64;
    assert_eq!(ranges, [(0, 8 * mib - 1), (8 * mib, 16 * mib - 1), (16 * mib, 17 * mib - 1)]);
    assert_eq!(body(&calls[5])["layerDigests"], json!([format!("sha256:{digest}")]));
}

async fn completed(refusal: Reply) -> Result<(), PortError> {
    let script =
        Script::new([reply(200, "x"), answer(&json!({"uploadId": "u"})), answer(&json!({})), refusal]);
    registry(&script).upload(&place("eu-west-1"), &image()).await
}

#[tokio::test]
async fn a_blob_that_is_there_already_is_no_error_and_one_of_other_bytes_fails_for_good() {
    assert_eq!(completed(refusal("LayerAlreadyExistsException")).await, Ok(()));
    let error = completed(refusal("InvalidLayerException")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Permanent, "{error}");
    let error = completed(refusal("UploadNotFoundException")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
}

#[tokio::test]
async fn a_manifest_is_stored_with_its_type_its_digest_and_a_tag() {
    let script = Script::new([
        answer(&json!({"image": {}})),
        refusal("ImageAlreadyExistsException"),
        refusal("LayersNotFoundException"),
    ]);
    let registry = registry(&script);
    let manifest = ImageManifest { digest: image(), media_type: "application/x".into(), bytes: "{}".into() };
    let put = async || registry.put(&place("eu-west-1"), &manifest, "needed-now").await;
    assert_eq!(put().await, Ok(()));
    let sent = body(&script.calls()[0]);
    assert_eq!(
        (sent["imageManifest"].as_str(), sent["imageManifestMediaType"].as_str(), sent["imageTag"].as_str()),
        (Some("{}"), Some("application/x"), Some("needed-now"))
    );
    assert_eq!(sent["imageDigest"], format!("sha256:{}", image()));
    assert_eq!(put().await, Ok(()), "the same again");
    assert_eq!(put().await.unwrap_err().kind, ErrorKind::Transient, "the blobs are sent again");
}

#[tokio::test]
async fn images_are_listed_by_pages_and_removed_by_their_tags() {
    let found = json!({"imageDetails": [
        {"imageDigest": format!("sha256:{}", image()), "imageTags": ["a", "b"], "imageSizeInBytes": 7},
        {"imageDigest": "md5:1"}], "nextToken": "more"});
    let removed =
        json!({"imageIds": [], "failures": [{"failureCode": "ImageNotFound", "imageId": {"imageTag": "a"}}]});
    let failed =
        json!({"failures": [{"failureCode": "ImageReferencedByManifestList", "failureReason": "an index"}]});
    let script = Script::new([answer(&found), answer(&removed), answer(&failed)]);
    let stored = EcrRepositories::new(script.sessions(), &settings());
    let page = stored.list(&place("eu-west-1"), Some("here")).await.unwrap();
    let image = StoredImage { digest: image(), tags: vec!["a".into(), "b".into()], bytes: 7 };
    assert_eq!((page.images, page.next.as_deref()), (vec![image.clone()], Some("more")));
    assert_eq!(stored.remove(&place("eu-west-1"), &[&image]).await, Ok(()), "what is gone is gone");
    let error = stored.remove(&place("eu-west-1"), &[&image]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Permanent, "{error}");
    let calls = script.calls();
    assert_eq!(body(&calls[0])["nextToken"], "here");
    assert_eq!(body(&calls[1])["imageIds"], json!([{"imageTag": "a"}, {"imageTag": "b"}]));
    assert!(script.sts_calls()[0].body.contains("-collector"), "by the role that may remove");
}
