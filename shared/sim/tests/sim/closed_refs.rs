//! Previews end with their ref: a marker among the uploads says that a branch or pull request is gone.

use flotilla_contract::UploadView;
use flotilla_engine::preview::SweepLimits;
use flotilla_sim::{Behaviour, World};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

fn world() -> World {
    World::new(1, &[&REGIONS[..1], &REGIONS[1..]])
}

/// A world in which a preview of `pr/7` runs.
fn with_preview() -> World {
    let mut world = world();
    let version = world.upload("pr/7", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    world
}

#[track_caller]
fn decided(world: &mut World, version: &str) -> UploadView {
    world.until("the verdict", |world| world.verdict(version).is_some());
    world.verdict(version).unwrap()
}

fn code(upload: UploadView) -> Option<String> {
    upload.refusal.map(|refusal| refusal.code)
}

/// The statuses of a preview's stacks.
fn stacks(world: &World, stage: &str) -> [Option<&'static str>; 2] {
    REGIONS.map(|region| world.stack(region, stage))
}

#[track_caller]
fn is_gone(world: &mut World, stage: &str) {
    world.until("every rollout ends", |world| world.open_rollouts().is_empty());
    assert_eq!(stacks(world, stage), [None, None]);
    let head = world.stage(stage);
    assert!(head.targets.is_empty() && head.active.is_none() && head.expires_at.is_none(), "{head:?}");
}

#[test]
fn a_preview_ends_with_its_ref_and_the_others_stay() {
    let mut world = with_preview();
    for git_ref in ["pr/8", "branch/main"] {
        let version = world.upload(git_ref, "one");
        world.end_of(&version);
    }
    let marker = world.close("pr/7", true);
    let seen = decided(&mut world, &marker);
    assert_eq!((seen.status.as_str(), seen.release), ("closed", None));
    let removal = world.end_of(&marker);
    assert_eq!((removal.status.as_str(), removal.requested_by.as_str()), ("succeeded", "the end of pr:7"));
    is_gone(&mut world, "pr-7");
    for stays in ["pr-8", "staging"] {
        assert_eq!(stacks(&world, stays), [Some("CREATE_COMPLETE"); 2], "{stays}");
    }
}

#[test]
fn a_rollout_in_progress_is_cancelled_and_what_it_deployed_is_removed() {
    let mut world = world();
    for region in REGIONS {
        world.behaves(region, Behaviour::Takes(600_000));
    }
    let version = world.upload("pr/7", "one");
    world.until("it executes", |world| world.stack(REGIONS[0], "pr-7") == Some("CREATE_IN_PROGRESS"));
    let marker = world.close("pr/7", true);
    decided(&mut world, &marker);
    is_gone(&mut world, "pr-7");
    let cancelled = world.rollout(&version).unwrap();
    assert_eq!(
        (cancelled.status.as_str(), cancelled.cancelled_by.as_deref()),
        ("cancelled", Some("the end of pr:7"))
    );
    assert_eq!(world.rollout(&marker).unwrap().status, "succeeded");
    assert_eq!(world.rollout(&marker).unwrap().deployments.len(), 1, "the second wave never began");
}

#[test]
fn a_queued_upload_is_superseded_and_one_that_waits_longer_is_declined() {
    let mut world = world();
    world.behaves(REGIONS[0], Behaviour::Takes(600_000));
    world.upload("pr/7", "one");
    world.until("it executes", |world| world.stack(REGIONS[0], "pr-7") == Some("CREATE_IN_PROGRESS"));
    let queued = world.upload("pr/7", "two");
    decided(&mut world, &queued);
    let late = world.upload_bytes("incoming/orders/pr/7/late.zip", flotilla_sim::package("three"), false);
    let marker = world.close("pr/7", true);
    decided(&mut world, &marker);
    world.event_of("incoming/orders/pr/7/late.zip", &late);
    assert_eq!(code(decided(&mut world, &late)).as_deref(), Some("FL0107"));
    is_gone(&mut world, "pr-7");
    assert_eq!(world.rollout(&queued).unwrap().status, "superseded");
}

#[test]
fn a_ref_that_was_closed_before_anything_was_deployed_gets_no_preview() {
    let mut world = world();
    let early = world.upload_bytes("incoming/orders/pr/7/early.zip", flotilla_sim::package("one"), false);
    let marker = world.close("pr/7", true);
    let closed = decided(&mut world, &marker);
    assert_eq!((closed.status.as_str(), closed.rollout), ("closed", None));
    world.event_of("incoming/orders/pr/7/early.zip", &early);
    assert_eq!(code(decided(&mut world, &early)).as_deref(), Some("FL0107"));
    is_gone(&mut world, "pr-7");
}

#[test]
fn a_later_upload_opens_the_preview_again_and_a_late_marker_does_not_end_it() {
    let mut world = with_preview();
    let marker = world.close("pr/7", true);
    world.end_of(&marker);
    let again = world.upload("pr/7", "two");
    assert_eq!(world.end_of(&again).status, "succeeded");
    world.event_of("incoming/orders/pr/7/closed", &marker);
    let late = world.close("pr/7", false);
    let third = world.upload("pr/7", "three");
    assert_eq!(world.end_of(&third).status, "succeeded");
    world.event_of("incoming/orders/pr/7/closed", &late);
    assert_eq!(decided(&mut world, &late).rollout, None);
    world.steps(200);
    assert!(world.open_rollouts().is_empty());
    assert_eq!(stacks(&world, "pr-7"), [Some("UPDATE_COMPLETE"); 2]);
    assert!(world.stage("pr-7").expires_at.is_some());
}

#[test]
fn an_upload_after_the_marker_supersedes_the_removal_that_has_not_begun() {
    let mut world = world();
    world.behaves(REGIONS[0], Behaviour::Takes(600_000));
    world.upload("pr/7", "one");
    world.until("it executes", |world| world.stack(REGIONS[0], "pr-7") == Some("CREATE_IN_PROGRESS"));
    let marker = world.close("pr/7", true);
    decided(&mut world, &marker);
    let again = world.upload("pr/7", "two");
    decided(&mut world, &again);
    assert_eq!(world.end_of(&again).status, "succeeded");
    assert_eq!(world.rollout(&marker).unwrap().status, "superseded");
    assert!(stacks(&world, "pr-7").iter().all(Option::is_some));
}

#[test]
fn a_preview_that_is_being_removed_gets_no_second_removal() {
    let mut world = with_preview();
    world.jump(25);
    for region in REGIONS {
        world.behaves(region, Behaviour::Takes(600_000));
    }
    world.sweep(SweepLimits::default());
    let removal = world.stage("pr-7").active.expect("its time has passed");
    let marker = world.close("pr/7", true);
    assert_eq!(decided(&mut world, &marker).rollout, Some(removal));
    is_gone(&mut world, "pr-7");
}

#[test]
fn a_removal_waits_for_one_before_it_and_removes_what_is_left() {
    let mut world = with_preview();
    for region in REGIONS {
        world.behaves(region, Behaviour::Takes(300_000));
    }
    let first = world.close("pr/7", true);
    world.until("it deletes", |world| world.stack(REGIONS[1], "pr-7") == Some("DELETE_IN_PROGRESS"));
    let again = world.upload("pr/7", "two");
    decided(&mut world, &again);
    let second = world.close("pr/7", true);
    decided(&mut world, &second);
    is_gone(&mut world, "pr-7");
    assert_eq!(world.rollout(&first).unwrap().status, "succeeded");
    assert_eq!(world.rollout(&again).unwrap().status, "superseded");
    assert_eq!(world.rollout(&second).unwrap().status, "succeeded");
}

#[test]
fn a_removal_that_is_cancelled_while_it_waits_is_tried_again_an_hour_later() {
    let mut world = world();
    for region in REGIONS {
        world.behaves(region, Behaviour::Takes(600_000));
    }
    world.upload("pr/7", "one");
    world.until("it executes", |world| world.stack(REGIONS[0], "pr-7") == Some("CREATE_IN_PROGRESS"));
    let marker = world.close("pr/7", true);
    let removal = decided(&mut world, &marker).rollout.unwrap();
    world.cancel(&removal).unwrap();
    assert_eq!(world.end_of_rollout(&removal).status, "cancelled");
    assert!(world.stage("pr-7").expires_at.is_some(), "the sweep finds it");
    world.pass(2);
    is_gone(&mut world, "pr-7");
}

#[test]
fn the_next_sweep_finds_a_marker_whose_event_was_lost() {
    let mut world = with_preview();
    let marker = world.close("pr/7", false);
    assert_eq!(world.sweep(SweepLimits::default()).uploads, ["incoming/orders/pr/7/closed"]);
    decided(&mut world, &marker);
    is_gone(&mut world, "pr-7");
}

#[test]
fn stages_that_outlive_the_ref_are_refused_and_stay() {
    let mut world = world();
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    for (git_ref, expected) in [("branch/main", "FL0108"), ("branch/unknown", "FL0103"), ("pr/x", "FL0101")] {
        let marker = world.close(git_ref, true);
        assert_eq!(code(decided(&mut world, &marker)).as_deref(), Some(expected), "{git_ref}");
    }
    assert_eq!(stacks(&world, "staging"), [Some("CREATE_COMPLETE"); 2]);
}

#[test]
fn a_marker_is_not_refused_for_coming_with_many_uploads() {
    let mut world = with_preview();
    let before_ms = world.now_ms();
    for _ in 0..70 {
        world.upload_bytes("incoming/orders/pr/x/{n}.zip", Vec::new(), true);
    }
    world.wait_ms(before_ms - world.now_ms());
    let marker = world.close("pr/7", true);
    assert_eq!(decided(&mut world, &marker).status, "closed");
    is_gone(&mut world, "pr-7");
}

#[test]
fn a_preview_ends_whatever_call_a_function_crashes_after() {
    for nth in 1..=40 {
        let mut world = world();
        world.behaves(REGIONS[0], Behaviour::Takes(60_000));
        world.upload("pr/7", "one");
        world.until("it executes", |world| world.stack(REGIONS[0], "pr-7") == Some("CREATE_IN_PROGRESS"));
        let marker = world.close("pr/7", true);
        world.crash_after_call(nth);
        decided(&mut world, &marker);
        is_gone(&mut world, "pr-7");
    }
}
