//! What users see, told as stories.

use flotilla_engine::ports::{ErrorKind, PortError};
use flotilla_engine::preview::SweepLimits;
use flotilla_sim::{Behaviour, World};

const THREE: &[&[&str]] = &[&["eu-west-1", "us-east-1", "ap-south-1"]];

fn statuses(rollout: &flotilla_contract::RolloutView) -> Vec<&str> {
    rollout.deployments.iter().map(|d| d.status.as_str()).collect()
}

#[test]
fn one_upload_reaches_every_region_and_an_update_follows() {
    let mut world = World::new(1, THREE);
    let first = world.upload("branch/main", "one");
    let rollout = world.end_of(&first);
    assert_eq!((rollout.status.as_str(), statuses(&rollout)), ("succeeded", vec!["succeeded"; 3]));
    assert_eq!(world.stack("us-east-1", "staging"), Some("CREATE_COMPLETE"));
    let second = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&second).status, "succeeded");
    assert_eq!(world.stack("us-east-1", "staging"), Some("UPDATE_COMPLETE"));
    let stage = world.stage("staging");
    assert_eq!(stage.stable, world.verdict(&second).unwrap().release);
    assert!(stage.active.is_none() && stage.targets.iter().all(|t| t.status == "succeeded"));
}

#[test]
fn the_same_bytes_again_change_nothing_and_copy_nothing() {
    let mut world = World::new(2, THREE);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let copies = world.copies();
    let again = world.upload("branch/main", "one");
    let rollout = world.end_of(&again);
    assert_eq!(rollout.status, "succeeded");
    assert!(rollout.deployments.iter().all(|d| d.changed == Some(false)));
    assert_eq!(world.copies(), copies);
}

#[test]
fn the_timeline_tells_a_deployments_story_in_order() {
    let mut world = World::new(3, &[&["eu-west-1"]]);
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version);
    let timeline = world.timeline(&rollout.id);
    assert_eq!(
        timeline,
        [
            "queued",
            "replicating",
            "rolling",
            "eu-west-1 inspecting",
            "eu-west-1 planning",
            "eu-west-1 planned",
            "eu-west-1 executing",
            "eu-west-1 verifying",
            "eu-west-1 succeeded",
            "succeeded",
        ]
    );
}

#[test]
fn c02_c05_a_failed_first_create_is_reported_with_its_cause_and_the_next_upload_heals_it() {
    let mut world = World::new(4, THREE);
    world.behaves("us-east-1", Behaviour::RollsBack("Table already exists: orders".into()));
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version);
    assert_eq!(
        (rollout.status.as_str(), statuses(&rollout)),
        ("failed", vec!["succeeded", "rolled_back", "succeeded"])
    );
    let cause = rollout.deployments[1].cause.as_ref().unwrap();
    assert_eq!(cause.code, "FL0511");
    assert!(cause.message.contains("Table already exists: orders"), "{}", cause.message);
    assert!(rollout.cause.unwrap().message.starts_with("111122223333/us-east-1"));
    let stage = world.stage("staging");
    let broken = stage.targets.iter().find(|t| t.region == "us-east-1").unwrap();
    assert_eq!((broken.status.as_str(), &broken.release), ("rolled_back", &None), "nothing runs there");
    assert_eq!(world.stack("us-east-1", "staging"), Some("ROLLBACK_COMPLETE"));

    world.behaves("us-east-1", Behaviour::Works);
    let next = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&next).status, "succeeded");
    assert_eq!(world.stack("us-east-1", "staging"), Some("CREATE_COMPLETE"));
}

#[test]
fn after_a_rolled_back_update_the_stage_says_what_still_runs() {
    let mut world = World::new(5, THREE);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    world.behaves("us-east-1", Behaviour::RollsBack("no".into()));
    let second = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&second).status, "failed");
    let stage = world.stage("staging");
    let running = |region: &str| stage.targets.iter().find(|t| t.region == region).unwrap().release.clone();
    assert_eq!(running("us-east-1"), world.verdict(&first).unwrap().release);
    assert_eq!(running("eu-west-1"), world.verdict(&second).unwrap().release);
    assert_eq!(stage.stable, world.verdict(&first).unwrap().release);
}

#[test]
fn a_failed_wave_stops_the_rollout_before_the_next() {
    let mut world = World::new(6, &[&["eu-west-1"], &["us-east-1"]]);
    world.behaves("eu-west-1", Behaviour::RollsBack("no".into()));
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version);
    assert_eq!((rollout.status.as_str(), statuses(&rollout)), ("failed", vec!["rolled_back", "skipped"]));
    assert_eq!(world.stack("us-east-1", "staging"), None);
}

#[test]
fn c17_a_refused_change_set_keeps_cloudformations_words() {
    let mut world = World::new(7, THREE);
    world.behaves("ap-south-1", Behaviour::Refuses("Template error: unresolved Ref".into()));
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version);
    let cause = rollout.deployments[2].cause.clone().unwrap();
    assert_eq!((cause.code.as_str(), cause.message.as_str()), ("FL0510", "Template error: unresolved Ref"));
}

#[test]
fn c24_a_capability_comes_from_the_profile_and_never_from_the_upload() {
    let mut world = World::new(28, THREE);
    let template = r#"{"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r"}}},
        "Metadata": {"Capabilities": ["CAPABILITY_NAMED_IAM"]}}"#;
    let manifest = br#"{"flotilla": 1, "template": "template.json"}"#;
    let files = [("flotilla.json", manifest.as_slice()), ("template.json", template.as_bytes())];
    let version =
        world.upload_bytes("incoming/orders/branch/main/{n}.zip", flotilla_sim::zip_of(&files), true);
    world.until("a verdict", |w| w.verdict(&version).is_some());
    let refusal = world.verdict(&version).unwrap().refusal.unwrap();
    assert_eq!(refusal.code, "FL0228", "{refusal:?}");
    assert_eq!(world.stack("eu-west-1", "staging"), None);
}

#[test]
fn s11_nothing_is_deployed_anywhere_when_one_region_cannot_get_the_package() {
    let mut world = World::new(8, THREE);
    let denied = PortError::new(ErrorKind::Denied, "s3:CopyObject", "AccessDenied: kms:GenerateDataKey");
    world.refuses_copies("ap-south-1", denied);
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version);
    assert_eq!((rollout.status.as_str(), statuses(&rollout)), ("failed", vec!["skipped"; 3]));
    assert!(rollout.cause.unwrap().message.contains("kms:GenerateDataKey"));
    assert_eq!(world.stack("eu-west-1", "staging"), None);
}

#[test]
fn promise_3_code_that_was_changed_behind_cloudformations_back_is_noticed() {
    let mut world = World::new(9, THREE);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    world.tamper("eu-west-1", "staging");
    let again = world.upload("branch/main", "one");
    let rollout = world.end_of(&again);
    assert_eq!(rollout.deployments[0].cause.as_ref().unwrap().code, "FL0513");
}

#[test]
fn two_uploads_in_quick_succession_the_newer_supersedes_what_has_not_begun() {
    let mut world = World::new(10, THREE);
    let first = world.upload("branch/main", "one");
    world.until("the first is rolling", |w| w.rollout(&first).is_some_and(|r| r.status == "rolling"));
    let second = world.upload("branch/main", "two");
    let third = world.upload("branch/main", "three");
    assert_eq!(world.end_of(&third).status, "succeeded");
    assert_eq!(world.rollout(&first).unwrap().status, "succeeded", "what has begun is finished");
    assert_eq!(world.rollout(&second).unwrap().status, "superseded");
    assert_eq!(world.rollout(&second).unwrap().superseded_by, world.verdict(&third).unwrap().rollout);
    assert_eq!(world.stage("staging").stable, world.verdict(&third).unwrap().release);
}

#[test]
fn s01_promise_6_duplicates_of_everything_change_nothing() {
    let mut world = World::new(11, THREE);
    let version = world.upload("branch/main", "one");
    for _ in 0..30 {
        world.duplicate_messages().steps(5);
        if world.rollout(&version).is_some_and(|r| r.ended) {
            break;
        }
    }
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn s03_an_upload_whose_event_was_lost_is_found() {
    let mut world = World::new(12, THREE);
    let version =
        world.upload_bytes("incoming/orders/branch/main/1.zip", flotilla_sim::package("one"), false);
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn q03_lost_ticks_are_found_whenever_they_are_lost() {
    for steps in 1..25 {
        let mut world = World::new(13, THREE);
        let version = world.upload("branch/main", "one");
        world.steps(steps).drop_messages();
        assert_eq!(world.end_of(&version).status, "succeeded", "after {steps} steps");
    }
}

#[test]
fn s06_a_vanished_upload_ends_in_a_refusal() {
    let mut world = World::new(14, THREE);
    let version = world.upload("branch/main", "one");
    world.lose_upload(&version);
    world.until("a verdict", |w| w.verdict(&version).is_some());
    assert_eq!(world.verdict(&version).unwrap().refusal.unwrap().code, "FL0104");
}

#[test]
fn promise_4_every_bad_upload_ends_in_a_recorded_refusal_with_a_fix() {
    let mut world = World::new(15, THREE);
    let package = flotilla_sim::package("one");
    let cut = package[..package.len() / 2].to_vec();
    let cases = [
        ("incoming/orders/branch/main/{n}.tar", package.clone(), "FL0101"),
        ("incoming/nobody/branch/main/{n}.zip", package.clone(), "FL0102"),
        ("incoming/orders/tag/v1/{n}.zip", package.clone(), "FL0103"),
        ("incoming/orders/branch/main/{n}.zip", b"no zip".to_vec(), "FL0201"),
        ("incoming/orders/branch/main/{n}.zip", cut, "FL0202"),
        ("incoming/orders/branch/main/{n}.zip", Vec::new(), "FL0201"),
    ];
    for (key, bytes, code) in cases {
        let version = world.upload_bytes(key, bytes, true);
        world.until("a verdict", |w| w.verdict(&version).is_some());
        let refusal = world.verdict(&version).unwrap().refusal.expect("a refusal");
        assert_eq!(refusal.code, code);
        assert!(!refusal.fix.is_empty());
    }
}

#[test]
fn a_cancelled_rollout_stops_and_lets_the_next_one_in() {
    let mut world = World::new(16, &[&["eu-west-1"], &["us-east-1"]]);
    let first = world.upload("branch/main", "one");
    world.until("it is rolling", |w| w.rollout(&first).is_some_and(|r| r.status == "rolling"));
    world.cancel(&world.rollout(&first).unwrap().id).unwrap();
    let rollout = world.end_of(&first);
    assert_eq!(rollout.status, "cancelled");
    assert!(rollout.cancelled_by.unwrap().ends_with("user/ann"));
    assert!(world.cancel(&rollout.id).is_err(), "it has ended");
    assert_eq!(world.stack("us-east-1", "staging"), None);
    let second = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&second).status, "succeeded");
}

#[test]
fn an_older_release_is_brought_back_without_a_copy() {
    let mut world = World::new(17, THREE);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let (copies, release) = (world.copies(), world.verdict(&first).unwrap().release.unwrap());
    let id = world.start(&release, "staging").unwrap();
    world.until("its end", |w| w.rollout_by_id(&id).ended);
    assert_eq!(world.rollout_by_id(&id).status, "succeeded");
    assert_eq!(world.copies(), copies);
    assert_eq!(world.stage("staging").stable, Some(release.clone()));
    assert!(world.start(&release, "nowhere").is_err());
}

#[test]
fn w06_a_preview_ends_after_its_time_in_every_region_and_a_newer_upload_prolongs_it() {
    let mut world = World::new(18, THREE);
    let first = world.upload("pr/7", "one");
    assert_eq!(world.end_of(&first).status, "succeeded");
    world.pass(20);
    let second = world.upload("pr/7", "two");
    assert_eq!(world.end_of(&second).status, "succeeded");
    world.pass(20);
    assert_eq!(world.stack("us-east-1", "pr-7"), Some("UPDATE_COMPLETE"), "the second upload prolonged it");
    world.pass(6);
    assert_eq!(world.stack("us-east-1", "pr-7"), None);
    let stage = world.stage("pr-7");
    assert!(stage.targets.is_empty() && stage.expires_at.is_none() && stage.stable.is_none());
    let third = world.upload("pr/7", "three");
    assert_eq!(world.end_of(&third).status, "succeeded", "it can be made again");
}

#[test]
fn a_dry_run_says_what_would_be_removed_and_a_cap_bounds_it() {
    let mut world = World::new(19, &[&["eu-west-1"]]);
    for pr in ["pr/1", "pr/2", "pr/3"] {
        let version = world.upload(pr, "one");
        world.end_of(&version);
    }
    world.jump(25);
    let dry = world.sweep(SweepLimits { dry_run: true, ..SweepLimits::default() });
    assert_eq!(dry.removals.len(), 3);
    assert_eq!(world.stack("eu-west-1", "pr-1"), Some("CREATE_COMPLETE"));
    let capped = world.sweep(SweepLimits { removals_max: 1, ..SweepLimits::default() });
    assert_eq!(capped.removals.len(), 1);
}

#[test]
fn q14_a_stack_status_event_ends_the_wait_at_once_and_means_nothing_by_itself() {
    let mut world = World::new(20, &[&["eu-west-1"]]);
    let version = world.upload("branch/main", "one");
    let status =
        |world: &World, version: &str| world.rollout(version).map(|r| r.deployments[0].status.clone());
    world.until("it executes", |w| status(w, &version).as_deref() == Some("executing"));
    world.hint("eu-west-1", "staging").hint("us-east-1", "staging").hint("eu-west-1", "other");
    assert_eq!(
        status(&world, &version).as_deref(),
        Some("executing"),
        "CloudFormation is asked, not the event"
    );
    world.drop_messages().finish_operations().hint("eu-west-1", "staging");
    assert_eq!(status(&world, &version).as_deref(), Some("succeeded"));
}
