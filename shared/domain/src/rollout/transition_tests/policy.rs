//! The policy check, before anything begins.

use super::*;
use crate::gate::{BreakGlass, Gate, PolicyResult, Violation};
use crate::rollout::Answer;

/// One whose profile has rules, at its turn.
fn vetting() -> Rollout {
    go(deploy(), [E::PlaceObserved(Place::Active)])
}

fn broken_rule(n: usize) -> Violation {
    Violation {
        rule: format!("rule_{n}"),
        template: None,
        resource: Some(format!("R{n}")),
        path: format!("Resources.R{n}"),
        message: "no".into(),
    }
}

fn unknown(why: &str, may_pass: bool) -> E {
    E::PolicyChecked(PolicyResult::Unknown { why: why.into(), may_pass })
}

fn glass() -> E {
    E::BreakGlassRequested(BreakGlass { by: "ann".into(), because: "fire".into(), at: at(1) })
}

#[test]
fn rules_are_asked_before_anything_is_copied_or_opened() {
    let rollout = vetting();
    assert_eq!(rollout.state, RolloutState::PolicyCheck);
    assert_eq!((rollout.due(), rollout.observation()), (None, Some(RolloutObservation::PolicyCheck)));
    assert_eq!(rollout.answer(&target("eu-west-1"), Direction::Forward, None, false), Answer::Never);
    assert!(rollout.may_be_superseded());
    assert_eq!(go(rollout, [E::PolicyChecked(PolicyResult::Passed)]).state, RolloutState::Replicating);
}

#[test]
fn a_broken_rule_ends_it_and_the_cause_names_the_first_ones() {
    let first: Vec<Violation> = (0..20).map(broken_rule).collect();
    let failed = go(vetting(), [E::PolicyChecked(PolicyResult::Violated { first, count: 31 })]);
    let RolloutState::Failed(cause) = &failed.state else { panic!("{:?}", failed.state) };
    assert_eq!((cause.code, cause.resource.as_deref()), (Code::RuleBroken, Some("R0")));
    assert!(cause.message.contains("rule_0, Resources.R0: no; rule_1"), "{}", cause.message);
    assert!(cause.message.ends_with("rule_4, Resources.R4: no; and 26 more"), "{}", cause.message);
    let few: Vec<Violation> = (0..2).map(broken_rule).collect();
    let all_told = go(vetting(), [E::PolicyChecked(PolicyResult::Violated { first: few, count: 2 })]);
    let message = &all_told.state.cause().expect("a cause").message;
    assert!(message.ends_with("rule_1, Resources.R1: no"), "{message}");
    let one = Violation { template: Some("stack Api".into()), message: "x".repeat(5_000), ..broken_rule(1) };
    let failed =
        go(vetting(), [E::PolicyChecked(PolicyResult::Violated { first: vec![one; 20], count: 21 })]);
    let cause = failed.state.cause().expect("a cause");
    assert!(cause.message.contains("rule_1, stack Api, Resources.R1: x"));
    assert!(cause.message.ends_with("; and 16 more"), "what is long is cut before its end is");
}

#[test]
fn what_is_not_known_is_asked_again_and_never_holds() {
    let waiting = go(vetting(), [unknown("the function crashed", true)]);
    assert_eq!(waiting.state, RolloutState::PolicyCheck);
    assert_eq!(waiting.blocked_by[0].gate, Gate::PolicyCheck);
    assert!(waiting.observes_at(at(5)).is_some_and(|again| again > at(5) && again <= at(30)));
    assert_eq!(waiting.deadline(), Some(at(5 + 600)));
    let held = go(waiting.clone(), [E::PolicyChecked(PolicyResult::Passed)]);
    assert_eq!((held.state, held.blocked_by), (RolloutState::Replicating, Vec::new()));
    let given_up = go(waiting, [E::DeadlinePassed]);
    let cause = given_up.state.cause().expect("a cause");
    assert_eq!(cause.code, Code::RulesUnapplied);
    assert!(cause.message.ends_with("could not be applied: the function crashed"), "{}", cause.message);
    let for_good = go(vetting(), [unknown("AWS denied it", false)]);
    assert_eq!(for_good.state.cause().map(|cause| cause.code), Some(Code::RulesUnapplied));
}

#[test]
fn what_goes_back_is_not_vetted_and_broken_glass_opens_the_rules_too() {
    let mut back = deploy();
    back.gates.expedite = true;
    assert_eq!(go(back, [E::PlaceObserved(Place::Active)]).state, RolloutState::Replicating);
    let queued = deploy();
    assert_eq!(go(queued, [glass(), E::PlaceObserved(Place::Active)]).state, RolloutState::Replicating);
    for said in
        [unknown("crashed", false), E::PolicyChecked(PolicyResult::Violated { first: Vec::new(), count: 1 })]
    {
        assert_eq!(go(vetting(), [glass(), said]).state, RolloutState::Replicating);
    }
    let removal = rollout(RolloutKind::Remove);
    assert_eq!(go(removal, [E::PlaceObserved(Place::Active)]).state, RolloutState::Gated { wave: 0 });
}

#[test]
fn while_it_is_vetted_it_is_called_off_at_once_and_gives_way_to_a_newer_one() {
    assert_eq!(go(vetting(), [off("ann", false)]).state, RolloutState::Cancelled);
    let newer = id(2);
    let superseded = go(vetting(), [E::PlaceObserved(Place::ActiveWithSuccessor(newer))]);
    assert_eq!(superseded.state, RolloutState::Superseded { by: Some(newer) });
    // Its change sets do not exist yet: there is nothing to discard.
    let mut planned = vetting();
    planned.gates.plan_first = true;
    assert_eq!(go(planned, [off("ann", false)]).state, RolloutState::Cancelled);
    let paused =
        go(vetting(), [E::PauseRequested { by: "ann".into() }, E::PolicyChecked(PolicyResult::Passed)]);
    assert_eq!(go(paused, [all_proven()]).state, RolloutState::Replicating);
}
