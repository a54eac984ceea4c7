//! Rollback of a stage while a rollout is in progress.

use crate::traffic::{REGIONS, all, at_share, ended, ended_of, profile, running};
use flotilla_contract::RolloutView;
use flotilla_domain::StageName;
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::{Control, Rollback};
use flotilla_sim::{Behaviour, World};

fn rollback() -> Rollback {
    Rollback {
        stage: StageName::parse("staging").unwrap(),
        to: None,
        by_waves: false,
        because: Some("it is slow".into()),
        allow: AllowedLosses::default(),
    }
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
    world.behaves(REGIONS[0], Behaviour::Works);
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
