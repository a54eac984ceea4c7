//! What becomes of packages on their way through the engine.

use crate::ingest::{MIB, noise};
use flotilla_contract::{ProfileConfig, RolloutView};
use flotilla_domain::Digest;
use flotilla_engine::rollout::RetryOptions;
use flotilla_sim::{Behaviour, World, zip_of};
use serde_json::json;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const KEY: &str = "incoming/orders/branch/main/{n}.zip";

/// A zip whose content ingest does not hold in memory.
fn large(fill: u8) -> Vec<u8> {
    vec![fill; 3_000_000]
}

/// A package as `flotilla pack` writes it, whose asset lies under this digest.
fn packed(digest: &Digest, content: &[u8]) -> Vec<u8> {
    let key = format!("assets/{digest}.zip");
    let code = json!({"S3Bucket": {"Ref": "FlotillaAssetsBucket"}, "S3Key": key});
    let template =
        json!({"Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}}}});
    let manifest =
        r#"{"flotilla":1,"template":"t.json","packed":{"format":"native","rewrites":[],"warnings":[]}}"#;
    zip_of(&[
        ("flotilla.json", manifest.as_bytes()),
        ("t.json", template.to_string().as_bytes()),
        (&key, content),
    ])
}

/// What a function runs at a stage, as its release says.
fn runs(world: &World, version: &str) -> String {
    let rollout = world.rollout(version).unwrap();
    rollout.deployments[0].code_sha256["App"].clone()
}

#[test]
fn promise_3_content_is_known_by_name_only_if_the_service_has_brought_it() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    let (theirs, ours) = (large(1), large(2));
    let rival = "incoming/orders-eu/branch/main/{n}.zip";
    let first = world.upload_bytes(rival, packed(&Digest::of(&theirs), &theirs), true);
    assert_eq!(world.end_of(&first).status, "succeeded");
    // Another service names that content and brings its own: it gets what it has brought.
    let second = world.upload_bytes(KEY, packed(&Digest::of(&theirs), &ours), true);
    assert_eq!(world.end_of(&second).status, "succeeded");
    assert_eq!(runs(&world, &second), Digest::of(&ours).to_string());
}

#[test]
fn content_that_the_service_has_brought_before_is_not_read_again() {
    let mut world = World::new(2, &[&["eu-west-1"]]);
    let content = large(3);
    let reads = |world: &mut World| {
        let before = world.calls("s3:GetObject");
        let version = world.upload_bytes(KEY, packed(&Digest::of(&content), &content), true);
        assert_eq!(world.end_of(&version).status, "succeeded");
        world.calls("s3:GetObject") - before
    };
    let (first, again) = (reads(&mut world), reads(&mut world));
    assert!(again <= first, "{first} reads at first, {again} again");
}

#[test]
fn a_release_of_other_stacks_that_fails_says_what_it_leaves() {
    let profile = ProfileConfig {
        waves: [["eu-west-1"], ["us-east-1"]]
            .map(|wave| flotilla_contract::WaveConfig::Regions(wave.map(str::to_owned).into()))
            .into(),
        on_failure: Some("revert".into()),
        ..ProfileConfig::default()
    };
    let mut world = World::with(3, profile);
    let one = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&one).status, "succeeded");
    world.layered().behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    let several = world.upload("branch/main", "two");
    let end = world.end_of(&several);
    assert_eq!(end.status, "failed");
    assert!(end.cause.as_ref().unwrap().message.contains("was left as it is"), "{:?}", end.cause);
}

#[test]
fn a_retry_of_a_large_fleet_does_only_what_is_left() {
    let regions = &flotilla_domain::names::KNOWN_REGIONS[..38];
    let profile = ProfileConfig {
        regions: regions.iter().map(|region| (*region).to_owned()).collect(),
        ..ProfileConfig::default()
    };
    let mut world = World::with(4, profile);
    let template = |name: &str| json!({"Resources": {name: {"Type": "AWS::Test::Thing"}}}).to_string();
    let manifest = json!({"flotilla": 1, "stacks": [
        {"name": "A", "template": "a.json"}, {"name": "B", "template": "b.json"}, {"name": "C", "template": "c.json"},
    ]});
    let package = zip_of(&[
        ("flotilla.json", manifest.to_string().as_bytes()),
        ("a.json", template("A").as_bytes()),
        ("b.json", template("B").as_bytes()),
        ("c.json", template("C").as_bytes()),
    ]);
    let last = regions.last().unwrap();
    world.behaves(last, Behaviour::Refuses("Template error".into()));
    let version = world.upload_bytes(KEY, package, true);
    world.until_at_last("the end", |w| w.rollout(&version).is_some_and(|rollout| rollout.ended));
    let failed = world.rollout(&version).unwrap();
    assert_eq!((failed.status.as_str(), failed.deployments.len()), ("failed", 114));
    world.behaves(last, Behaviour::Works);
    let left = failed.deployments.iter().filter(|d| d.status != "succeeded").count();
    let retry = world.retry(&failed.id, &RetryOptions::default()).unwrap();
    assert_eq!(world.rollout_by_id(&retry).deployments.len(), left, "nothing that succeeded is done again");
}

#[test]
fn more_tags_than_cloudformation_takes_are_refused() {
    let tags = |kind: &str, count: usize| {
        (0..count)
            .map(|n| (format!("{kind}{n}"), "v".to_owned()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let profile =
        ProfileConfig { regions: vec!["eu-west-1".into()], tags: tags("p", 30), ..ProfileConfig::default() };
    for (count, refused) in [(18, false), (19, true)] {
        let mut world = World::with(5, profile.clone());
        let stack = json!({"name": "A", "template": "a.json", "tags": tags("s", count)});
        let manifest = json!({"flotilla": 1, "stacks": [stack]}).to_string();
        let template = br#"{"Resources": {"A": {"Type": "AWS::Test::Thing"}}}"#;
        let package = zip_of(&[("flotilla.json", manifest.as_bytes()), ("a.json", template)]);
        let version = world.upload_bytes(KEY, package, true);
        world.until("a verdict", |w| w.verdict(&version).is_some());
        let code = world.verdict(&version).unwrap().refusal.map(|refusal| refusal.code);
        assert_eq!(code, refused.then(|| "FL0207".to_owned()), "{count} tags of the package");
    }
}

#[test]
fn a_name_that_is_too_long_at_another_stage_of_the_service_is_refused_at_the_upload() {
    // The service's rules name the stages staging and eu-staging.
    let name = json!({"Fn::Sub": format!("{}${{FlotillaStage}}", "x".repeat(55))});
    let template = json!({"Parameters": {"FlotillaStage": {"Type": "String"}},
        "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": name}}}});
    let mut world = World::new(3, &[&["eu-west-1"]]);
    let version =
        world.upload_bytes(KEY, zip_of(&[("template.json", template.to_string().as_bytes())]), true);
    world.until("a verdict", |w| w.verdict(&version).is_some());
    let refusal = world.verdict(&version).and_then(|verdict| verdict.refusal).expect("it is refused");
    assert_eq!(refusal.code, "FL0233");
    assert!(
        refusal.message.contains("at the stage eu-staging the name has 65 characters"),
        "{}",
        refusal.message
    );
}

#[test]
fn code_that_lambda_cannot_unzip_is_refused_at_the_upload_however_it_is_read() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default().compression_level(Some(1));
    // It is held in memory, read as a stream, or copied by S3.
    for beside in [0, 3 * MIB, 6 * MIB] {
        let mut code = ZipWriter::new(Cursor::new(Vec::new()));
        code.start_file("beside", stored).unwrap();
        code.write_all(&noise(7, beside)).unwrap();
        code.start_file("zeros", deflated).unwrap();
        code.write_all(&vec![0; 262_144_000]).unwrap();
        let template = json!({"Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "app.zip"}}}});
        let mut upload = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in [
            ("app.zip", code.finish().unwrap().into_inner()),
            ("template.json", template.to_string().into_bytes()),
            ("filler", noise(9, 5 * MIB)),
        ] {
            upload.start_file(name, stored).unwrap();
            upload.write_all(&content).unwrap();
        }
        let mut world = World::new(4, &[&["eu-west-1"]]);
        let version = world.upload_bytes(KEY, upload.finish().unwrap().into_inner(), true);
        world.until("a verdict", |w| w.verdict(&version).is_some());
        let refusal = world.verdict(&version).and_then(|verdict| verdict.refusal).expect("it is refused");
        assert_eq!(
            (refusal.code.as_str(), refusal.path.as_deref()),
            ("FL0207", Some("Resources.App.Properties.Code"))
        );
        let bytes = 262_144_000 + beside;
        assert!(refusal.message.contains(&format!("has {bytes} bytes unzipped")), "{}", refusal.message);
    }
}

#[test]
fn a_stage_in_logical_ids_is_written_for_each_stage_and_the_package_stays_the_same() {
    let template = json!({"Resources": {
        "Workerflotillastage": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "app.zip"}},
        "Topic": {"Type": "AWS::SNS::Topic", "DependsOn": "Workerflotillastage"}}});
    let zip = zip_of(&[("template.json", template.to_string().as_bytes()), ("app.zip", &large(5))]);
    let mut world = World::new(5, &[&["eu-west-1", "us-east-1"]]);
    let version = world.upload_bytes(KEY, zip, true);
    let staging = world.end_of(&version);
    assert_eq!(staging.status, "succeeded", "{staging:#?}");
    let names =
        |rollout: &RolloutView| rollout.deployments[0].code_sha256.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&staging), ["Workerstaging"]);
    let release = staging.release.clone().unwrap();
    let rollout = world.start(&release, "eu-staging").unwrap();
    let other = world.end_of_rollout(&rollout);
    assert_eq!(other.status, "succeeded", "{other:#?}");
    assert_eq!(names(&other), ["Workereustaging"]);
    assert_eq!(other.digest, staging.digest, "the package is the same");
}

#[test]
fn an_image_that_is_named_by_digest_is_read_back_in_every_region() {
    let package = |image: &Digest| {
        let uri = format!("${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.amazonaws.com/orders@sha256:{image}");
        let function = json!({"PackageType": "Image", "Code": {"ImageUri": {"Fn::Sub": uri}}});
        let template =
            json!({"Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": function}}});
        zip_of(&[("template.json", template.to_string().as_bytes())])
    };
    let mut world = World::new(6, &[&["eu-west-1", "us-east-1"]]);
    let first = world.upload_bytes(KEY, package(&Digest::of(b"one")), true);
    assert_eq!(world.end_of(&first).status, "succeeded");
    assert_eq!(runs(&world, &first), Digest::of(b"one").to_string());

    // Somebody gave the function another image.
    world.tamper("us-east-1", "staging");
    let again = world.upload_bytes(KEY, package(&Digest::of(b"one")), true);
    let end = world.end_of(&again);
    assert_eq!(
        (end.status.as_str(), end.deployments[1].cause.as_ref().unwrap().code.as_str()),
        ("failed", "FL0513")
    );
}
