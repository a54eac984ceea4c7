//! Reverts.

use super::*;
use crate::deployment::DeploymentKind;

fn failed() -> Rollout {
    let rollout = Rollout { on_failure: OnFailure::Revert, ..rolling() };
    go(rollout, [seen(&[("eu-west-1", ok()), ("eu-west-2", bad())])])
}

fn back(states: &[(&str, State)]) -> E {
    let forward =
        [outcome("eu-west-1", Direction::Forward, &ok()), outcome("eu-west-2", Direction::Forward, &bad())];
    let back = states.iter().map(|(region, state)| outcome(region, Direction::Rollback, state));
    E::DeploymentsObserved(forward.into_iter().chain(back).collect())
}

fn going_back() -> Rollout {
    let copied = E::ReplicasObserved { proven: [site("eu-west-1")].into(), failed: BTreeMap::new() };
    go(failed(), [E::StableObserved(Some(release("old"))), E::Acted, copied])
}

#[test]
fn what_it_changed_goes_back_to_the_stable_release_as_one_unit() {
    let finding = failed();
    assert_eq!(finding.state, RolloutState::Reverting(Revert::Finding(targets(&["eu-west-1"]))));
    assert_eq!((finding.observation(), finding.due()), (Some(RolloutObservation::Stable), None));
    let copying = go(finding, [E::StableObserved(Some(release("old")))]);
    let old = release("old").release;
    assert_eq!(copying.due(), Some(RolloutCommand::Replicate(old, [site("eu-west-1")].into())));
    assert_eq!(copying.awaited_release(), Some(old));
    assert!(copying.deadline().is_some());
    let rolling = going_back();
    assert_eq!(rolling.due(), Some(RolloutCommand::Open(Direction::Rollback, targets(&["eu-west-1"]))));
    let spec = rolling.deployment_spec(&target("eu-west-1"), Direction::Rollback).unwrap();
    let DeploymentKind::Deploy(brought) = spec.kind else { panic!("it brings nothing") };
    assert_eq!((brought.release, brought.package), (old, release("old").package));
    let waiting = go(rolling, [E::Acted, back(&[]), back(&[("eu-west-1", State::Executing)])]);
    assert_eq!(waiting.state.name(), "reverting");
    let end = go(waiting, [back(&[("eu-west-1", ok())])]);
    assert_eq!(end.state.name(), "reverted");
    assert_eq!(end.state.cause().unwrap().message, "000000000000/eu-west-2: no");
}

#[test]
fn only_what_may_have_changed_goes_back() {
    let unchanged = State::Succeeded { changed: false };
    let states = [("eu-west-1", unchanged), ("eu-west-2", bad())];
    let end = go(Rollout { on_failure: OnFailure::Revert, ..rolling() }, [seen(&states)]);
    assert_eq!(end.state.name(), "failed", "nothing was changed");
    let states = [("eu-west-1", ok()), ("eu-west-2", broken())];
    let both = go(Rollout { on_failure: OnFailure::Revert, ..rolling() }, [seen(&states)]);
    assert_eq!(both.state, RolloutState::Reverting(Revert::Finding(targets(&["eu-west-1", "eu-west-2"]))));
    let untouched = TargetOutcome { touched: false, ..outcome("eu-west-1", Direction::Forward, &broken()) };
    assert!(!untouched.changed());
    assert!(!outcome("eu-west-1", Direction::Forward, &State::Cancelled).changed());
}

#[test]
fn halt_leaves_everything_as_it_is() {
    let end = go(rolling(), [seen(&[("eu-west-1", ok()), ("eu-west-2", bad())])]);
    assert_eq!(end.state.name(), "failed");
}

#[test]
fn a_rollout_that_was_called_off_or_removes_does_not_go_back() {
    let revert = Rollout { on_failure: OnFailure::Revert, ..rolling() };
    let end = go(revert, [off("ann", false), seen(&[("eu-west-1", ok()), ("eu-west-2", bad())])]);
    assert_eq!(end.state.name(), "failed");
    let removal = Rollout { on_failure: OnFailure::Revert, ..rollout(RolloutKind::Remove) };
    let end = go(
        removal,
        [
            E::PlaceObserved(Place::Active),
            open(),
            E::Acted,
            seen(&[("eu-west-1", State::Removed), ("eu-west-2", broken())]),
        ],
    );
    assert_eq!(end.state.name(), "failed");
}

#[test]
fn without_a_stable_release_it_fails_and_says_so() {
    let end = go(failed(), [E::StableObserved(None)]);
    let cause = end.state.cause().unwrap();
    assert_eq!(cause.code, Code::NothingToRevertTo);
    assert!(cause.message.starts_with("000000000000/eu-west-2: no"));
}

#[test]
fn a_way_back_that_is_blocked_says_both_causes() {
    let copying = go(failed(), [E::StableObserved(Some(release("old")))]);
    let denied = Cause::new(Code::AccessDenied, "kms", "fix");
    let refused =
        E::ReplicasObserved { proven: BTreeSet::new(), failed: [(site("eu-west-1"), denied)].into() };
    for end in [
        go(copying.clone(), [refused]),
        go(copying, [E::DeadlinePassed]),
        go(going_back(), [back(&[("eu-west-1", broken())])]),
    ] {
        assert_eq!(end.state.name(), "failed");
        let message = &end.state.cause().unwrap().message;
        assert!(message.starts_with("000000000000/eu-west-2: no; the revert failed too: "), "{message}");
    }
}

#[test]
fn nobody_calls_a_way_back_off() {
    for event in [off("ann", true), E::PauseRequested { by: "ann".into() }] {
        assert!(going_back().apply(event, at(9)).is_err());
    }
}

#[test]
fn nothing_goes_back_before_the_stable_package_is_proven_at_all_that_go_back() {
    let copying = Rollout {
        state: RolloutState::Reverting(Revert::Copying(targets(&["eu-west-1", "eu-west-2"]))),
        revert_to: Some(release("old")),
        ..deploy()
    };
    let some = E::ReplicasObserved { proven: [site("eu-west-1")].into(), failed: BTreeMap::new() };
    assert!(matches!(go(copying.clone(), [some]).state, RolloutState::Reverting(Revert::Copying(_))));
    let all = E::ReplicasObserved {
        proven: [site("eu-west-1"), site("eu-west-2")].into(),
        failed: BTreeMap::new(),
    };
    assert!(matches!(go(copying, [all]).state, RolloutState::Reverting(Revert::Rolling { .. })));
}
