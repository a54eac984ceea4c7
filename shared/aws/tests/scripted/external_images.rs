//! Container images of others: what ECR is asked for, and what its answers mean.

use crate::script::{Reply, Script, reply};
use flotilla_aws::EcrExternalImages;
use flotilla_domain::Digest;
use flotilla_domain::config::external_image::{ExternalImage, ImageRepository};
use flotilla_engine::ports::{ErrorKind, ExternalImages};
use serde_json::{Value, json};

fn answer(body: &Value) -> Reply {
    reply(200, body.to_string())
}

fn image() -> ExternalImage {
    let uri = "444455556666.dkr.ecr.ap-south-1.amazonaws.com/team/orders";
    ExternalImage { repository: ImageRepository::parse(uri).unwrap(), digest: Digest::of(b"{}") }
}

#[tokio::test]
async fn a_manifest_is_asked_for_in_its_registry_by_its_digest_and_unconverted() {
    let script = Script::new([answer(&json!({"images": [{"imageManifest": "{}"}], "failures": []}))]);
    let images = EcrExternalImages::new(script.config());
    assert_eq!(images.manifest(&image()).await, Ok("{}".into()));
    let call = &script.calls()[0];
    assert!(call.uri.contains("ecr.ap-south-1."), "{}", call.uri);
    let asked: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(asked["registryId"], "444455556666");
    assert_eq!(asked["repositoryName"], "team/orders");
    assert_eq!(asked["imageIds"], json!([{"imageDigest": format!("sha256:{}", image().digest)}]));
    let types = asked["acceptedMediaTypes"].as_array().unwrap();
    assert!(types.contains(&json!("application/vnd.oci.image.manifest.v1+json")), "{types:?}");
}

#[tokio::test]
async fn what_is_missing_and_what_is_denied_are_told_apart() {
    let failure = |code: &str| {
        answer(&json!({"images": [], "failures": [{"failureCode": code, "failureReason": "no"}]}))
    };
    let refusal = |code: &str| reply(400, json!({"__type": code, "message": "no"}).to_string());
    for (reply, kind) in [
        (failure("ImageNotFound"), ErrorKind::Missing),
        (answer(&json!({"images": [], "failures": []})), ErrorKind::Missing),
        (failure("ImageInaccessible"), ErrorKind::Permanent),
        (refusal("RepositoryNotFoundException"), ErrorKind::Missing),
        (refusal("AccessDeniedException"), ErrorKind::Denied),
    ] {
        let script = Script::new([reply]);
        let error = EcrExternalImages::new(script.config()).manifest(&image()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[tokio::test]
async fn a_layer_that_is_not_there_does_not_come_by_waiting() {
    let script =
        Script::new([reply(400, json!({"__type": "LayersNotFoundException", "message": "no"}).to_string())]);
    let images = EcrExternalImages::new(script.config());
    let error = images.blob(&image().repository, &Digest::of(b"layer")).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Missing, "{error}");
}

#[tokio::test]
async fn a_url_that_cannot_be_read_is_in_no_error() {
    let url = "https://127.0.0.1:1/layer?X-Amz-Signature=secret";
    let script = Script::new([answer(&json!({"downloadUrl": url}))]);
    let images = EcrExternalImages::new(script.config());
    let error = images.blob(&image().repository, &Digest::of(b"layer")).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    let asked: Value = serde_json::from_str(&script.calls()[0].body).unwrap();
    assert_eq!(asked["layerDigest"], format!("sha256:{}", Digest::of(b"layer")));
}
