//! Container images of packages: they are in the repository of each region before a stack needs them, and go when nothing needs them.

use crate::garbage_collection::{DAY_H, OTHER, REGION, bring};
use flotilla_engine::ports::ErrorKind;
use flotilla_sim::{Faults, World, image_of};

fn world() -> World {
    let mut world = World::new(1, &[&[REGION, OTHER]]);
    world.with_image();
    world
}

#[test]
fn an_image_runs_by_its_digest_in_every_region_and_each_blob_is_sent_once() {
    let mut world = world();
    let version = world.upload("branch/main", "one");
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded", "{end:#?}");
    for deployment in &end.deployments {
        assert_eq!(deployment.code_sha256["Job"], image_of("one").to_string());
    }
    for region in [REGION, OTHER] {
        // Configuration, the layer of all images, and one of its own.
        assert_eq!(world.images_in(region), (vec![image_of("one")], 3), "{region}");
    }
    assert_eq!(world.calls("ecr:PutImage"), 2);

    // The next one shares two blobs, and one that is there is asked for only.
    bring(&mut world, "branch/main", "two");
    assert_eq!(world.images_in(REGION).1, 4);
    let (puts, checks) = (world.calls("ecr:PutImage"), world.calls("ecr:BatchCheckLayerAvailability"));
    bring(&mut world, "pr/7", "two");
    assert_eq!(world.calls("ecr:PutImage"), puts, "it was tagged just before");
    assert_eq!(world.calls("ecr:BatchCheckLayerAvailability"), checks);
    let copied = world.versions_of("one", Some(REGION));
    assert_eq!(copied, 1, "the zip, and no part of the image, is in the region's bucket");
}

#[test]
fn a_package_without_images_asks_no_registry() {
    let mut world = World::new(1, &[&[REGION]]);
    bring(&mut world, "branch/main", "one");
    assert_eq!(world.calls("ecr:DescribeImages"), 0);
}

#[test]
fn a_region_without_a_repository_is_named_with_the_command_that_makes_it() {
    let mut world = world();
    world.refuses("ecr:DescribeImages", ErrorKind::Missing, "RepositoryNotFoundException: no");
    let version = world.upload("branch/main", "one");
    let end = world.end_of(&version);
    let cause = end.cause.unwrap();
    assert_eq!((end.status.as_str(), cause.code.as_str()), ("failed", "FL0305"));
    assert!(cause.fix.contains("flotilla account add"), "{}", cause.fix);
    assert_eq!(world.stack(REGION, "staging"), None, "nothing was deployed");
}

#[test]
fn an_image_goes_when_nothing_needs_it_and_stays_while_something_does() {
    let mut world = world();
    world.keeps(1, 1);
    bring(&mut world, "branch/main", "one");
    bring(&mut world, "pr/7", "preview");
    world.pass(30);
    bring(&mut world, "branch/main", "two");
    bring(&mut world, "branch/main", "three");
    world.tag_image("somebody's", REGION, "latest");
    world.jump(31 * DAY_H);
    world.collect();
    let (mut images, _) = world.images_in(REGION);
    let mut expected = vec![image_of("one"), image_of("two"), image_of("three"), image_of("somebody's")];
    images.sort();
    expected.sort();
    assert_eq!(images, expected, "the preview's is gone");
    assert!(!world.images_in(OTHER).0.contains(&image_of("preview")));

    // It comes again with the next upload.
    bring(&mut world, "pr/8", "preview");
    assert!(world.images_in(OTHER).0.contains(&image_of("preview")));
}

#[test]
fn images_arrive_under_faults() {
    let mut succeeded = 0;
    for seed in 0..40 {
        let mut world = World::new(seed, &[&[REGION, OTHER]]);
        world.with_image().faults(Faults::STORM);
        let version = world.upload("branch/main", "one");
        world.steps(400);
        world.faults(Faults::NONE);
        world.until_at_last("an end", |w| w.rollout(&version).is_some_and(|rollout| rollout.ended));
        let end = world.rollout(&version).unwrap();
        if end.status == "succeeded" {
            assert!(world.images_in(REGION).0.contains(&image_of("one")), "{seed}");
            succeeded += 1;
        }
    }
    assert!(succeeded >= 20, "{succeeded} of 40");
}
