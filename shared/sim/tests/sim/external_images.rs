//! Container images in a repository of somebody else: fetched once, and a part of the package from then on.

use flotilla_contract::CauseView;
use flotilla_domain::StageName;
use flotilla_engine::ports::ErrorKind;
use flotilla_engine::rollout::Rollback;
use flotilla_sim::{Faults, World, image_of, zip_of};
use serde_json::json;

const KEY: &str = "incoming/orders/branch/main/{n}.zip";
const REPOSITORY: &str = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/orders";
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

fn world(seed: u64) -> World {
    let mut world = World::new(seed, &[&REGIONS]);
    world.takes_images(&[REPOSITORY]);
    world
}

/// A package whose function runs the image. `topic` makes it another package.
fn package(image: &str, topic: &str) -> Vec<u8> {
    let template = json!({"Resources": {
        "Job": {"Type": "AWS::Lambda::Function", "Properties": {"PackageType": "Image", "Code": {"ImageUri": image}}},
        topic: {"Type": "AWS::SNS::Topic"}}});
    zip_of(&[("template.json", template.to_string().as_bytes())])
}

#[test]
fn it_runs_in_every_region_and_its_blobs_are_fetched_once() {
    let mut world = world(1);
    let image = world.push_image(REPOSITORY, "one");
    let version = world.upload_bytes(KEY, package(&image, "One"), true);
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded", "{end:#?}");
    for deployment in &end.deployments {
        assert_eq!(deployment.code_sha256["Job"], image_of("one").to_string());
    }
    for region in REGIONS {
        assert_eq!(world.images_in(region).0, [image_of("one")], "{region}");
    }
    // Configuration, the layer of all images, and one of its own.
    assert_eq!(world.calls("ecr:GetDownloadUrlForLayer"), 3);

    // The next package runs the same image, and another one that shares two blobs with it.
    let version = world.upload_bytes(KEY, package(&image, "Two"), true);
    assert_eq!(world.end_of(&version).status, "succeeded");
    assert_eq!(world.calls("ecr:GetDownloadUrlForLayer"), 3);
    let other = world.push_image(REPOSITORY, "two");
    let version = world.upload_bytes(KEY, package(&other, "One"), true);
    assert_eq!(world.end_of(&version).status, "succeeded");
    assert_eq!(world.calls("ecr:GetDownloadUrlForLayer"), 4);

    // What is stored does not need the repository any more.
    world.delete_pushed_images();
    let stage = StageName::parse("staging").unwrap();
    let back = Rollback { stage, to: None, by_waves: false, because: None, allow: Default::default() };
    let rollback = world.roll_back(&back).unwrap();
    assert_eq!(world.end_of_rollout(&rollback).status, "succeeded");
}

fn refusal(world: &mut World, image: &str) -> CauseView {
    let version = world.upload_bytes(KEY, package(image, "One"), true);
    world.until("a verdict", |w| w.verdict(&version).is_some());
    world.verdict(&version).and_then(|upload| upload.refusal).expect("it is refused")
}

#[test]
fn an_image_that_cannot_be_read_is_refused_with_what_to_do() {
    let mut world = world(1);
    let image = world.push_image(REPOSITORY, "one");
    world.delete_pushed_images();
    let missing = refusal(&mut world, &image);
    assert_eq!(missing.code, "FL0235");
    assert!(missing.fix.contains("push the image before"), "{}", missing.fix);

    world.push_image(REPOSITORY, "one");
    world.refuses("ecr:BatchGetImage", ErrorKind::Denied, "AccessDeniedException: no");
    let denied = refusal(&mut world, &image);
    let arn = "arn:aws:ecr:eu-central-1:444455556666:repository/orders";
    assert!(denied.fix.contains(arn), "{}", denied.fix);
}

#[test]
fn a_digest_gives_nobody_the_image_of_another_repository() {
    let mut world = world(1);
    let image = world.push_image(REPOSITORY, "one");
    let version = world.upload_bytes(KEY, package(&image, "One"), true);
    assert_eq!(world.end_of(&version).status, "succeeded");
    // Its parts are in the ingest bucket now. A service that may take images from another repository names their digest there.
    let other = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/mine";
    world.takes_images(&[other]);
    assert_eq!(refusal(&mut world, &image.replace("/orders@", "/mine@")).code, "FL0235");
}

#[test]
fn it_arrives_under_faults() {
    let mut succeeded = 0;
    for seed in 0..40 {
        let mut world = world(seed);
        let image = world.push_image(REPOSITORY, "one");
        world.faults(Faults::STORM);
        let version = world.upload_bytes(KEY, package(&image, "One"), true);
        world.steps(400);
        world.faults(Faults::NONE);
        world.until_at_last("an end", |w| w.rollout(&version).is_some_and(|rollout| rollout.ended));
        succeeded += usize::from(world.rollout(&version).unwrap().status == "succeeded");
    }
    assert!(succeeded >= 20, "{succeeded} of 40");
}
