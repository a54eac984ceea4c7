//! Signed uploads: whose signature a profile requires, and who may not approve what they wrote.

use crate::gates::{approved_by, gated, refusal};
use crate::ingest::{MIB, noise};
use flotilla_contract::{FourEyesConfig, ProfileConfig, ProvenanceConfig};
use flotilla_domain::{Code, Digest};
use flotilla_engine::gate::ApprovalRequest;
use flotilla_engine::preview::SweepLimits;
use flotilla_engine::rollout::{RetryOptions, Rollback};
use flotilla_provenance::testing::{Identity, Signer};
use flotilla_sim::{Behaviour, World, package};
use std::sync::LazyLock;

static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::default);

fn workflow() -> Identity {
    Identity::workflow("acme/orders", "release.yml", "refs/heads/main")
}

/// A profile whose releases the workflow of the service must have signed.
fn signed_by_workflow(profile: ProfileConfig) -> ProfileConfig {
    let provenance = ProvenanceConfig {
        issuer: "https://token.actions.githubusercontent.com".into(),
        subject: "https://github.com/acme/{service}/.github/workflows/release.yml@{ref}".into(),
        repository: None,
        builder: None,
        level: Some(2),
    };
    ProfileConfig { provenance: Some(provenance), ..profile }
}

fn one_region() -> ProfileConfig {
    ProfileConfig { regions: vec!["eu-west-1".into()], ..ProfileConfig::default() }
}

/// A world that trusts the test signer.
fn world(profile: ProfileConfig) -> World {
    let mut world = World::with(31, profile);
    world.upload_bytes("trust/sigstore.json", SIGNER.root().into_bytes(), false);
    world
}

/// Uploads a package after a bundle. Returns the version of the package.
fn upload(world: &mut World, build: &str, zip: Vec<u8>, bundle: &str) -> String {
    let key = format!("incoming/orders/branch/main/{build}.zip");
    world.upload_bytes(&format!("{key}.sigstore.json"), bundle.as_bytes().to_vec(), true);
    world.upload_bytes(&key, zip, true)
}

/// The code with which an upload is refused.
fn refused(world: &mut World, version: &str) -> String {
    world.until("a verdict", |w| w.verdict(version).is_some());
    world.verdict(version).unwrap().refusal.expect("a refusal").code
}

#[test]
fn a_release_that_the_named_workflow_signed_is_deployed_and_shows_who_signed_it() {
    let mut world = world(signed_by_workflow(one_region()));
    let zip = package("one");
    let bundle = SIGNER.attest(&workflow(), &Digest::of(&zip), &["ann@example.com"]);
    let version = upload(&mut world, "1", zip.clone(), &bundle);
    assert_eq!(world.end_of(&version).status, "succeeded");
    let release = world.releases().remove(0);
    let shown = release.provenance.clone().expect("a signature");
    assert_eq!(shown.subject, workflow().subject);
    assert_eq!((shown.level, shown.authors), (2, vec!["ann@example.com".to_owned()]));
    assert_eq!(shown.signed, Digest::of(&zip).to_string());
    // The digest of the package, which `flotilla pack` prints, can be signed as well.
    let digest = Digest::parse_hex(&release.digest).unwrap();
    let version = upload(&mut world, "2", zip, &SIGNER.attest(&workflow(), &digest, &[]));
    assert_eq!(world.end_of(&version).status, "succeeded");
    assert_eq!(world.releases()[0].provenance.as_ref().unwrap().signed, release.digest);
}

#[test]
fn what_is_not_signed_or_by_others_is_refused() {
    let mut world = world(signed_by_workflow(one_region()));
    let version = world.upload("branch/main", "unsigned");
    assert_eq!(refused(&mut world, &version), "FL0317");
    let zip = package("one");
    let digest = Digest::of(&zip);
    let other = Identity::workflow("acme/other", "release.yml", "refs/heads/main");
    let branch = Identity::workflow("acme/orders", "release.yml", "refs/heads/feature");
    let own_runner = Identity { runner: "self-hosted".into(), ..workflow() };
    for (n, identity) in [other, branch, own_runner].iter().enumerate() {
        let bundle = SIGNER.attest(identity, &digest, &[]);
        let version = upload(&mut world, &format!("other{n}"), zip.clone(), &bundle);
        assert_eq!(refused(&mut world, &version), "FL0318", "{identity:?}");
    }
    assert_eq!(world.calls("cloudformation:CreateChangeSet"), 0);
}

#[test]
fn a_bundle_that_does_not_verify_is_not_taken_for_an_unsigned_upload() {
    let mut world = world(one_region());
    let zip = package("one");
    let other_bytes = SIGNER.attest(&workflow(), &Digest::of(b"other"), &[]);
    let untrusted = Signer::default().attest(&workflow(), &Digest::of(&zip), &[]);
    let large = " ".repeat(300 * 1024);
    for (n, bundle) in [other_bytes.as_str(), &untrusted, "{}", ""].iter().enumerate() {
        let version = upload(&mut world, &n.to_string(), zip.clone(), bundle);
        assert_eq!(refused(&mut world, &version), "FL0109", "{n}");
    }
    let version = upload(&mut world, "large", zip.clone(), &large);
    assert_eq!(refused(&mut world, &version), "FL0109");
    assert!(world.releases().is_empty());
    // Without a bundle, a profile that requires none deploys it.
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn a_bundle_is_no_upload_of_its_own() {
    let mut world = world(one_region());
    let key = "incoming/orders/branch/main/1.zip.sigstore.json";
    let version = world.upload_bytes(key, b"{}".to_vec(), true);
    let package = world.upload_bytes("incoming/orders/branch/main/2.zip", b"x".to_vec(), false);
    world.wait_ms(180_000);
    // The sweep finds the package, whose event was lost.
    assert_eq!(world.sweep(SweepLimits::default()).uploads, ["incoming/orders/branch/main/2.zip"]);
    world.until("a verdict", |w| w.verdict(&package).is_some());
    world.pass(1);
    assert!(world.verdict(&version).is_none());
}

#[test]
fn a_large_zip_is_read_to_know_its_digest_only_if_it_is_signed() {
    let mut world = world(one_region());
    let template =
        br#"{"Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "app.bin"}}}}"#;
    let zip = flotilla_sim::zip_of(&[("template.json", template), ("app.bin", &noise(1, 5 * MIB))]);
    // More than the first read brings.
    assert!(zip.len() > 5 * MIB, "{} bytes", zip.len());
    let bundle = SIGNER.attest(&workflow(), &Digest::of(&zip), &[]);
    // What is stored already is not read again to be stored.
    let first = world.upload_bytes("incoming/orders/branch/main/0.zip", zip.clone(), true);
    assert_eq!(world.end_of(&first).status, "succeeded");
    let reads = |world: &mut World, build: &str, bundle: Option<&str>| {
        let before = world.calls("s3:GetObject");
        let key = format!("incoming/orders/branch/main/{build}.zip");
        let version = match bundle {
            Some(bundle) => upload(world, build, zip.clone(), bundle),
            None => world.upload_bytes(&key, zip.clone(), true),
        };
        assert_eq!(world.end_of(&version).status, "succeeded");
        world.calls("s3:GetObject") - before
    };
    let unsigned = reads(&mut world, "1", None);
    assert_eq!(reads(&mut world, "2", Some(&bundle)), unsigned + 2, "the trusted roots and the zip");
    assert!(world.releases()[0].provenance.is_some());
}

#[test]
fn whoever_wrote_it_may_not_approve_it() {
    let four_eyes = FourEyesConfig::Whom(vec!["starter".into(), "author".into()]);
    let profile = ProfileConfig { four_eyes: Some(four_eyes), ..approved_by(1) };
    let mut world = world(signed_by_workflow(profile));
    let zip = package("one");
    let anonymous = SIGNER.attest(&workflow(), &Digest::of(&zip), &[]);
    let version = upload(&mut world, "1", zip.clone(), &anonymous);
    assert_eq!(refused(&mut world, &version), "FL0319");
    let bundle = SIGNER.attest(&workflow(), &Digest::of(&zip), &["Ann@example.com"]);
    let version = upload(&mut world, "2", zip, &bundle);
    let id = gated(&mut world, &version);
    let user = |name: &str| {
        format!("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Release_0123456789abcdef/{name}")
    };
    let any = ApprovalRequest::default();
    assert_eq!(refusal(world.approve(&id, &user("ann@example.com"), &any)), Code::OwnApproval);
    world.wait_ms(1);
    world.approve(&id, &user("bob@example.com"), &any).unwrap();
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn a_rollback_needs_no_signature_that_was_not_required_when_the_release_ran() {
    let mut world = world(one_region());
    let first = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&first).status, "succeeded");
    world.put_profile(signed_by_workflow(one_region())).unwrap();
    let zip = package("two");
    let bundle = SIGNER.attest(&workflow(), &Digest::of(&zip), &[]);
    let second = upload(&mut world, "2", zip, &bundle);
    assert_eq!(world.end_of(&second).status, "succeeded");
    let unsigned = world.verdict(&first).unwrap().release.unwrap();
    assert_eq!(refusal(world.start(&unsigned, "staging").map(drop)), Code::ProvenanceMissing);
    let back = Rollback {
        stage: flotilla_domain::StageName::parse("staging").unwrap(),
        to: None,
        by_waves: false,
        because: None,
        allow: Default::default(),
    };
    world.wait_ms(1);
    world.behaves("eu-west-1", Behaviour::RollsBack("no".into()));
    let id = world.roll_back(&back).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "failed");
    world.behaves("eu-west-1", Behaviour::Works);
    // Nor does another attempt of the rollback.
    let retry = world.retry(&id, &RetryOptions::default()).unwrap();
    assert_eq!(world.end_of_rollout(&retry).status, "succeeded");
}
