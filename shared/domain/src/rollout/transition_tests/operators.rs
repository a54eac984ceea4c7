//! Newer rollouts, and the requests of operators.

use super::*;
use crate::gate::{Check, Probe};

#[test]
fn a_newer_rollout_supersedes_what_has_not_begun_and_never_what_has() {
    let newer = E::PlaceObserved(Place::ActiveWithSuccessor(id(2)));
    assert_eq!(go(deploy(), [newer.clone()]).state, RolloutState::Superseded { by: Some(id(2)) });
    let replicating = go(deploy(), [E::PlaceObserved(Place::Active), holds()]);
    assert_eq!(go(replicating, [newer.clone()]).state, RolloutState::Superseded { by: Some(id(2)) });
    assert!(rolling().apply(newer, at(9)).is_err());
    let replaced = E::PlaceObserved(Place::Replaced(None));
    assert_eq!(go(deploy(), [replaced]).state, RolloutState::Superseded { by: None });
    assert_eq!(go(deploy(), [E::PlaceObserved(Place::Queued)]).state, RolloutState::Queued);
}

#[test]
fn a_removal_clears_the_stage_once_and_removes_what_it_then_finds() {
    let removal = rollout(RolloutKind::Remove);
    assert_eq!(removal.due(), Some(RolloutCommand::ClearStage));
    let queued = go(removal.clone(), [E::Acted, E::PlaceObserved(Place::Queued)]);
    assert_eq!((&queued.state, queued.due()), (&RolloutState::Queued, None));
    let found = Wave::of(vec![target("us-east-1")]);
    let stacks: BTreeMap<_, _> = [(None, StackName::parse("orders-pr-7").unwrap())].into();
    let begun = |waves| E::RemovalBegun { waves, stacks: stacks.clone() };
    let removing = go(queued, [begun(vec![found.clone()])]);
    assert_eq!((&removing.state, &removing.waves), (&RolloutState::Gated { wave: 0 }, &vec![found]));
    assert_eq!(removing.stacks, stacks);
    assert_ne!(removing.subject(), removal.subject(), "other targets need other approvals");
    assert_eq!(go(removal, [begun(Vec::new())]).state, RolloutState::Succeeded, "nothing is there");
    assert!(deploy().apply(begun(Vec::new()), at(1)).is_err(), "only a removal");
    assert!(deploy().apply(E::Acted, at(1)).is_err());
}

#[test]
fn a_cancelled_rollout_finishes_what_has_begun() {
    assert_eq!(go(deploy(), [off("ann", false)]).state, RolloutState::Cancelled);
    let rolling = go(rolling(), [off("ann", false)]);
    assert!(rolling.due().is_none(), "nothing more is opened");
    let rolling = go(rolling, [seen(&[("eu-west-1", State::Executing)])]);
    assert_eq!(wave_of(&rolling), (0, 2));
    let end = go(rolling, [seen(&[("eu-west-1", ok())])]);
    assert_eq!(end.state, RolloutState::Cancelled);
}

#[test]
fn one_that_is_to_stop_at_once_tells_its_deployments_once() {
    let asked = go(rolling(), [off("ann", false), off("bob", true)]);
    assert_eq!(asked.due(), Some(RolloutCommand::Stop { by: "ann".into() }), "who asked first");
    let next = go(asked, [E::Acted]);
    assert!(next.due().is_none());
    let stopped = State::RolledBack(Cause::new(Code::Stopped, "stopped", "nothing"));
    let end = go(next, [seen(&[("eu-west-1", stopped), ("eu-west-2", ok())])]);
    assert_eq!(end.state, RolloutState::Cancelled, "what was stopped is no failure");
}

#[test]
fn a_failure_is_told_although_it_was_cancelled() {
    let end = go(rolling(), [off("ann", false), seen(&[("eu-west-1", bad())])]);
    assert_eq!(end.state.name(), "failed");
}

#[test]
fn a_rollout_cancelled_after_its_last_target_succeeded_has_succeeded() {
    let removal = Rollout { waves: vec![Wave::of(targets(&["eu-west-1"]))], ..rollout(RolloutKind::Remove) };
    let removal = go(removal, [E::PlaceObserved(Place::Active), open(), off("ann", false)]);
    assert_eq!(go(removal, [seen(&[("eu-west-1", State::Removed)])]).state, RolloutState::Succeeded);
}

#[test]
fn a_deployment_that_was_called_off_ends_the_rollout_as_cancelled() {
    let end = go(rolling(), [seen(&[("eu-west-1", ok()), ("eu-west-2", State::Cancelled)])]);
    assert_eq!(end.state, RolloutState::Cancelled);
}

#[test]
fn a_paused_rollout_begins_nothing_and_goes_on_when_it_may() {
    let pause = || E::PauseRequested { by: "ann".into() };
    let copied = go(deploy(), [E::PlaceObserved(Place::Active), holds(), pause(), all_proven()]);
    assert_eq!(copied.state, RolloutState::Replicating);
    assert_eq!(wave_of(&go(copied, [E::ResumeRequested, all_proven(), open()])), (0, 2));

    let done = [("eu-west-1", ok()), ("eu-west-2", ok())];
    let held = go(rolling(), [pause(), seen(&done)]);
    let held = go(held, [open()]);
    assert_eq!(held.state, RolloutState::Gated { wave: 1 }, "the next wave is not begun");
    assert_eq!(held.paused_by.as_deref(), Some("ann"));
    assert_eq!(wave_of(&go(held.clone(), [E::ResumeRequested, open()])), (1, 1));
    assert_eq!(go(held, [off("bob", false)]).state, RolloutState::Cancelled);

    let mut narrow = rolling();
    narrow.waves[0].max_concurrent = 1;
    narrow.state = RolloutState::Rolling { wave: 0, from: 0, opened: 1 };
    let held = go(narrow, [pause(), seen(&[("eu-west-1", ok())])]);
    assert_eq!(wave_of(&held), (0, 1), "the next target is not begun");

    let mut baking = rolling();
    baking.waves[0].bake_s = 1;
    let baking = baked(go(baking, [seen(&done), pause()]));
    assert_eq!(baking.state, RolloutState::Baking { wave: 0 });
    assert_eq!(go(baking.clone(), [off("ann", false)]).state, RolloutState::Cancelled);
    assert_eq!(wave_of(&go(baked(go(baking, [E::ResumeRequested])), [open()])), (1, 1));
}

#[test]
fn a_last_wave_that_ends_while_paused_ends_the_rollout() {
    let mut last = rolling();
    last.waves.truncate(1);
    let end =
        go(last, [E::PauseRequested { by: "a".into() }, seen(&[("eu-west-1", ok()), ("eu-west-2", ok())])]);
    assert_eq!(end.state, RolloutState::Succeeded);
}

#[test]
fn terminal_states_stick() {
    let end = go(deploy(), [off("ann", false)]);
    for event in
        [all_proven(), E::PlaceObserved(Place::Active), E::Acted, off("bob", true), E::ResumeRequested]
    {
        assert!(end.clone().apply(event, at(9)).is_err());
    }
    assert!(end.due().is_none() && end.observation().is_none());
}

#[test]
fn what_is_called_off_before_it_is_proven_has_not_succeeded() {
    let mut last = rolling();
    last.waves.truncate(1);
    let all = || seen(&[("eu-west-1", ok()), ("eu-west-2", ok())]);
    assert_eq!(
        go(last.clone(), [off("ann", false), all()]).state,
        RolloutState::Succeeded,
        "nothing is left"
    );
    let half = || seen(&[("eu-west-1", ok()), ("eu-west-2", State::Cancelled)]);
    assert_eq!(go(last.clone(), [off("ann", false), half()]).state, RolloutState::Cancelled);
    last.waves[0].bake_s = 60;
    assert_eq!(go(last.clone(), [off("ann", false), all()]).state, RolloutState::Cancelled);
    assert_eq!(go(last.clone(), [all(), off("ann", false)]).state, RolloutState::Cancelled);
    last.waves[0].bake_s = 0;
    let probe = Probe::Function { name: "smoke".into() };
    last.gates.checks = vec![Check { probe, within_s: 60 }];
    assert_eq!(go(last, [off("ann", false), all()]).state, RolloutState::Cancelled);
}

#[test]
fn the_time_it_was_held_does_not_count_against_its_deadline() {
    let held =
        go(deploy(), [E::PlaceObserved(Place::Active), holds(), E::PauseRequested { by: "ann".into() }]);
    assert_eq!(held.deadline(), None);
    let resumed = held.apply(E::ResumeRequested, at(90_000)).unwrap();
    assert!(resumed.deadline().unwrap() > at(90_000));
}

#[test]
fn what_goes_back_or_has_ended_is_not_called_off_and_stopping_is_remembered() {
    let may = |state: RolloutState| Rollout { state, ..deploy() }.is_cancellable();
    assert!(may(RolloutState::Queued) && may(RolloutState::Gated { wave: 0 }));
    assert!(may(RolloutState::Rolling { wave: 0, from: 0, opened: 1 }));
    assert!(!may(RolloutState::Reverting(Revert::Finding(Vec::new()))));
    assert!(!may(RolloutState::DiscardingChangeSets(Box::new(RolloutState::Cancelled))));
    assert!(!may(RolloutState::Succeeded));
    let next = |stops: &[bool]| {
        let off = stops.iter().fold(deploy(), |rollout, stop| rollout.cancel("ann", *stop));
        off.cancelled.unwrap().stop_running
    };
    assert_eq!(
        (next(&[false]), next(&[true]), next(&[false, true]), next(&[true, false])),
        (false, true, true, true)
    );
}

#[test]
fn only_what_the_package_declares_is_needed_of_the_outputs_that_the_profile_names() {
    let output = || crate::gate::output::OutputRef::parse("database.Table").unwrap();
    let mut rollout = deploy();
    rollout.needs = ["Known", "Unknown"].map(|name| (name.to_owned(), output())).into();
    let needed = |rollout: &Rollout| rollout.needed().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(needed(&rollout), ["Known"]);
    assert!(needed(&Rollout { kind: RolloutKind::Remove, ..rollout }).is_empty());
}

#[test]
fn only_the_time_that_copies_were_held_is_given_back() {
    let at_nine =
        |rollout: Rollout| rollout.apply(E::ResumeRequested, at(9)).expect("a legal way").entered_at;
    let replicating = go(deploy(), [E::PlaceObserved(Place::Active), holds()]);
    let pause = || E::PauseRequested { by: "ann".into() };
    assert_eq!(at_nine(replicating.clone()), at(5), "it was not paused");
    assert_eq!(at_nine(go(replicating, [pause()])), at(9));
    assert_eq!(at_nine(go(rolling(), [pause()])), at(5));
}
