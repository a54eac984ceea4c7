//! Rollback of a stage: of a rollout in progress, and of traffic that a canary has shifted.

use crate::traffic::{REGIONS, all, at_share, ended, ended_of, profile, running};
use flotilla_contract::{ProfileConfig, RolloutView};
use flotilla_domain::rollout::TrafficOrder;
use flotilla_domain::{ReleaseId, StageName};
use flotilla_engine::ports::ErrorKind;
use flotilla_engine::rollout::{Control, Rollback};
use flotilla_sim::{Behaviour, World};

fn rollback() -> Rollback {
    Rollback::of(StageName::parse("staging").unwrap())
}

/// Rolls the stage back and asserts that this brings back its stable release, and holds what was in progress. Returns how that ended.
fn back_to(world: &mut World, stable: &RolloutView, in_progress: &str) -> RolloutView {
    let id = world.roll_back(&rollback()).unwrap();
    let stopped = ended(world, in_progress);
    let end = ended(world, &id);
    assert_eq!((end.status.as_str(), &end.release), ("succeeded", &stable.release), "{:?}", end.cause);
    let stage = world.stage("staging");
    assert_eq!((&stage.stable, stage.holds.len()), (&stable.release, 1));
    stopped
}

#[test]
fn a_rollback_during_a_canary_takes_its_traffic_and_keeps_the_stable_release() {
    let mut world = running(profile(&[&REGIONS]));
    let before = world.upload("branch/main", "one and a half");
    let stable = ended_of(&mut world, &before);
    assert_eq!(stable.status, "succeeded");
    let rollout = at_share(&mut world, 5);
    let stopped = back_to(&mut world, &stable, &rollout.id);
    assert_eq!(stopped.cause.unwrap().code, "FL0530", "its package is on hold");
    for region in REGIONS {
        let [(_, None)] = &world.aliases(region)[..] else { panic!("{:?}", world.aliases(region)) };
    }
}

#[test]
fn a_rollback_between_waves_brings_back_what_the_first_wave_has_changed() {
    let mut world = World::with(3, profile(&[&REGIONS[..1], &REGIONS[1..]]));
    let first = world.upload("branch/main", "one");
    let stable = ended_of(&mut world, &first);
    let second = world.upload("branch/main", "two");
    world.until("the second wave", |w| {
        w.rollout(&second)
            .is_some_and(|r| r.deployments.iter().any(|d| d.wave == 2 && d.status == "executing"))
    });
    let id = world.rollout(&second).unwrap().id;
    assert_eq!(back_to(&mut world, &stable, &id).status, "cancelled");
    assert!(world.timeline(&id).contains(&"cancel and stop requested".to_owned()));
}

#[test]
fn a_rollback_of_what_has_not_begun_supersedes_it_and_goes_one_release_further() {
    let mut world = World::with(3, profile(&[&REGIONS]));
    let releases = ["one", "two"].map(|build| {
        let version = world.upload("branch/main", build);
        ended_of(&mut world, &version).release
    });
    let third = world.upload("branch/main", "three");
    world.until("a rollout", |w| w.rollout(&third).is_some());
    let waits = world.rollout(&third).unwrap().id;
    world.control(&waits, Control::Pause).unwrap();
    let id = world.roll_back(&rollback()).unwrap();
    assert_eq!(ended(&mut world, &waits).status, "superseded");
    let end = ended(&mut world, &id);
    assert_eq!((end.status.as_str(), &end.release), ("succeeded", &releases[0]));
}

#[test]
fn a_pause_while_the_stacks_are_updated_holds_the_first_share() {
    let mut world = running(profile(&[&REGIONS]));
    let second = world.upload("branch/main", "two");
    world.until("the updates", |w| {
        let rollout = w.rollout(&second).filter(|rollout| rollout.deployments.len() == REGIONS.len());
        rollout.is_some_and(|r| r.deployments.iter().all(|d| d.status == "executing"))
    });
    let id = world.rollout(&second).unwrap().id;
    world.control(&id, Control::Pause).unwrap();
    world.until("new versions", |w| w.rollout_by_id(&id).status == "shifting");
    world.steps(200);
    assert_eq!(world.rollout_by_id(&id).traffic.map(|traffic| traffic.percent), Some(0));
    all(&world, &[("1".to_owned(), None)]);
    world.control(&id, Control::Resume).unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    all(&world, &[("2".to_owned(), None)]);
}

const UPDATE_MS: i64 = 600_000;

/// A world in which a second release has been shifted to, and an update of a stack takes ten minutes from now on.
fn shifted(profile: ProfileConfig) -> World {
    let mut world = running(profile);
    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "succeeded");
    all(&world, &[("2".to_owned(), None)]);
    for region in REGIONS {
        world.behaves(region, Behaviour::Takes(UPDATE_MS));
    }
    world
}

/// Runs until the first version has all traffic again, in every region.
fn until_restored(world: &mut World) {
    world.until("the traffic of every region", |w| {
        REGIONS.iter().all(|region| w.aliases(region) == [("1".to_owned(), None)])
    });
}

#[test]
fn a_rollback_restores_the_traffic_before_it_updates_the_stacks() {
    let mut world = shifted(profile(&[&REGIONS]));
    let calls = |world: &World| ["lambda:UpdateAlias", "lambda:GetAlias"].map(|call| world.calls(call));
    let (before, since_ms) = (calls(&world), world.now_ms());
    let id = world.roll_back(&rollback()).unwrap();
    until_restored(&mut world);
    assert!(world.now_ms() - since_ms < 20_000, "{}", world.now_ms() - since_ms);
    let after = calls(&world);
    assert_eq!([after[0] - before[0], after[1] - before[1]], [3, 3], "two calls for each function");
    let end = ended(&mut world, &id);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    assert!(world.now_ms() - since_ms >= UPDATE_MS);
    // The update publishes the code once more, and the templates say so.
    all(&world, &[("3".to_owned(), None)]);
    assert!(world.timeline(&id).contains(&"us-east-1 restoring".to_owned()));
}

#[test]
fn a_revert_restores_the_traffic_of_waves_that_were_completed() {
    let on_failure = Some("revert".to_owned());
    let mut world = running(ProfileConfig { on_failure, ..profile(&[&REGIONS[..1], &REGIONS[1..]]) });
    let second = world.upload("branch/main", "two");
    world.until("the first wave", |w| w.aliases(REGIONS[0]) == [("2".to_owned(), None)]);
    world
        .behaves(REGIONS[0], Behaviour::Takes(UPDATE_MS))
        .behaves(REGIONS[1], Behaviour::RollsBack("no".into()));
    world.until("the revert", |w| w.rollout(&second).is_some_and(|r| r.status == "reverting"));
    let since_ms = world.now_ms();
    world.until("the traffic", |w| w.aliases(REGIONS[0]) == [("1".to_owned(), None)]);
    assert!(world.now_ms() - since_ms < 20_000, "{}", world.now_ms() - since_ms);
    assert_eq!(ended_of(&mut world, &second).status, "reverted");
}

#[test]
fn where_the_versions_are_not_known_or_lambda_refuses_the_update_moves_the_traffic() {
    // The release before the one before.
    let mut world = shifted(profile(&[&REGIONS]));
    let first = world.stage("staging").past[0].clone();
    let third = world.upload("branch/main", "three");
    assert_eq!(ended_of(&mut world, &third).status, "succeeded");
    let set = world.calls("lambda:UpdateAlias");
    let to = Some(ReleaseId::parse(&first).unwrap());
    let id = world.roll_back(&Rollback { to, ..rollback() }).unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    assert_eq!(world.calls("lambda:UpdateAlias"), set);
    all(&world, &[("4".to_owned(), None)]);

    let mut world = shifted(profile(&[&REGIONS]));
    world.refuses("lambda:UpdateAlias", ErrorKind::Permanent, "AccessDeniedException: no");
    let id = world.roll_back(&rollback()).unwrap();
    let end = ended(&mut world, &id);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    all(&world, &[("3".to_owned(), None)]);
    let notes = &end.deployments[0].notes;
    assert!(notes.iter().any(|note| note.starts_with("the traffic is moved by the update")), "{notes:?}");
}

#[test]
fn the_versions_are_known_after_a_canary_that_was_aborted() {
    let mut world = running(profile(&[&REGIONS]));
    let aborted = at_share(&mut world, 5);
    world.traffic(&aborted.id, TrafficOrder::Abort).unwrap();
    assert_eq!(ended(&mut world, &aborted.id).status, "failed");
    let third = world.upload("branch/main", "three");
    assert_eq!(ended_of(&mut world, &third).status, "succeeded");
    all(&world, &[("3".to_owned(), None)]);
    let set = world.calls("lambda:UpdateAlias");
    let id = world.roll_back(&rollback()).unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    assert_eq!(world.calls("lambda:UpdateAlias") - set, 3);
    all(&world, &[("4".to_owned(), None)]);
}

#[test]
fn a_second_rollback_is_refused_while_the_first_one_runs() {
    let mut world = shifted(profile(&[&REGIONS]));
    let id = world.roll_back(&rollback()).unwrap();
    until_restored(&mut world);
    let refused = world.roll_back(&rollback()).unwrap_err();
    assert!(refused.to_string().contains(&id), "{refused}");
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    assert_eq!(world.stage("staging").holds.len(), 1);
}

#[test]
fn what_a_cancelled_rollback_has_restored_is_known_and_nothing_is_restored_twice() {
    let mut world = shifted(profile(&[&REGIONS]));
    let id = world.roll_back(&rollback()).unwrap();
    world.until("its deployments", |w| w.rollout_by_id(&id).status == "rolling");
    // No stack is updated.
    world.control(&id, Control::Pause).unwrap();
    until_restored(&mut world);
    world.cancel(&id).unwrap();
    assert_eq!(ended(&mut world, &id).status, "cancelled");
    let status: Vec<String> = world.stage("staging").targets.into_iter().map(|t| t.status).collect();
    assert_eq!(status, ["cancelled"; 3], "the stage knows that something has changed");
    // What runs now is not the release that the head calls stable, so no version of it is known.
    for region in REGIONS {
        world.behaves(region, Behaviour::Works);
    }
    let third = world.upload("branch/main", "three");
    assert_eq!(ended_of(&mut world, &third).status, "succeeded");
    let set = world.calls("lambda:UpdateAlias");
    let id = world.roll_back(&rollback()).unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    assert_eq!(world.calls("lambda:UpdateAlias"), set);
}

#[test]
fn an_alias_that_names_another_version_by_now_is_left_to_the_update() {
    let mut world = shifted(profile(&[&REGIONS]));
    let stable = world.stage("staging").stable.unwrap();
    let id = world.roll_back(&rollback()).unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    all(&world, &[("3".to_owned(), None)]);
    world.lift_holds("staging").unwrap();
    let set = world.calls("lambda:UpdateAlias");
    let to = Some(ReleaseId::parse(&stable).unwrap());
    let id = world.roll_back(&Rollback { to, ..rollback() }).unwrap();
    assert_eq!(ended(&mut world, &id).status, "succeeded");
    assert_eq!(world.calls("lambda:UpdateAlias"), set, "the rollback before has not shifted it");
    all(&world, &[("4".to_owned(), None)]);
}
