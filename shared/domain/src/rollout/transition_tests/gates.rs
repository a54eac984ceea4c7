//! What keeps a wave from beginning, and what ends it after it has.

use super::*;
use crate::gate::{
    AlarmSeen, AlarmState, Approval, BreakGlass, Check, Closed, Freeze, Gate, Line, Probe, Windows,
};
use crate::rollout::Answer;

/// One that makes all its plans before its first wave, which one person has to approve.
fn gated() -> Rollout {
    let mut rollout = deploy();
    rollout.gates.plan_first = true;
    rollout.waves[0].approvals = 1;
    go(rollout, [E::PlaceSeen(Place::Active), holds(), all_proven(), E::Acted])
}

/// The plans of all targets, each with this text in it.
fn plans(text: &str) -> E {
    let plan = |region: &str| TargetOutcome {
        touched: false,
        plan: Some(Digest::of(format!("{region} {text}").as_bytes())),
        ..outcome(region, Turn::Forward, &State::Planned)
    };
    E::DeploymentsSeen(["eu-west-1", "eu-west-2", "us-east-1"].map(plan).into())
}

fn approval(by: &str, rollout: &Rollout) -> E {
    E::ApproveRequested(Approval {
        by: by.into(),
        because: None,
        at: at(6),
        wave: 0,
        package: rollout.package().unwrap(),
        plan: rollout.plan(),
    })
}

fn facts() -> Facts {
    Facts { now: at(5), stops: Stops::default(), windows: Windows::default(), alarms: Vec::new(), held: None }
}

fn gates_of(rollout: &Rollout) -> Vec<Gate> {
    rollout.closed.iter().map(|closed| closed.gate).collect()
}

fn alarm(state: Option<AlarmState>) -> AlarmSeen {
    AlarmSeen { site: site("eu-west-1"), name: "errors".into(), state, unread: None }
}

#[test]
fn all_plans_are_made_before_the_first_wave_and_nothing_of_them_is_executed() {
    let planning = gated();
    assert_eq!(planning.state, RolloutState::Planning);
    let again = Rollout { acted: false, ..planning.clone() };
    assert_eq!(again.due(), Some(RolloutCommand::Open(Turn::Forward, planning.targets().cloned().collect())));
    let one = E::DeploymentsSeen(vec![outcome("eu-west-1", Turn::Forward, &State::Planned)]);
    assert_eq!(go(planning.clone(), [one]).state, RolloutState::Planning, "two are not made yet");
    let gated = go(planning, [plans("a")]);
    assert_eq!(gated.state, RolloutState::Gated { wave: 0 });
    for region in ["eu-west-1", "us-east-1"] {
        assert_eq!(gated.answer(&target(region), Turn::Forward, None, false), Answer::Wait);
    }
    let rolling = go(gated.clone(), [approval("ann", &gated), open()]);
    assert_eq!(rolling.due(), Some(RolloutCommand::Wake(targets(&["eu-west-1", "eu-west-2"]))));
    let plan = rolling.plans[&target("eu-west-1")];
    assert_eq!(rolling.answer(&target("eu-west-1"), Turn::Forward, Some(plan), false), Answer::Begin);
    let of_the_next_wave = rolling.plans[&target("us-east-1")];
    assert_eq!(
        rolling.answer(&target("us-east-1"), Turn::Forward, Some(of_the_next_wave), false),
        Answer::Wait
    );
}

#[test]
fn a_plan_that_cannot_be_made_ends_it_before_anything_is_changed() {
    let mut outcomes = vec![outcome("eu-west-1", Turn::Forward, &broken())];
    outcomes.extend(["eu-west-2", "us-east-1"].map(|r| outcome(r, Turn::Forward, &State::Planned)));
    let withdrawing = go(gated(), [E::DeploymentsSeen(outcomes.clone())]);
    assert_eq!(withdrawing.state.name(), "withdrawing");
    assert_eq!(withdrawing.due(), Some(RolloutCommand::Wake(withdrawing.targets().cloned().collect())));
    assert_eq!(withdrawing.answer(&target("eu-west-2"), Turn::Forward, None, false), Answer::Never);
    let waiting = go(withdrawing, [E::Acted, E::DeploymentsSeen(outcomes.clone())]);
    assert_eq!(waiting.state.name(), "withdrawing", "their change sets are still there");
    for outcome in &mut outcomes[1..] {
        outcome.state = State::Cancelled;
    }
    assert_eq!(go(waiting, [E::DeploymentsSeen(outcomes)]).state.name(), "failed");
}

#[test]
fn a_retry_that_begins_with_stacks_that_need_others_plans_the_rest_first() {
    let mut rollout = deploy();
    rollout.gates.plan_first = true;
    rollout.waves[0].level = 1;
    let planning = go(rollout, [E::PlaceSeen(Place::Active), holds(), all_proven()]);
    assert_eq!(planning.state, RolloutState::Planning);
    assert_eq!(planning.due(), Some(RolloutCommand::Open(Turn::Forward, targets(&["us-east-1"]))));
}

#[test]
fn one_that_only_shows_its_plan_ends_with_it() {
    let planning = Rollout { plan_only: true, ..gated() };
    let first = target("eu-west-1");
    assert_eq!(planning.answer(&first, Turn::Forward, None, false), Answer::Never, "it keeps no stack");
    let planned = go(planning, [plans("a")]);
    assert_eq!(planned.state, RolloutState::DiscardingChangeSets(Box::new(RolloutState::Planned)));
    let gone = ["eu-west-1", "eu-west-2", "us-east-1"]
        .map(|region| outcome(region, Turn::Forward, &State::Cancelled));
    let end = go(planned, [E::Acted, E::DeploymentsSeen(gone.into())]);
    assert_eq!(end.state, RolloutState::Planned);
    assert!(end.state.is_terminal() && end.state.cause().is_none());
}

#[test]
fn a_wave_waits_for_its_approvals_by_different_people() {
    let mut rollout = gated();
    rollout.waves[0].approvals = 2;
    let gated = go(rollout, [plans("a"), open()]);
    assert_eq!((gates_of(&gated), gated.next_wave()), (vec![Gate::Approval], Some(0)));
    let twice = go(gated.clone(), [approval("ann", &gated), approval("ann", &gated), open()]);
    assert_eq!((twice.approvals.len(), twice.approved_by(0).len()), (1, 1));
    assert_eq!(twice.closed[0].why, "1 of 2 approvals of wave 1");
    let both = go(twice, [approval("bob", &gated), open()]);
    assert_eq!(wave_of(&both), (0, 2));
    assert!(both.closed.is_empty());
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
    let another = Some(Digest::of(b"made anew"));
    assert_eq!(rolling.answer(&target("eu-west-1"), Turn::Forward, another, false), Answer::OtherPlan);
    let unapproved = Rollout { waves: deploy().waves, ..rolling };
    assert_eq!(unapproved.answer(&target("eu-west-1"), Turn::Forward, another, false), Answer::Begin);
}

#[test]
fn a_stopped_line_holds_waves_and_whatever_of_them_has_not_begun() {
    let stop = LineStop { by: "ann".into(), because: "smoke".into(), at: at(1) };
    let stops = Stops([(Line::Everything, stop)].into());
    let stopped = || E::GatesSeen(Facts { stops: stops.clone(), ..facts() });
    let gated = go(deploy(), [E::PlaceSeen(Place::Active), holds(), all_proven(), stopped()]);
    assert_eq!(gates_of(&gated), [Gate::Line]);
    assert!(gated.closed[0].why.starts_with("ann has stopped everything at "), "{:?}", gated.closed);
    assert_eq!(gated.looks_at(at(5)), Some(at(65)), "nothing tells that it goes on");
    let rolling = rolling();
    let first = target("eu-west-1");
    assert_eq!(rolling.answer(&first, Turn::Forward, None, true), Answer::Wait);
    assert_eq!(rolling.answer(&first, Turn::Forward, None, false), Answer::Begin);
    let word = BreakGlass { by: "root".into(), because: "outage".into(), at: at(2) };
    let broken_open = go(gated, [E::BreakGlassRequested(word.clone()), stopped()]);
    assert_eq!(wave_of(&broken_open), (0, 2));
    assert_eq!(broken_open.answer(&first, Turn::Forward, None, true), Answer::BeginUnwatched);
}

#[test]
fn what_goes_back_is_held_up_by_no_gate() {
    let back = Rollout {
        state: RolloutState::Reverting(Revert::Rolling { targets: Vec::new(), level: 0 }),
        ..rolling()
    };
    assert_eq!(back.answer(&target("eu-west-1"), Turn::Back, None, true), Answer::Begin);
    assert_eq!(back.answer(&target("eu-west-1"), Turn::Forward, None, false), Answer::Never);
    let paused = Rollout { paused_by: Some("ann".into()), ..rolling() };
    assert_eq!(paused.answer(&target("eu-west-1"), Turn::Forward, None, false), Answer::Wait);
    assert_eq!(
        go(rolling(), [off("ann", false)]).answer(&target("eu-west-1"), Turn::Forward, None, false),
        Answer::Never
    );
}

#[test]
fn a_freeze_says_when_it_ends_and_the_rollout_sleeps_until_then() {
    let mut rollout = deploy();
    let freeze = Freeze {
        from: "2027-01-01T00:00".parse().unwrap(),
        to: "2027-02-01T00:00".parse().unwrap(),
        because: "holidays".into(),
    };
    let windows = Windows { freezes: vec![freeze], ..Windows::default() };
    let frozen = || E::GatesSeen(Facts { windows: windows.clone(), ..facts() });
    let gated = go(rollout.clone(), [E::PlaceSeen(Place::Active), holds(), all_proven(), frozen()]);
    assert_eq!(gates_of(&gated), [Gate::Window]);
    let ends: Timestamp = "2027-02-01T00:00:00Z".parse().unwrap();
    assert_eq!(gated.looks_at(at(5)), Some(ends));
    let after = E::GatesSeen(Facts { now: ends, windows: windows.clone(), ..facts() });
    assert_eq!(wave_of(&go(gated, [after])), (0, 2));
    rollout.gates.hurry = true;
    rollout.waves[0].approvals = 2;
    let back = go(rollout, [E::PlaceSeen(Place::Active), all_proven(), frozen()]);
    assert_eq!(wave_of(&back), (0, 2), "a way back is not held up");
}

#[test]
fn alarms_are_ok_before_a_wave_begins() {
    let ready = go(deploy(), [E::PlaceSeen(Place::Active), holds(), all_proven()]);
    for state in [Some(AlarmState::Alarm), Some(AlarmState::InsufficientData), None] {
        let seen = E::GatesSeen(Facts { alarms: vec![alarm(state)], ..facts() });
        assert_eq!(gates_of(&go(ready.clone(), [seen])), [Gate::Alarm], "{state:?}");
    }
    let fine = E::GatesSeen(Facts { alarms: vec![alarm(Some(AlarmState::Ok))], ..facts() });
    assert_eq!(wave_of(&go(ready, [fine])), (0, 2));
}

#[test]
fn an_alarm_while_a_wave_bakes_ends_the_rollout_and_brings_everything_back() {
    let mut rollout = rolling();
    (rollout.on_failure, rollout.waves[0].bake_s) = (OnFailure::Revert, 600);
    rollout.gates.alarms = ["errors".to_owned()].into();
    let done = vec![outcome("eu-west-1", Turn::Forward, &ok()), outcome("eu-west-2", Turn::Forward, &ok())];
    let baking = go(rollout, [E::DeploymentsSeen(done.clone())]);
    assert_eq!(baking.looks_at(at(5)), Some(at(35)), "alarms are looked at while it bakes");
    let seen = |state| E::AlarmsSeen { alarms: vec![alarm(state)], outcomes: done.clone() };
    let late = baking.clone().apply(seen(Some(AlarmState::InsufficientData)), at(9_999)).unwrap();
    assert_eq!(late.state.name(), "baking", "one without data does not end the bake");
    assert_eq!(gates_of(&late), [Gate::Alarm], "and it is told");
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
    let done = vec![outcome("eu-west-1", Turn::Forward, &ok()), outcome("eu-west-2", Turn::Forward, &ok())];
    let checking = go(rollout, [E::DeploymentsSeen(done.clone())]);
    assert_eq!((checking.state.name(), checking.look()), ("checking", Some(RolloutLook::Checks)));
    let seen = |failures: Vec<(Target, String)>| E::ChecksSeen { failures, outcomes: done.clone() };
    let failed = || seen(vec![(target("eu-west-2"), "it answered 500".into())]);
    assert_eq!(go(checking.clone(), [failed()]).state.name(), "checking", "it is asked again");
    assert_eq!(go(checking.clone(), [seen(Vec::new())]).state, RolloutState::Baking { wave: 0 });
    let late = checking.apply(failed(), at(125)).unwrap();
    let cause = late.state.cause().unwrap();
    assert_eq!(cause.code, Code::CheckFailed);
    assert!(cause.message.contains("eu-west-2 of wave 1 failed its verification: it answered 500"));
}

#[test]
fn plans_that_are_never_made_end_it() {
    assert_eq!(gated().deadline(), Some(at(5 + 2 * 3_600)));
    let end = go(gated(), [E::DeadlinePassed]);
    assert_eq!(end.state.cause().unwrap().code, Code::DeadlinePassed);
    assert_eq!(end.state.name(), "withdrawing");
}

#[test]
fn gates_that_never_open_end_it() {
    let stop = LineStop { by: "ann".into(), because: "smoke".into(), at: at(1) };
    let stops = Stops([(Line::Everything, stop)].into());
    let stopped = E::GatesSeen(Facts { stops, ..facts() });
    let gated = go(deploy(), [E::PlaceSeen(Place::Active), holds(), all_proven(), stopped]);
    assert_eq!(gated.deadline(), Some(at(5 + Rollout::GATED_H_MAX * 3_600)));
    let end = go(gated, [E::DeadlinePassed]);
    assert!(end.state.cause().unwrap().message.contains("smoke"));
    // What a wave before has changed goes back as after any failure.
    let second =
        Rollout { state: RolloutState::Gated { wave: 1 }, on_failure: OnFailure::Revert, ..rolling() };
    assert!(second.clone().apply(E::DeadlinePassed, at(9)).is_err());
    let done = vec![outcome("eu-west-1", Turn::Forward, &ok())];
    assert_eq!(go(second, [E::GatesLate(done)]).state.name(), "reverting");
}

#[test]
fn what_is_held_after_it_was_let_in_does_not_begin() {
    let cause = Cause::new(Code::PackageHeld, "ann holds it", "lift the hold");
    let held = E::GatesSeen(Facts { held: Some(cause.clone()), ..facts() });
    let ready = go(deploy(), [E::PlaceSeen(Place::Active), holds(), all_proven()]);
    assert_eq!(go(ready, [held.clone()]).state, RolloutState::Failed(cause));
    assert_eq!(go(go(gated(), [plans("a")]), [held.clone()]).state.name(), "withdrawing");
    let second = Rollout { state: RolloutState::Gated { wave: 1 }, ..rolling() };
    assert_eq!(go(second, [held]).state.name(), "rolling", "what has begun is finished");
}

#[test]
fn a_newer_rollout_supersedes_one_whose_first_wave_waits_and_its_plans_are_withdrawn() {
    let gated = go(gated(), [plans("a")]);
    let newer = E::PlaceSeen(Place::ActiveWithSuccessor(id(2)));
    assert_eq!(go(gated, [newer.clone()]).state.name(), "withdrawing");
    let second = Rollout { state: RolloutState::Gated { wave: 1 }, ..rolling() };
    assert!(second.apply(newer, at(9)).is_err(), "what has begun is not torn");
}

#[test]
fn what_other_services_have_to_give_is_waited_for_by_name_and_given_to_each_region() {
    let mut rollout = deploy();
    rollout.needs =
        [("Known".to_owned(), crate::gate::output::OutputRef::parse("database.Table").unwrap())].into();
    let awaiting = go(rollout, [E::PlaceSeen(Place::Active), holds(), all_proven()]);
    assert_eq!((awaiting.state.name(), awaiting.look()), ("awaiting", Some(RolloutLook::Outputs)));
    let missing = vec!["database.Table at staging in eu-west-2".to_owned()];
    let seen = |values, missing| E::OutputsSeen { values, missing };
    let waiting = go(awaiting, [seen(BTreeMap::new(), missing.clone())]);
    assert_eq!(
        (gates_of(&waiting), waiting.closed[0].why.as_str()),
        (vec![Gate::Output], missing[0].as_str())
    );
    let newer = E::PlaceSeen(Place::ActiveWithSuccessor(id(2)));
    assert_eq!(go(waiting.clone(), [newer]).state.name(), "superseded");
    let of = |region: &str| (site(region), [("Known".to_owned(), format!("table-{region}"))].into());
    let given = go(waiting, [seen(["eu-west-1", "eu-west-2"].map(of).into(), Vec::new())]);
    assert_eq!(given.state, RolloutState::Gated { wave: 0 });
    let parameters = given.deployment_spec(&target("eu-west-2"), Turn::Forward).unwrap().parameters;
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
    let looks = |state: RolloutState| Rollout { state, entered_at: at(5), ..deploy() }.looks_at(at(5));
    for state in
        [RolloutState::Verifying { wave: 0 }, RolloutState::WaitingForOutputs, RolloutState::PolicyCheck]
    {
        let again = looks(state.clone());
        assert!(again.is_some_and(|again| again > at(5) && again <= at(5 + 300)), "{state:?}: {again:?}");
    }
    assert_eq!(looks(RolloutState::Rolling { wave: 0, from: 0, opened: 1 }), None);
    let mut gated = Rollout { state: RolloutState::Gated { wave: 0 }, ..deploy() };
    let closed = |until| Closed { gate: Gate::Window, why: "frozen".into(), until: Some(until) };
    gated.closed = vec![closed(at(5)), closed(at(60)), closed(at(90))];
    assert_eq!(gated.looks_at(at(5)), Some(at(60)), "what opens now was looked at just now");
}

#[test]
fn the_same_approval_again_is_one() {
    let gated = go(gated(), [plans("a")]);
    let E::ApproveRequested(first) = approval("ann", &gated) else { unreachable!() };
    let again = Approval { at: at(60), because: Some("I said so".into()), ..first.clone() };
    let approved = go(gated, [E::ApproveRequested(first.clone()), E::ApproveRequested(again)]);
    assert_eq!(approved.approvals, [first]);
}
