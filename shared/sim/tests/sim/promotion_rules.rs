//! Promotions that a rule asks for.

use flotilla_contract::RolloutView;
use flotilla_domain::{ReleaseId, RolloutId, StageName};
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::{Promotion, RetryOptions, Rollback};
use flotilla_sim::{Behaviour, Faults, World};
use futures::executor::block_on;
use std::collections::BTreeSet;

const WAVES: &[&[&str]] = &[&["eu-west-1"], &["us-east-1"]];
const NEXT: &str = "eu-staging";

fn world(seed: u64) -> World {
    let mut world = World::new(seed, WAVES);
    world.promotes();
    world
}

/// All rollouts to the next stage, oldest first.
fn promotions(world: &World) -> Vec<RolloutView> {
    let keys = world.items().into_iter().map(|(key, _)| key);
    let ids =
        keys.filter(|key| key.sk == "META").filter_map(|key| Some(key.pk.strip_prefix("RLO#")?.to_owned()));
    let ids: BTreeSet<String> = ids.collect();
    let view = |id: String| {
        let id = RolloutId::parse(&id).unwrap();
        block_on(world.api().1.rollout(&id)).unwrap()
    };
    ids.into_iter().map(view).filter(|view| view.stage == NEXT).collect()
}

fn release(world: &World, version: &str) -> String {
    world.verdict(version).unwrap().release.unwrap()
}

#[test]
fn what_succeeds_at_a_stage_goes_to_the_next_one() {
    let mut world = world(1);
    let version = world.upload("branch/main", "one");
    let first = world.end_of(&version);
    assert_eq!((first.status.as_str(), first.promotes_to.as_deref()), ("succeeded", Some(NEXT)));
    assert!(world.timeline(&first.id).contains(&"promoted".to_owned()));
    let promoted = world.end_of_rollout(&promotions(&world)[0].id);
    assert_eq!((promoted.status.as_str(), promoted.requested_by.as_str()), ("succeeded", "upload"));
    assert_eq!(promoted.because, Some(format!("promoted from staging after {}", first.id)));
    assert_eq!((promoted.digest, promoted.release), (first.digest, first.release));
    assert_eq!((promotions(&world).len(), promoted.promotes_to), (1, None));
}

#[test]
fn what_fails_stays_until_its_retry_has_succeeded() {
    let mut world = world(2);
    world.behaves("us-east-1", Behaviour::RollsBack("no".into()));
    let version = world.upload("branch/main", "one");
    let failed = world.end_of(&version);
    assert_eq!(failed.status, "failed");
    assert!(promotions(&world).is_empty());
    world.behaves("us-east-1", Behaviour::Works);
    let retry = world.retry(&failed.id, &RetryOptions::default()).unwrap();
    let retry = world.end_of_rollout(&retry);
    assert_eq!(retry.status, "succeeded");
    let promoted = promotions(&world);
    assert_eq!(promoted.len(), 1);
    assert_eq!(promoted[0].requested_by, retry.requested_by, "four eyes know who began it");
}

#[test]
fn an_operators_rollback_or_rollout_goes_no_further() {
    let mut world = world(3);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let known = promotions(&world).len();
    assert_eq!(known, 2);
    let back = Rollback {
        stage: StageName::parse("staging").unwrap(),
        to: Some(ReleaseId::parse(&release(&world, &first)).unwrap()),
        by_waves: false,
        because: Some("it is slow".into()),
        allow: AllowedLosses::default(),
    };
    let id = world.roll_back(&back).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    world.lift_holds("staging").unwrap();
    let id = world.start(&release(&world, &second), "staging").unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    assert_eq!(promotions(&world).len(), known);
}

#[test]
fn an_operators_promotion_goes_no_further() {
    let mut world = world(5);
    let version = world.upload("branch/eu", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    let known = promotions(&world).len();
    let stage = |name| StageName::parse(name).unwrap();
    let allow = AllowedLosses::default();
    let to_staging =
        Promotion { from: stage(NEXT), to: stage("staging"), release: None, because: None, allow };
    let id = world.promote(&to_staging).unwrap();
    let end = world.end_of_rollout(&id);
    assert_eq!((end.status.as_str(), end.promotes_to), ("succeeded", None));
    assert_eq!(promotions(&world).len(), known);
}

#[test]
fn a_rule_that_was_changed_meanwhile_promotes_no_more() {
    let mut world = world(6);
    let version = world.upload("branch/main", "one");
    world.until("a rollout", |w| w.rollout(&version).is_some());
    world.promotes_nothing();
    let end = world.end_of(&version);
    assert_eq!((end.status.as_str(), end.promotes_to.as_deref()), ("succeeded", Some(NEXT)));
    assert!(world.timeline(&end.id).contains(&"promotion refused".to_owned()));
    assert!(promotions(&world).is_empty());
}

#[test]
fn what_the_next_stage_refuses_is_told_in_the_timeline_of_a_success() {
    let mut world = world(4);
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    world.end_of_rollout(&promotions(&world)[0].id);
    world.hold(&release(&world, &version), NEXT).unwrap();
    let again = world.upload("branch/main", "one");
    let end = world.end_of(&again);
    assert_eq!(end.status, "succeeded");
    let timeline = world.timeline(&end.id);
    assert!(timeline.contains(&"promotion refused".to_owned()), "{timeline:?}");
    assert_eq!(promotions(&world).len(), 1);
}

#[test]
fn each_success_is_promoted_once_whatever_happens() {
    for seed in 0..30 {
        let mut world = world(seed);
        world.faults(Faults { foreign: 0, operation_fails: 0, rollback_fails: 0, ..Faults::STORM });
        let versions = ["one", "two"].map(|code| {
            let version = world.upload("branch/main", code);
            world.steps(200);
            version
        });
        world.faults(Faults::NONE);
        let mut succeeded = BTreeSet::new();
        for version in versions {
            world.until_at_last("a verdict", |w| w.verdict(&version).is_some());
            let Some(rollout) = world.rollout(&version) else { continue };
            let end = world.end_of_rollout(&rollout.id);
            succeeded.extend((end.status == "succeeded").then_some(end.id));
        }
        let promoted = promotions(&world);
        let from = |view: &RolloutView| {
            view.because.as_ref().and_then(|why| why.rsplit(' ').next().map(str::to_owned))
        };
        let sources: Vec<String> = promoted.iter().filter_map(from).collect();
        assert_eq!(BTreeSet::from_iter(sources.clone()), succeeded, "seed {seed}: {promoted:#?}");
        assert_eq!(sources.len(), succeeded.len(), "seed {seed}: one was promoted twice");
        for view in &promoted {
            let end = world.end_of_rollout(&view.id).status;
            assert!(["succeeded", "superseded"].contains(&end.as_str()), "seed {seed}: {end}");
        }
    }
}
