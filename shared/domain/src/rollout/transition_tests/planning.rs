//! Plans before the first wave.

use super::gates::{approval, gated, plans};
use super::*;
use crate::rollout::Answer;

#[test]
fn all_plans_are_made_before_the_first_wave_and_nothing_of_them_is_executed() {
    let planning = gated();
    assert_eq!(planning.state, RolloutState::Planning);
    let again = Rollout { acted: false, ..planning.clone() };
    assert_eq!(
        again.due(),
        Some(RolloutCommand::Open(Direction::Forward, planning.targets().cloned().collect()))
    );
    let one = E::DeploymentsObserved(vec![outcome("eu-west-1", Direction::Forward, &State::Planned)]);
    assert_eq!(go(planning.clone(), [one]).state, RolloutState::Planning, "two are not made yet");
    let gated = go(planning, [plans("a")]);
    assert_eq!(gated.state, RolloutState::Gated { wave: 0 });
    for region in ["eu-west-1", "us-east-1"] {
        assert_eq!(gated.answer(&target(region), Direction::Forward, None, false), Answer::Wait);
    }
    let rolling = go(gated.clone(), [approval("ann", &gated), open()]);
    assert_eq!(rolling.due(), Some(RolloutCommand::Wake(targets(&["eu-west-1", "eu-west-2"]))));
    let plan = rolling.plans[&target("eu-west-1")];
    assert_eq!(rolling.answer(&target("eu-west-1"), Direction::Forward, Some(plan), false), Answer::Begin);
    let of_the_next_wave = rolling.plans[&target("us-east-1")];
    assert_eq!(
        rolling.answer(&target("us-east-1"), Direction::Forward, Some(of_the_next_wave), false),
        Answer::Wait
    );
}

#[test]
fn a_plan_that_cannot_be_made_ends_it_before_anything_is_changed() {
    let mut outcomes = vec![outcome("eu-west-1", Direction::Forward, &broken())];
    outcomes.extend(["eu-west-2", "us-east-1"].map(|r| outcome(r, Direction::Forward, &State::Planned)));
    let withdrawing = go(gated(), [E::DeploymentsObserved(outcomes.clone())]);
    assert_eq!(withdrawing.state.name(), "withdrawing");
    assert_eq!(withdrawing.due(), Some(RolloutCommand::Wake(withdrawing.targets().cloned().collect())));
    assert_eq!(withdrawing.answer(&target("eu-west-2"), Direction::Forward, None, false), Answer::Never);
    let waiting = go(withdrawing, [E::Acted, E::DeploymentsObserved(outcomes.clone())]);
    assert_eq!(waiting.state.name(), "withdrawing", "their change sets are still there");
    for outcome in &mut outcomes[1..] {
        outcome.state = State::Cancelled;
    }
    assert_eq!(go(waiting, [E::DeploymentsObserved(outcomes)]).state.name(), "failed");
}

#[test]
fn a_retry_that_begins_with_stacks_that_need_others_plans_the_rest_first() {
    let mut rollout = deploy();
    rollout.gates.plan_first = true;
    rollout.waves[0].level = 1;
    let planning = go(rollout, [E::PlaceObserved(Place::Active), holds(), all_proven()]);
    assert_eq!(planning.state, RolloutState::Planning);
    assert_eq!(planning.due(), Some(RolloutCommand::Open(Direction::Forward, targets(&["us-east-1"]))));
}

#[test]
fn one_that_only_shows_its_plan_ends_with_it() {
    let planning = Rollout { plan_only: true, ..gated() };
    let first = target("eu-west-1");
    assert_eq!(planning.answer(&first, Direction::Forward, None, false), Answer::Never, "it keeps no stack");
    let planned = go(planning, [plans("a")]);
    assert_eq!(planned.state, RolloutState::DiscardingChangeSets(Box::new(RolloutState::Planned)));
    let gone = ["eu-west-1", "eu-west-2", "us-east-1"]
        .map(|region| outcome(region, Direction::Forward, &State::Cancelled));
    let end = go(planned, [E::Acted, E::DeploymentsObserved(gone.into())]);
    assert_eq!(end.state, RolloutState::Planned);
    assert!(end.state.is_terminal() && end.state.cause().is_none());
}

#[test]
fn plans_that_are_never_made_end_it() {
    assert_eq!(gated().deadline(), Some(at(5 + 2 * 3_600)));
    let end = go(gated(), [E::DeadlinePassed]);
    assert_eq!(end.state.cause().unwrap().code, Code::DeadlinePassed);
    assert_eq!(end.state.name(), "withdrawing");
}
