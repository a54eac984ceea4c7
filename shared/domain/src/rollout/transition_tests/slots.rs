//! Slots: a rollout of a stage that is deployed blue/green.

use super::*;
use crate::deployment::{ApiMapping, TrafficAnswer};
use crate::rollout::{TrafficHooks, TrafficPolicy};
use crate::target::Slot;

const WAVE: [&str; 2] = ["eu-west-1", "eu-west-2"];

/// A rollout whose stage has its traffic in the blue slot of the first region, and in no slot of the others.
fn begun() -> Rollout {
    let mapping =
        ApiMapping { domain: "a.example.com".into(), path: String::new(), api: None, api_stage: None };
    let traffic = TrafficPolicy {
        mapping: Some(mapping),
        record: None,
        steps: Vec::new(),
        analysis: None,
        hooks: TrafficHooks::default(),
    };
    let queued = Rollout { traffic: Some(traffic), state: RolloutState::Queued, ..rolling() };
    let live = [(target(WAVE[0]).site, Slot::Blue)].into();
    go(queued, [E::RoutesFound { live, served: BTreeSet::new(), drained: BTreeSet::new(), runs: None }])
}

fn slots(rollout: &Rollout) -> Vec<String> {
    rollout.targets().map(|t| format!("{}@{}", t.site.region, t.slot.unwrap())).collect()
}

fn rolling_in_slots() -> Rollout {
    Rollout { state: RolloutState::Rolling { wave: 0, from: 2, opened: 2 }, acted: true, ..begun() }
}

fn of_wave(rollout: &Rollout, states: [State; 2]) -> Vec<TargetOutcome> {
    let targets = rollout.waves[0].targets.iter().zip(states);
    let outcome = |(target, state): (&Target, State)| TargetOutcome {
        target: target.clone(),
        acted: true,
        ..outcome("eu-west-1", Direction::Forward, &state)
    };
    targets.map(outcome).collect()
}

#[test]
fn each_target_goes_to_the_slot_without_traffic() {
    let begun = begun();
    assert_eq!(&slots(&begun)[..2], ["eu-west-1@green", "eu-west-2@blue"]);
    let spec = begun.deployment_spec(&begun.waves[0].targets[0], Direction::Forward).unwrap();
    assert_eq!(spec.stack.as_str().rsplit_once('-').unwrap().1, "green");
    assert!(spec.mapping.is_some() && !spec.shifts);
}

#[test]
fn all_regions_of_a_wave_are_switched_before_any_of_them_is_done() {
    let rollout = rolling_in_slots();
    let share = |percent| State::Shifting { percent };
    let first = rollout.waves[0].targets[0].clone();
    let waits = go(rollout.clone(), [E::DeploymentsObserved(of_wave(&rollout, [share(0), share(0)]))]);
    assert_eq!(waits.traffic_answer(&first, Direction::Forward), TrafficAnswer::Shift(0));
    // Nothing is switched while a gate is closed.
    let idle = || of_wave(&rollout, [share(0), share(0)]);
    let observed = |facts| E::TrafficObserved { facts, outcomes: idle() };
    let paused = Rollout { paused_by: Some("ann".into()), ..waits.clone() };
    let still = go(paused, [observed(Facts::at(at(3)))]);
    assert_eq!(still.traffic_answer(&first, Direction::Forward), TrafficAnswer::Shift(0));
    let ready = go(waits, [observed(Facts::at(at(4)))]);
    assert_eq!(ready.traffic_answer(&first, Direction::Forward), TrafficAnswer::Shift(100));
    let half =
        E::TrafficObserved { facts: Facts::at(at(5)), outcomes: of_wave(&rollout, [share(100), share(0)]) };
    let waits = go(ready, [half]);
    assert_eq!(waits.state.name(), "shifting");
    let all = || of_wave(&rollout, [share(100), share(100)]);
    let seen = E::TrafficObserved { facts: Facts::at(at(6)), outcomes: all() };
    let checked = E::ChecksObserved { failures: Vec::new(), alarms: Vec::new(), outcomes: all() };
    let completing = go(waits, [seen, checked]);
    assert_eq!(completing.state, RolloutState::Completing { wave: 0 });
    assert_eq!(completing.traffic_answer(&first, Direction::Forward), TrafficAnswer::Complete);
}

#[test]
fn a_revert_goes_to_the_slot_that_had_the_traffic_and_only_where_it_was_switched() {
    let rollout = Rollout { on_failure: OnFailure::Revert, ..rolling_in_slots() };
    let failed = || State::RolledBack(Cause::new(Code::RolledBack, "no", "fix it"));
    let ended = of_wave(&rollout, [ok(), failed()]);
    let reverting = go(rollout, [E::DeploymentsObserved(ended)]);
    let RolloutState::Reverting(Revert::Finding(targets)) = &reverting.state else {
        panic!("{:?}", reverting.state)
    };
    let [back] = targets.as_slice() else { panic!("{targets:?}") };
    assert_eq!(back.to_string(), target(WAVE[0]).in_slot(Some(Slot::Blue)).to_string());
    assert_eq!(reverting.traffic_answer(back, Direction::Rollback), TrafficAnswer::Complete);
    assert_eq!(reverting.traffic_answer(back, Direction::Forward), TrafficAnswer::Abort);
}
