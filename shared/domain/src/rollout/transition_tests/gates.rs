//! Gates before, during and after a wave.

use super::*;
use crate::gate::{
    AlarmObservation, AlarmState, Approval, Blocked, BreakGlass, Check, Freeze, FreezeScope, Gate, Probe,
    ScheduledFreeze, Windows,
};
use crate::rollout::Answer;

/// A rollout that makes all plans before its first wave, which needs one approval.
pub(super) fn gated() -> Rollout {
    let mut rollout = deploy();
    rollout.gates.plan_first = true;
    rollout.waves[0].approvals = 1;
    go(rollout, [E::PlaceObserved(Place::Active), holds(), all_proven(), E::Acted])
}

/// The plans of all targets, each with this text in it.
pub(super) fn plans(text: &str) -> E {
    let plan = |region: &str| TargetOutcome {
        acted: false,
        touched: false,
        plan: Some(Digest::of(format!("{region} {text}").as_bytes())),
        ..outcome(region, Direction::Forward, &State::Planned)
    };
    E::DeploymentsObserved(["eu-west-1", "eu-west-2", "us-east-1"].map(plan).into())
}

pub(super) fn approval(by: &str, rollout: &Rollout) -> E {
    E::ApproveRequested(Approval {
        by: by.into(),
        person: by.into(),
        because: None,
        at: at(6),
        wave: 0,
        package: rollout.package().unwrap(),
        plan: rollout.plan(),
    })
}

fn facts() -> Facts {
    Facts::at(at(5))
}

fn gates_of(rollout: &Rollout) -> Vec<Gate> {
    rollout.blocked_by.iter().map(|closed| closed.gate).collect()
}

fn alarm(state: Option<AlarmState>) -> AlarmObservation {
    AlarmObservation { site: site("eu-west-1"), name: "errors".into(), state, unread: None }
}

#[test]
fn a_wave_waits_for_its_approvals_by_different_people() {
    let mut rollout = gated();
    rollout.waves[0].approvals = 2;
    let gated = go(rollout, [plans("a"), open()]);
    assert_eq!((gates_of(&gated), gated.next_wave()), (vec![Gate::Approval], Some(0)));
    let twice = go(gated.clone(), [approval("ann", &gated), approval("ann", &gated), open()]);
    assert_eq!((twice.approvals.len(), twice.approved_by(0).len()), (1, 1));
    assert_eq!(twice.blocked_by[0].why, "1 of 2 approvals of wave 1");
    let both = go(twice, [approval("bob", &gated), open()]);
    assert_eq!(wave_of(&both), (0, 2));
    assert!(both.blocked_by.is_empty());
}

#[test]
fn what_is_left_out_takes_no_approval_with_it() {
    let mut rollout = deploy();
    rollout.waves[0].approvals = 2;
    rollout.keep_targets(&[target("us-east-1")].into());
    let left: Vec<_> = rollout.waves.iter().map(|wave| (wave.targets.len(), wave.approvals)).collect();
    assert_eq!(left, [(1, 2)]);
    let mut rollout = deploy();
    rollout.waves[0].approvals = 2;
    rollout.keep_targets(&targets(&["eu-west-1", "us-east-1"]).into_iter().collect());
    assert_eq!(rollout.waves.iter().map(|wave| wave.approvals).collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn w05_an_approval_binds_package_and_plan_and_is_void_when_either_is_another() {
    let gated = go(gated(), [plans("a")]);
    let approved = go(gated.clone(), [approval("ann", &gated)]);
    let mut other = approved.clone();
    other.plans.insert(target("us-east-1"), Digest::of(b"another"));
    assert_eq!(gates_of(&go(other, [open()])), [Gate::Approval]);
    let other = Rollout { kind: RolloutKind::Deploy(release("other")), ..approved.clone() };
    assert_eq!(gates_of(&go(other, [open()])), [Gate::Approval]);
    let rolling = go(approved, [open()]);
    let another = Some(Digest::of(b"recreated"));
    assert_eq!(rolling.answer(&target("eu-west-1"), Direction::Forward, another, false), Answer::OtherPlan);
    let unapproved = Rollout { waves: deploy().waves, ..rolling };
    assert_eq!(unapproved.answer(&target("eu-west-1"), Direction::Forward, another, false), Answer::Begin);
}

#[test]
fn a_stopped_line_holds_waves_and_whatever_of_them_has_not_begun() {
    let stop = Freeze { by: "ann".into(), because: "smoke".into(), at: at(1) };
    let stops = Freezes([(FreezeScope::Everything, stop)].into());
    let stopped = || E::GatesObserved(Facts { stops: stops.clone(), ..facts() });
    let gated = go(deploy(), [E::PlaceObserved(Place::Active), holds(), all_proven(), stopped()]);
    assert_eq!(gates_of(&gated), [Gate::Freeze]);
    assert!(gated.blocked_by[0].why.starts_with("ann froze everything at "), "{:?}", gated.blocked_by);
    assert_eq!(gated.observes_at(at(5)), Some(at(65)), "nothing tells that it goes on");
    let rolling = rolling();
    let first = target("eu-west-1");
    assert_eq!(rolling.answer(&first, Direction::Forward, None, true), Answer::Wait);
    assert_eq!(rolling.answer(&first, Direction::Forward, None, false), Answer::Begin);
    let word = BreakGlass { by: "root".into(), because: "outage".into(), at: at(2) };
    let broken_open = go(gated, [E::BreakGlassRequested(word.clone()), stopped()]);
    assert_eq!(wave_of(&broken_open), (0, 2));
    assert_eq!(broken_open.answer(&first, Direction::Forward, None, true), Answer::BeginUnwatched);
}

#[test]
fn what_goes_back_is_held_up_by_no_gate() {
    let back = Rollout {
        state: RolloutState::Reverting(Revert::Rolling { targets: Vec::new(), level: 0 }),
        ..rolling()
    };
    assert_eq!(back.answer(&target("eu-west-1"), Direction::Rollback, None, true), Answer::Begin);
    assert_eq!(back.answer(&target("eu-west-1"), Direction::Forward, None, false), Answer::Never);
    let paused = Rollout { paused_by: Some("ann".into()), ..rolling() };
    assert_eq!(paused.answer(&target("eu-west-1"), Direction::Forward, None, false), Answer::Wait);
    assert_eq!(
        go(rolling(), [off("ann", false)]).answer(&target("eu-west-1"), Direction::Forward, None, false),
        Answer::Never
    );
}

#[test]
fn a_freeze_says_when_it_ends_and_the_rollout_sleeps_until_then() {
    let mut rollout = deploy();
    let freeze = ScheduledFreeze {
        from: "2027-01-01T00:00".parse().unwrap(),
        to: "2027-02-01T00:00".parse().unwrap(),
        because: "holidays".into(),
    };
    let windows = Windows { freezes: vec![freeze], ..Windows::default() };
    let frozen = || E::GatesObserved(Facts { windows: windows.clone(), ..facts() });
    let gated = go(rollout.clone(), [E::PlaceObserved(Place::Active), holds(), all_proven(), frozen()]);
    assert_eq!(gates_of(&gated), [Gate::Window]);
    let ends: Timestamp = "2027-02-01T00:00:00Z".parse().unwrap();
    assert_eq!(gated.observes_at(at(5)), Some(ends));
    let after = E::GatesObserved(Facts { now: ends, windows: windows.clone(), ..facts() });
    assert_eq!(wave_of(&go(gated, [after])), (0, 2));
    rollout.gates.expedite = true;
    rollout.waves[0].approvals = 2;
    let back = go(rollout, [E::PlaceObserved(Place::Active), all_proven(), frozen()]);
    assert_eq!(wave_of(&back), (0, 2), "a rollback does not wait for the freeze");
}

#[test]
fn alarms_are_ok_before_a_wave_begins() {
    let ready = go(deploy(), [E::PlaceObserved(Place::Active), holds(), all_proven()]);
    for state in [Some(AlarmState::Alarm), Some(AlarmState::InsufficientData), None] {
        let seen = E::GatesObserved(Facts { alarms: vec![alarm(state)], ..facts() });
        assert_eq!(gates_of(&go(ready.clone(), [seen])), [Gate::Alarm], "{state:?}");
    }
    let fine = E::GatesObserved(Facts { alarms: vec![alarm(Some(AlarmState::Ok))], ..facts() });
    assert_eq!(wave_of(&go(ready, [fine])), (0, 2));
}

#[test]
fn an_alarm_while_a_wave_bakes_ends_the_rollout_and_brings_everything_back() {
    let mut rollout = rolling();
    (rollout.on_failure, rollout.waves[0].bake_s) = (OnFailure::Revert, 600);
    rollout.gates.alarms = ["errors".to_owned()].into();
    let done = vec![
        outcome("eu-west-1", Direction::Forward, &ok()),
        outcome("eu-west-2", Direction::Forward, &ok()),
    ];
    let baking = go(rollout, [E::DeploymentsObserved(done.clone())]);
    assert_eq!(baking.observes_at(at(5)), Some(at(35)), "alarms are observed while it bakes");
    let seen = |state| E::AlarmsObserved { alarms: vec![alarm(state)], outcomes: done.clone() };
    let late = baking.clone().apply(seen(Some(AlarmState::InsufficientData)), at(9_999)).unwrap();
    assert_eq!(late.state.name(), "baking", "one without data does not end the bake");
    assert_eq!(gates_of(&late), [Gate::Alarm], "and it is shown");
    let days = 605 + Rollout::GATED_H_MAX * 3_600;
    let given_up = late.apply(seen(Some(AlarmState::InsufficientData)), at(days)).unwrap();
    assert_eq!(given_up.state.name(), "reverting");
    assert_eq!(given_up.failure.unwrap().code, Code::DeadlinePassed);
    let fine = baking.clone().apply(seen(Some(AlarmState::Ok)), at(605)).unwrap();
    assert_eq!(fine.state, RolloutState::Gated { wave: 1 });
    let raised = go(baking, [seen(Some(AlarmState::Alarm))]);
    assert_eq!(raised.state, RolloutState::Reverting(Revert::Finding(targets(&["eu-west-1", "eu-west-2"]))));
    assert_eq!(raised.failure.unwrap().code, Code::AlarmRaised);
}

#[test]
fn a_wave_is_verified_before_it_bakes_and_a_check_has_its_time() {
    let mut rollout = rolling();
    rollout.waves[0].bake_s = 60;
    let probe = Probe::Function { name: "smoke".into() };
    rollout.gates.checks = vec![Check { probe, within_s: 120 }];
    let done = vec![
        outcome("eu-west-1", Direction::Forward, &ok()),
        outcome("eu-west-2", Direction::Forward, &ok()),
    ];
    let checking = go(rollout, [E::DeploymentsObserved(done.clone())]);
    assert_eq!(
        (checking.state.name(), checking.observation()),
        ("checking", Some(RolloutObservation::Verification))
    );
    let seen = |failures: Vec<(Target, String)>| E::ChecksObserved {
        failures,
        alarms: vec![],
        outcomes: done.clone(),
    };
    let failed = || seen(vec![(target("eu-west-2"), "it answered 500".into())]);
    assert_eq!(go(checking.clone(), [failed()]).state.name(), "checking", "it is verified again");
    assert_eq!(go(checking.clone(), [seen(Vec::new())]).state, RolloutState::Baking { wave: 0 });
    let late = checking.apply(failed(), at(125)).unwrap();
    let cause = late.state.cause().unwrap();
    assert_eq!(cause.code, Code::CheckFailed);
    assert!(cause.message.contains("eu-west-2 of wave 1 failed its verification: it answered 500"));
}

#[test]
fn gates_that_never_open_end_it() {
    let stop = Freeze { by: "ann".into(), because: "smoke".into(), at: at(1) };
    let stops = Freezes([(FreezeScope::Everything, stop)].into());
    let stopped = E::GatesObserved(Facts { stops, ..facts() });
    let gated = go(deploy(), [E::PlaceObserved(Place::Active), holds(), all_proven(), stopped]);
    assert_eq!(gated.deadline(), Some(at(5 + Rollout::GATED_H_MAX * 3_600)));
    let end = go(gated, [E::DeadlinePassed]);
    assert!(end.state.cause().unwrap().message.contains("smoke"));
    // What an earlier wave changed is reverted as after any failure.
    let second =
        Rollout { state: RolloutState::Gated { wave: 1 }, on_failure: OnFailure::Revert, ..rolling() };
    assert!(second.clone().apply(E::DeadlinePassed, at(9)).is_err());
    let done = vec![outcome("eu-west-1", Direction::Forward, &ok())];
    assert_eq!(go(second, [E::GatesLate(done)]).state.name(), "reverting");
}

#[test]
fn what_is_held_after_it_was_let_in_does_not_begin() {
    let cause = Cause::new(Code::PackageHeld, "ann holds it", "lift the hold");
    let held = E::GatesObserved(Facts { held: Some(cause.clone()), ..facts() });
    let ready = go(deploy(), [E::PlaceObserved(Place::Active), holds(), all_proven()]);
    assert_eq!(go(ready, [held.clone()]).state, RolloutState::Failed(cause));
    assert_eq!(go(go(gated(), [plans("a")]), [held.clone()]).state.name(), "withdrawing");
    let second = Rollout { state: RolloutState::Gated { wave: 1 }, ..rolling() };
    assert_eq!(go(second, [held]).state.name(), "rolling", "what has begun is finished");
}

#[test]
fn a_newer_rollout_supersedes_one_whose_first_wave_waits_and_its_plans_are_withdrawn() {
    let gated = go(gated(), [plans("a")]);
    let newer = E::PlaceObserved(Place::ActiveWithSuccessor(id(2)));
    assert_eq!(go(gated, [newer.clone()]).state.name(), "withdrawing");
    let second = Rollout { state: RolloutState::Gated { wave: 1 }, ..rolling() };
    assert!(second.apply(newer, at(9)).is_err(), "a wave that has begun is not superseded");
}

#[test]
fn what_other_services_have_to_give_is_waited_for_by_name_and_given_to_each_region() {
    let mut rollout = deploy();
    rollout.needs =
        [("Known".to_owned(), crate::gate::output::OutputRef::parse("database.Table").unwrap())].into();
    let awaiting = go(rollout, [E::PlaceObserved(Place::Active), holds(), all_proven()]);
    assert_eq!(
        (awaiting.state.name(), awaiting.observation()),
        ("awaiting", Some(RolloutObservation::Outputs))
    );
    let missing = vec!["database.Table at staging in eu-west-2".to_owned()];
    let seen = |values, missing| E::OutputsObserved { values, missing };
    let waiting = go(awaiting, [seen(BTreeMap::new(), missing.clone())]);
    assert_eq!(
        (gates_of(&waiting), waiting.blocked_by[0].why.as_str()),
        (vec![Gate::Output], missing[0].as_str())
    );
    let newer = E::PlaceObserved(Place::ActiveWithSuccessor(id(2)));
    assert_eq!(go(waiting.clone(), [newer]).state.name(), "superseded");
    let of = |region: &str| (site(region), [("Known".to_owned(), format!("table-{region}"))].into());
    let given = go(waiting, [seen(["eu-west-1", "eu-west-2"].map(of).into(), Vec::new())]);
    assert_eq!(given.state, RolloutState::Gated { wave: 0 });
    let parameters = given.deployment_spec(&target("eu-west-2"), Direction::Forward).unwrap().parameters;
    assert_eq!(parameters["Known"], "table-eu-west-2", "it goes before the profile's plain value");
}

#[test]
fn the_next_wave_is_the_one_behind_what_is_under_way() {
    let of = |state: RolloutState| Rollout { state, ..deploy() }.next_wave();
    for before in [
        RolloutState::Queued,
        RolloutState::PolicyCheck,
        RolloutState::Replicating,
        RolloutState::WaitingForOutputs,
    ] {
        assert_eq!(of(before.clone()), Some(0), "{before:?}");
    }
    assert_eq!(of(RolloutState::Gated { wave: 1 }), Some(1));
    for (wave, next) in [(0, Some(1)), (1, None)] {
        let states = [
            RolloutState::Rolling { wave, from: 0, opened: 1 },
            RolloutState::Verifying { wave },
            RolloutState::Baking { wave },
        ];
        for state in states {
            assert_eq!(of(state.clone()), next, "{state:?}");
        }
    }
    assert_eq!(of(RolloutState::Succeeded), None);
}

#[test]
fn the_alarms_of_a_wave_are_those_of_its_sites_and_of_all_before_it() {
    let regions = |wave| {
        let sites = deploy().sites_until(wave);
        sites.iter().map(|site| site.region.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(regions(0), ["eu-west-1", "eu-west-2"]);
    assert_eq!(regions(1), ["eu-west-1", "eu-west-2", "us-east-1"]);
}

#[test]
fn what_nothing_wakes_looks_again_by_itself() {
    let looks = |state: RolloutState| Rollout { state, entered_at: at(5), ..deploy() }.observes_at(at(5));
    for state in
        [RolloutState::Verifying { wave: 0 }, RolloutState::WaitingForOutputs, RolloutState::PolicyCheck]
    {
        let again = looks(state.clone());
        assert!(again.is_some_and(|again| again > at(5) && again <= at(5 + 300)), "{state:?}: {again:?}");
    }
    assert_eq!(looks(RolloutState::Rolling { wave: 0, from: 0, opened: 1 }), None);
    let mut gated = Rollout { state: RolloutState::Gated { wave: 0 }, ..deploy() };
    let closed = |until| Blocked { gate: Gate::Window, why: "frozen".into(), until: Some(until) };
    gated.blocked_by = vec![closed(at(5)), closed(at(60)), closed(at(90))];
    assert_eq!(gated.observes_at(at(5)), Some(at(60)), "what opens now was observed just now");
}

#[test]
fn the_same_approval_again_is_one() {
    let gated = go(gated(), [plans("a")]);
    let E::ApproveRequested(first) = approval("ann", &gated) else { unreachable!() };
    let again = Approval { at: at(60), because: Some("I said so".into()), ..first.clone() };
    let approved = go(gated, [E::ApproveRequested(first.clone()), E::ApproveRequested(again)]);
    assert_eq!(approved.approvals, [first]);
}
