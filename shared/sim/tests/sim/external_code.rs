//! Code in a bucket of somebody else: fetched once, proven by its digest, and a part of the package from then on.

use flotilla_contract::{CauseView, ExternalCodeConfig};
use flotilla_domain::Digest;
use flotilla_engine::ports::ErrorKind;
use flotilla_sim::{World, zip_of};
use serde_json::json;

const KEY: &str = "incoming/orders/branch/main/{n}.zip";
const CODE: &[u8] = b"a vendor's code";
/// The bucket that is read: that of the control plane's region.
const BUCKET: &str = "vendor-eu-central-1";

fn named(digest: Digest) -> Vec<ExternalCodeConfig> {
    let (bucket, key) = ("vendor-{region}".to_owned(), "forwarder/3.zip".to_owned());
    vec![ExternalCodeConfig { bucket, key, version: None, sha256: digest.to_string() }]
}

fn world() -> World {
    let mut world = World::new(1, &[&["eu-west-1", "us-east-1"]]);
    world.takes_external(named(Digest::of(CODE))).external(BUCKET, "forwarder/3.zip", None, CODE);
    world
}

/// A package whose function takes its code from the vendor's bucket of each region. `topic` makes it another package.
fn package(topic: &str) -> Vec<u8> {
    let code = json!({"S3Bucket": {"Fn::Sub": "vendor-${AWS::Region}"}, "S3Key": "forwarder/3.zip"});
    let template = json!({"Resources": {
        "App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}},
        topic: {"Type": "AWS::SNS::Topic"}}});
    zip_of(&[("template.json", template.to_string().as_bytes())])
}

#[test]
fn it_runs_in_every_region_and_is_fetched_once() {
    let mut world = world();
    let version = world.upload_bytes(KEY, package("One"), true);
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded", "{end:#?}");
    for deployment in &end.deployments {
        assert_eq!(deployment.code_sha256["App"], Digest::of(CODE).to_string());
    }
    assert_eq!(
        world.versions_of("a vendor's code", Some("us-east-1")),
        1,
        "it is in the bucket of each region"
    );

    // The vendor takes it away; what is stored stays.
    world.external(BUCKET, "forwarder/3.zip", None, b"other bytes");
    let version = world.upload_bytes(KEY, package("Two"), true);
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn it_is_stored_where_s3_reports_no_digest_of_its_copies() {
    let mut world = world();
    world.home_copies_seem_unproven();
    let version = world.upload_bytes(KEY, package("One"), true);
    assert_eq!(world.end_of(&version).status, "succeeded");
}

fn refusal(world: &mut World) -> CauseView {
    let version = world.upload_bytes(KEY, package("One"), true);
    world.until("a verdict", |w| w.verdict(&version).is_some());
    world.verdict(&version).and_then(|upload| upload.refusal).expect("it is refused")
}

#[test]
fn other_bytes_are_refused_however_they_are_read() {
    for unproven in [false, true] {
        let mut world = world();
        world.external(BUCKET, "forwarder/3.zip", None, b"other bytes");
        if unproven {
            world.home_copies_seem_unproven();
        }
        let refusal = refusal(&mut world);
        assert_eq!(refusal.code, "FL0235", "{refusal:?}");
        assert!(refusal.message.contains(&Digest::of(CODE).to_string()), "{}", refusal.message);
        assert_eq!(world.versions_of("a vendor's code", None), 0);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_what_to_do() {
    let mut denied = world();
    denied.refuses("s3:CopyObject", ErrorKind::Denied, "AccessDenied: no");
    let refused = refusal(&mut denied);
    assert_eq!(refused.code, "FL0235");
    assert!(
        refused.fix.contains("flotilla install --external-code")
            && refused.fix.contains("vendor-eu-central-1/*"),
        "{}",
        refused.fix
    );
    let mut missing = World::new(1, &[&["eu-west-1"]]);
    missing.takes_external(named(Digest::of(CODE)));
    assert!(refusal(&mut missing).fix.contains("external_code"));
}

#[test]
fn what_the_configuration_does_not_name_is_refused_as_before() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    world.external(BUCKET, "forwarder/3.zip", None, CODE);
    assert_eq!(refusal(&mut world).code, "FL0225");
}
