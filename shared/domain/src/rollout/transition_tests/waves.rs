//! Copies and waves.

use super::*;

#[test]
fn nothing_is_deployed_before_the_package_is_proven_everywhere() {
    let replicating = go(deploy(), [E::PlaceObserved(Place::Active), holds()]);
    assert_eq!(replicating.observation(), Some(RolloutObservation::Replicas));
    let Some(RolloutCommand::Replicate(which, at)) = replicating.due() else { panic!("it copies") };
    assert_eq!((which, at.len()), (release("new").release, 3));
    let some = E::ReplicasObserved {
        proven: targets(&["eu-west-1", "eu-west-2"]).into_iter().map(|t| t.site).collect(),
        failed: BTreeMap::new(),
    };
    assert_eq!(go(replicating.clone(), [some]).state, RolloutState::Replicating);
    assert_eq!(wave_of(&go(replicating, [all_proven(), open()])), (0, 2));
}

#[test]
fn a_copy_whose_message_was_lost_is_asked_for_again() {
    let none = || E::ReplicasObserved { proven: BTreeSet::new(), failed: BTreeMap::new() };
    let asked = go(deploy(), [E::PlaceObserved(Place::Active), holds(), E::Acted, none()]);
    assert!(asked.due().is_none(), "patience");
    let later = asked.apply(none(), at(5 + Rollout::COPY_PATIENCE_S)).unwrap();
    assert!(matches!(later.due(), Some(RolloutCommand::Replicate(..))));
}

#[test]
fn copies_that_never_come_end_it() {
    let replicating = go(deploy(), [E::PlaceObserved(Place::Active), holds()]);
    assert!(replicating.deadline().unwrap() > at(3_600));
    assert_eq!(go(replicating, [E::DeadlinePassed]).state.cause().unwrap().code, Code::DeadlinePassed);
    assert!(rolling().deadline().is_none());
}

#[test]
fn waves_follow_each_other_and_the_last_one_ends_it() {
    let first = go(deploy(), [E::PlaceObserved(Place::Active), holds(), all_proven(), open()]);
    assert_eq!(
        first.due(),
        Some(RolloutCommand::Open(Direction::Forward, targets(&["eu-west-1", "eu-west-2"])))
    );
    let first = go(first, [E::Acted, seen(&[("eu-west-1", ok())])]);
    assert_eq!(wave_of(&first), (0, 2));
    let second = go(first, [seen(&[("eu-west-1", ok()), ("eu-west-2", ok())]), open()]);
    assert_eq!(wave_of(&second), (1, 1));
    assert_eq!(second.due(), Some(RolloutCommand::Open(Direction::Forward, targets(&["us-east-1"]))));
    let end = go(second, [seen(&[("eu-west-1", ok()), ("eu-west-2", ok()), ("us-east-1", ok())])]);
    assert_eq!(end.state, RolloutState::Succeeded);
}

#[test]
fn a_wave_keeps_to_its_concurrency_and_opens_the_next_as_one_ends() {
    let mut rollout = deploy();
    rollout.waves = vec![Wave {
        max_concurrent: 2,
        ..Wave::of(targets(&["eu-west-1", "eu-west-2", "eu-west-3", "eu-west-4"]))
    }];
    let proven = rollout.sites();
    let first = go(
        rollout,
        [
            E::PlaceObserved(Place::Active),
            holds(),
            E::ReplicasObserved { proven, failed: BTreeMap::new() },
            open(),
            E::Acted,
        ],
    );
    assert_eq!(wave_of(&first), (0, 2));
    let both = go(first, [seen(&[("eu-west-1", State::Executing), ("eu-west-2", State::Executing)])]);
    assert_eq!(wave_of(&both), (0, 2));
    let third = go(both, [seen(&[("eu-west-1", State::Executing), ("eu-west-2", ok())])]);
    assert_eq!(third.due(), Some(RolloutCommand::Open(Direction::Forward, targets(&["eu-west-3"]))));
    let unopened = go(third, [E::Acted, seen(&[("eu-west-1", ok()), ("eu-west-2", ok())])]);
    assert_eq!(wave_of(&unopened), (0, 4), "one that is requested and not observed yet counts as running");
    let failed = go(
        unopened,
        [seen(&[("eu-west-1", ok()), ("eu-west-2", ok()), ("eu-west-3", bad()), ("eu-west-4", ok())])],
    );
    assert_eq!(failed.state.name(), "failed");
}

#[test]
fn a_failure_lets_what_runs_end_and_begins_nothing_more() {
    let mut rollout = rolling();
    rollout.waves[0] =
        Wave { max_concurrent: 2, ..Wave::of(targets(&["eu-west-1", "eu-west-2", "eu-west-3"])) };
    let waiting = go(rollout, [seen(&[("eu-west-1", bad()), ("eu-west-2", State::Executing)])]);
    assert_eq!(wave_of(&waiting), (0, 2));
    let end = go(waiting, [seen(&[("eu-west-1", bad()), ("eu-west-2", ok())])]);
    let cause = end.state.cause().unwrap();
    assert_eq!((cause.code, cause.message.as_str()), (Code::RolledBack, "000000000000/eu-west-1: no"));
}

#[test]
fn tolerated_failures_do_not_stop_it_and_are_not_hidden_in_the_end() {
    let mut rollout = rolling();
    rollout.waves[0].tolerate_failures = 1;
    let one = [("eu-west-1", bad()), ("eu-west-2", ok())];
    let second = go(rollout.clone(), [seen(&one), open()]);
    assert_eq!(wave_of(&second), (1, 1));
    let end = go(second, [seen(&[&one[..], &[("us-east-1", ok())]].concat())]);
    let cause = end.state.cause().unwrap();
    assert!(cause.message.starts_with("1 of 3 targets failed"), "{}", cause.message);
    let both = go(rollout, [seen(&[("eu-west-1", bad()), ("eu-west-2", bad())])]);
    assert_eq!(both.state.cause().unwrap().message, "000000000000/eu-west-1: no");
}

#[test]
fn a_wave_bakes_before_the_next_and_before_the_end() {
    let mut rollout = rolling();
    for wave in &mut rollout.waves {
        wave.bake_s = 600;
    }
    let done = [("eu-west-1", ok()), ("eu-west-2", ok())];
    let baking = go(rollout, [seen(&done)]);
    assert_eq!(baking.state, RolloutState::Baking { wave: 0 });
    assert_eq!((baking.observation(), baking.baked_at()), (Some(RolloutObservation::Bake), Some(at(605))));
    assert!(baking.due().is_none());
    let early = E::AlarmsObserved { alarms: Vec::new(), outcomes: Vec::new() };
    assert_eq!(go(baking.clone(), [early]).state, RolloutState::Baking { wave: 0 });
    let second = go(baked(baking), [open(), E::Acted]);
    assert_eq!(wave_of(&second), (1, 1));
    let last = go(second, [seen(&[&done[..], &[("us-east-1", ok())]].concat())]);
    assert_eq!(last.state, RolloutState::Baking { wave: 1 });
    assert_eq!(baked(last).state, RolloutState::Succeeded);
}

#[test]
fn a_tolerated_failure_survives_the_bake() {
    let mut rollout = rolling();
    rollout.waves.truncate(1);
    (rollout.waves[0].tolerate_failures, rollout.waves[0].bake_s) = (1, 60);
    let end = baked(go(rollout, [seen(&[("eu-west-1", bad()), ("eu-west-2", ok())])]));
    assert_eq!(end.state.name(), "failed");
}

#[test]
fn s11_a_region_that_cannot_get_the_package_fails_the_rollout_before_anything_is_deployed() {
    let failed = [(site("us-east-1"), Cause::new(Code::AccessDenied, "kms", "fix"))].into();
    let event = E::ReplicasObserved { proven: [site("eu-west-1")].into(), failed };
    let end = go(deploy(), [E::PlaceObserved(Place::Active), holds(), event]);
    assert_eq!(end.state.cause().unwrap().message, "000000000000/us-east-1: kms");
}

#[test]
fn only_the_parameters_that_the_template_declares_are_passed() {
    let spec = deploy().deployment_spec(&target("eu-west-1"), Direction::Forward).unwrap();
    assert_eq!(spec.parameters.keys().collect::<Vec<_>>(), ["FlotillaStage", "Known"]);
    assert!(
        rollout(RolloutKind::Remove)
            .deployment_spec(&target("eu-west-1"), Direction::Forward)
            .unwrap()
            .parameters
            .is_empty()
    );
    assert!(
        deploy().deployment_spec(&target("eu-west-1"), Direction::Rollback).is_none(),
        "there is no stable release yet"
    );
}

#[test]
fn what_is_opened_is_said_once_and_nothing_is_opened_for_nothing() {
    let nothing = Rollout { state: RolloutState::Rolling { wave: 0, from: 1, opened: 1 }, ..deploy() };
    assert_eq!(nothing.due(), None);
    let mut full = deploy();
    full.waves = vec![Wave { max_concurrent: 1, ..Wave::of(targets(&["eu-west-1", "eu-west-2"])) }];
    full.state = RolloutState::Rolling { wave: 0, from: 0, opened: 1 };
    full.acted = true;
    let same = go(full, [seen(&[("eu-west-1", State::Executing)])]);
    assert_eq!(same.state, RolloutState::Rolling { wave: 0, from: 0, opened: 1 });
    assert!(same.acted, "it opened none anew");
}
