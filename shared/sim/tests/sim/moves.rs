//! Promotion, rollback and holds.

use flotilla_engine::EngineError;
use flotilla_engine::commands::{Allowed, Promotion, Rollback};
use flotilla_sim::{Behaviour, World};

const WAVES: &[&[&str]] = &[&["eu-west-1"], &["us-east-1", "ap-south-1"]];

fn release(world: &World, version: &str) -> String {
    world.verdict(version).unwrap().release.unwrap()
}

fn refusal(error: EngineError) -> String {
    match error {
        EngineError::Refused(refusal) => refusal.code.to_string(),
        EngineError::Conflict(conflict) => conflict.refusal.code.to_string(),
        other => panic!("{other}"),
    }
}

fn rollback(to: Option<&str>) -> Rollback {
    let to = to.map(|id| flotilla_domain::ReleaseId::parse(id).unwrap());
    let stage = flotilla_domain::StageName::parse("staging").unwrap();
    Rollback { stage, to, by_waves: false, because: Some("it is slow".into()), allow: Allowed::default() }
}

fn promotion(release: Option<&str>, because: Option<&str>) -> Promotion {
    let stage = |name| flotilla_domain::StageName::parse(name).unwrap();
    Promotion {
        from: stage("staging"),
        to: stage("eu-staging"),
        release: release.map(|id| flotilla_domain::ReleaseId::parse(id).unwrap()),
        because: because.map(str::to_owned),
        allow: Allowed::default(),
    }
}

#[test]
fn what_runs_everywhere_at_one_stage_is_promoted_without_a_copy() {
    let mut world = World::new(1, WAVES);
    assert_eq!(refusal(world.promote(&promotion(None, None)).unwrap_err()), "FL0404");
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let copies = world.copies();
    let id = world.promote(&promotion(None, None)).unwrap();
    let rollout = world.end_of_rollout(&id);
    assert_eq!((rollout.status.as_str(), rollout.stage.as_str()), ("succeeded", "eu-staging"));
    assert_eq!(rollout.release, Some(release(&world, &first)));
    assert_eq!(rollout.digest, world.rollout(&first).unwrap().digest, "the same bytes");
    assert_eq!(rollout.because.as_deref(), Some("promoted from staging"));
    assert_eq!(world.copies(), copies, "nothing is copied again");
}

#[test]
fn another_release_than_the_stable_one_needs_a_reason() {
    let mut world = World::new(2, WAVES);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let old = release(&world, &first);
    assert_eq!(refusal(world.promote(&promotion(Some(&old), None)).unwrap_err()), "FL0409");
    let id = world.promote(&promotion(Some(&old), Some("the new one waits for the bank"))).unwrap();
    let rollout = world.end_of_rollout(&id);
    assert_eq!((rollout.status.as_str(), rollout.release), ("succeeded", Some(old)));
    assert_eq!(rollout.because.as_deref(), Some("the new one waits for the bank"));
}

#[test]
fn one_call_brings_every_region_back_at_once_and_holds_what_ran() {
    let mut world = World::new(3, WAVES);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    assert_eq!(
        refusal(world.roll_back(&rollback(None)).unwrap_err()),
        "FL0529",
        "there is nothing before it"
    );
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let copies = world.copies();
    let id = world.roll_back(&rollback(None)).unwrap();
    let rollout = world.end_of_rollout(&id);
    assert_eq!((rollout.status.as_str(), rollout.release), ("succeeded", Some(release(&world, &first))));
    assert!(rollout.deployments.iter().all(|d| d.wave == 1), "all regions at once");
    assert_eq!(world.copies(), copies, "nothing is copied again");
    let stage = world.stage("staging");
    assert_eq!(stage.stable, Some(release(&world, &first)));
    assert_eq!(stage.holds.len(), 1);
    assert_eq!(stage.holds[0].because, "it is slow");

    // The same bytes again, by CI: refused, and recorded as such.
    let again = world.upload("branch/main", "two");
    world.until("a verdict", |w| w.verdict(&again).is_some());
    assert_eq!(world.verdict(&again).unwrap().refusal.unwrap().code, "FL0530");
    assert_eq!(refusal(world.start(&release(&world, &second), "staging").unwrap_err()), "FL0530");
    // Other bytes pass, and so do these once the hold is lifted.
    let third = world.upload("branch/main", "three");
    assert_eq!(world.end_of(&third).status, "succeeded");
    world.lift_holds("staging").unwrap();
    let lifted = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&lifted).status, "succeeded");
}

#[test]
fn a_failed_rollback_never_brings_back_what_is_held() {
    let mut world = World::with(
        4,
        flotilla_contract::ProfileConfig {
            regions: vec!["eu-west-1".into(), "us-east-1".into()],
            on_failure: Some("revert".into()),
            ..Default::default()
        },
    );
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    world.behaves("us-east-1", Behaviour::RollsBack("no".into()));
    let id = world.roll_back(&rollback(Some(&release(&world, &first)))).unwrap();
    let rollout = world.end_of_rollout(&id);
    assert_eq!(rollout.status, "failed");
    let running = world.stage("staging").targets.into_iter().find(|t| t.region == "eu-west-1").unwrap();
    assert_eq!(running.release, Some(release(&world, &first)), "eu-west-1 stays at the good one");
}

#[test]
fn a_rollback_by_waves_keeps_the_profiles_waves() {
    let mut world = World::new(5, WAVES);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let id = world.roll_back(&Rollback { by_waves: true, ..rollback(None) }).unwrap();
    let waves: Vec<u32> = world.end_of_rollout(&id).deployments.iter().map(|d| d.wave).collect();
    assert_eq!(waves, [1, 2, 2]);
}
