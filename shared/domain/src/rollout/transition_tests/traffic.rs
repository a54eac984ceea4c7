//! Traffic: what a rollout makes of the shares of its deployments.

use super::*;
use crate::analysis::AnalysisPolicy;
use crate::deployment::TrafficAnswer;
use crate::gate::{AlarmObservation, AlarmState};
use crate::rollout::{Shift, TrafficHooks, TrafficOrder, TrafficPolicy, TrafficStep};

const WAVE: [&str; 2] = ["eu-west-1", "eu-west-2"];

fn policy(steps: Vec<TrafficStep>) -> TrafficPolicy {
    TrafficPolicy { mapping: None, record: None, steps, analysis: None, hooks: TrafficHooks::default() }
}

/// A rollout with the steps 5 % and 50 %, whose first wave is published and waits for the gates of its first share.
fn published() -> Rollout {
    let steps = [(5, 60), (50, 0)].map(|(percent, for_s)| TrafficStep { percent, for_s, requests: 0 });
    let policy = Some(policy(steps.into()));
    let published = seen(&WAVE.map(|region| (region, State::Shifting { percent: 0 })));
    go(Rollout { traffic: policy, ..rolling() }, [published])
}

/// The same, whose gates were open at second 9.
fn shifting() -> Rollout {
    observe(published(), facts(9), outcomes(&State::Shifting { percent: 0 }))
}

fn shift_of(rollout: &Rollout) -> Shift {
    match &rollout.state {
        RolloutState::Shifting(shift) => *shift,
        other => panic!("{other:?}"),
    }
}

/// Every deployment of the first wave is in this state, and its command is done.
fn outcomes(state: &State) -> Vec<TargetOutcome> {
    let done = |region| TargetOutcome { acted: true, ..outcome(region, Direction::Forward, state) };
    WAVE.map(done).into()
}

fn facts(second: i64) -> Facts {
    Facts::at(at(second))
}

/// An observation at a time.
fn observe(rollout: Rollout, facts: Facts, outcomes: Vec<TargetOutcome>) -> Rollout {
    let now = facts.now;
    rollout.apply(E::TrafficObserved { facts, outcomes }, now).expect("a legal way")
}

#[test]
fn a_step_ends_when_its_time_has_passed_since_every_target_has_its_share() {
    let first = shifting();
    assert_eq!(shift_of(&first), Shift { wave: 0, step: 0, percent: 5, since: None, reading: None });
    assert_eq!(first.due(), Some(RolloutCommand::Wake(targets(&WAVE))));
    assert_eq!(first.traffic_answer(&target(WAVE[0]), Direction::Forward), TrafficAnswer::Shift(5));
    assert_eq!(
        first.traffic_answer(&target("us-east-1"), Direction::Forward),
        TrafficAnswer::Wait,
        "its wave has not begun"
    );
    // One target has it, the other one has only saved that it is to have it.
    let mut half = outcomes(&State::Shifting { percent: 5 });
    half[1].acted = false;
    let waits = observe(first.clone(), facts(500), half);
    assert_eq!(shift_of(&waits).since, None);
    let reached = observe(waits, facts(600), outcomes(&State::Shifting { percent: 5 }));
    assert_eq!(shift_of(&reached).since, Some(at(600)));
    assert_eq!(reached.step_ends_at(), Some(at(660)));
    let early = observe(reached, facts(659), outcomes(&State::Shifting { percent: 5 }));
    assert_eq!(shift_of(&early).percent, 5);
    let paused = Rollout { paused_by: Some("ann".into()), ..early.clone() };
    assert_eq!(shift_of(&observe(paused, facts(700), outcomes(&State::Shifting { percent: 5 }))).percent, 5);
    let second = observe(early, facts(660), outcomes(&State::Shifting { percent: 5 }));
    assert_eq!(shift_of(&second), Shift { wave: 0, step: 1, percent: 50, since: None, reading: None });
    let complete = observe(second, facts(661), outcomes(&State::Shifting { percent: 50 }));
    assert_eq!(complete.state, RolloutState::Completing { wave: 0 });
    assert_eq!(complete.traffic_answer(&target(WAVE[0]), Direction::Forward), TrafficAnswer::Complete);
    let next = go(complete, [E::DeploymentsObserved(outcomes(&ok()))]);
    assert_eq!(next.state, RolloutState::Gated { wave: 1 });
}

#[test]
fn no_traffic_is_shifted_before_the_gates_of_the_first_step_are_open() {
    let none = || outcomes(&State::Shifting { percent: 0 });
    let waits = published();
    assert_eq!(shift_of(&waits), Shift { wave: 0, step: 0, percent: 0, since: None, reading: None });
    assert_eq!(waits.traffic_answer(&target(WAVE[0]), Direction::Forward), TrafficAnswer::Shift(0));
    let paused = observe(Rollout { paused_by: Some("ann".into()), ..waits.clone() }, facts(9), none());
    assert_eq!(shift_of(&paused).percent, 0);
    assert_eq!(shift_of(&observe(Rollout { paused_by: None, ..paused }, facts(99), none())).percent, 5);
    let unknown = AlarmObservation {
        site: target(WAVE[0]).site,
        name: "errors".into(),
        state: Some(AlarmState::InsufficientData),
        unread: None,
    };
    let closed = Facts { alarms: vec![unknown], ..facts(9) };
    let blocked = observe(waits, closed, none());
    assert_eq!((shift_of(&blocked).percent, blocked.blocked_by.len()), (0, 1));
    assert_eq!(blocked.measures_at(), None, "there is nothing to measure");
    let opened = observe(blocked, facts(20), none());
    assert_eq!((shift_of(&opened).percent, opened.blocked_by.len()), (5, 0));
}

#[test]
fn an_alarm_an_order_and_a_cancellation_take_the_traffic_back_first() {
    let alarm = AlarmObservation {
        site: target(WAVE[0]).site,
        name: "errors".into(),
        state: Some(AlarmState::Alarm),
        unread: None,
    };
    let alarmed = Facts { alarms: vec![alarm], ..facts(20) };
    let by = || "ann".to_owned();
    let aborted = go(shifting(), [E::TrafficOrdered { order: TrafficOrder::Abort, by: by() }]);
    let cancelled = go(shifting(), [off("ann", false)]);
    let at_five = || outcomes(&State::Shifting { percent: 5 });
    let cases = [
        (observe(shifting(), alarmed, at_five()), Some(Code::AlarmRaised)),
        (aborted, Some(Code::TrafficAborted)),
        (observe(cancelled, facts(20), at_five()), None),
    ];
    for (back, code) in cases {
        assert_eq!(back.state, RolloutState::ShiftingBack { wave: 0 }, "{code:?}");
        assert_eq!(back.traffic_answer(&target(WAVE[1]), Direction::Forward), TrafficAnswer::Abort);
        let still = go(back.clone(), [E::DeploymentsObserved(at_five())]);
        assert_eq!(still.state, back.state, "one has not given it back");
        let ended = go(back, [E::DeploymentsObserved(outcomes(&broken()))]);
        match code {
            Some(code) => assert_eq!(ended.state.cause().map(|cause| cause.code), Some(code)),
            None => assert_eq!(ended.state, RolloutState::Cancelled),
        }
    }
}

#[test]
fn a_target_that_cannot_be_set_takes_the_others_back() {
    let cause = Cause::new(Code::AccessDenied, "no", "fix");
    let mut seen = outcomes(&State::Shifting { percent: 5 });
    seen[1].state = State::ShiftingBack(cause);
    let back = observe(shifting(), facts(20), seen);
    assert_eq!(back.state, RolloutState::ShiftingBack { wave: 0 });
    assert_eq!(back.failure.map(|cause| cause.code), Some(Code::AccessDenied));
}

#[test]
fn a_share_set_by_hand_goes_on_with_the_next_larger_step() {
    let order = |order| E::TrafficOrdered { order, by: "ann".into() };
    let set = go(shifting(), [order(TrafficOrder::of(20))]);
    assert_eq!((shift_of(&set).percent, set.acted), (20, false));
    let reached = observe(set, facts(100), outcomes(&State::Shifting { percent: 20 }));
    let next = observe(reached, facts(160), outcomes(&State::Shifting { percent: 20 }));
    assert_eq!(shift_of(&next).percent, 50);
    let most = go(next, [order(TrafficOrder::of(99))]);
    let reached = observe(most, facts(200), outcomes(&State::Shifting { percent: 99 }));
    assert_eq!(reached.state, RolloutState::Completing { wave: 0 }, "no step has more");
    assert_eq!(go(shifting(), [order(TrafficOrder::of(100))]).state, RolloutState::Completing { wave: 0 });
    assert!(rolling().apply(order(TrafficOrder::Promote), at(9)).is_err());
}

#[test]
fn hooks_run_before_the_first_share_and_after_the_last_one() {
    let hooks = TrafficHooks { before: Some("before".into()), after: Some("after".into()) };
    let steps = vec![TrafficStep { percent: 5, for_s: 0, requests: 0 }];
    let hooked = |rollout: Rollout| Rollout {
        traffic: Some(TrafficPolicy {
            mapping: None,
            record: None,
            steps: steps.clone(),
            analysis: None,
            hooks: hooks.clone(),
        }),
        ..rollout
    };
    let published = outcomes(&State::Shifting { percent: 0 });
    let before = go(hooked(rolling()), [E::DeploymentsObserved(published.clone())]);
    assert_eq!(before.state, RolloutState::Verifying { wave: 0 });
    let named = |rollout: &Rollout, state: &State| {
        rollout.verifications(state).iter().map(|check| check.probe.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(named(&before, &published[0].state), ["function before"]);
    let failed = |rollout: Rollout, outcomes: &[TargetOutcome], second: i64| {
        let failures = vec![(target(WAVE[0]), "no".to_owned())];
        let rollout = Rollout { entered_at: at(0), ..rollout };
        let seen = E::ChecksObserved { failures, alarms: vec![], outcomes: outcomes.into() };
        rollout.apply(seen, at(second)).unwrap()
    };
    assert_eq!(failed(before.clone(), &published, 59).state, before.state, "it is invoked again");
    assert_eq!(failed(before.clone(), &published, 60).state, RolloutState::ShiftingBack { wave: 0 });

    let passed = |outcomes: &[TargetOutcome]| E::ChecksObserved {
        failures: vec![],
        alarms: vec![],
        outcomes: outcomes.into(),
    };
    let aborted = go(before.clone(), [E::TrafficOrdered { order: TrafficOrder::Abort, by: "ann".into() }]);
    assert_eq!(aborted.state, RolloutState::ShiftingBack { wave: 0 }, "also while it is verified");
    let set = E::TrafficOrdered { order: TrafficOrder::of(30), by: "ann".into() };
    assert!(before.clone().apply(set, at(9)).is_err(), "what is verified has no share yet");
    let first = observe(go(before, [passed(&published)]), facts(9), published.clone());
    assert_eq!(shift_of(&first).percent, 5);
    let all = observe(first.clone(), facts(10), outcomes(&State::Shifting { percent: 5 }));
    assert_eq!((shift_of(&all).percent, shift_of(&all).step), (100, 1));
    assert_eq!(all.traffic_answer(&target(WAVE[0]), Direction::Forward), TrafficAnswer::Shift(100));
    let promoted = go(first, [E::TrafficOrdered { order: TrafficOrder::Promote, by: "ann".into() }]);
    assert_eq!(promoted.state, all.state);

    // Fewer again: the step's time counts as that of the last one.
    let fewer = go(all.clone(), [E::TrafficOrdered { order: TrafficOrder::of(30), by: "ann".into() }]);
    assert_eq!((shift_of(&fewer).percent, shift_of(&fewer).step), (30, 0));

    let have_all = outcomes(&State::Shifting { percent: 100 });
    let after = observe(all, facts(20), have_all.clone());
    assert_eq!(after.state, RolloutState::Verifying { wave: 0 });
    assert_eq!(
        after.traffic_answer(&target(WAVE[0]), Direction::Forward),
        TrafficAnswer::Wait,
        "it can be taken back at once"
    );
    assert_eq!(named(&after, &have_all[0].state), ["function after"]);
    assert_eq!(failed(after.clone(), &have_all, 60).state, RolloutState::ShiftingBack { wave: 0 });
    let raised = AlarmObservation {
        site: target(WAVE[0]).site,
        name: "errors".into(),
        state: Some(AlarmState::Alarm),
        unread: None,
    };
    let seen = E::ChecksObserved { failures: vec![], alarms: vec![raised], outcomes: have_all.clone() };
    let back = go(after.clone(), [seen]);
    assert_eq!(back.state, RolloutState::ShiftingBack { wave: 0 });
    assert_eq!(back.failure.unwrap().code, Code::AlarmRaised, "also when everything is verified");
    let complete = go(after, [passed(&have_all)]);
    assert_eq!(complete.state, RolloutState::Completing { wave: 0 });
    assert_eq!(
        go(complete, [E::DeploymentsObserved(outcomes(&ok()))]).state,
        RolloutState::Gated { wave: 1 }
    );

    // Break-glass skips the steps, and what has traffic is verified afterwards.
    let broken = BreakGlass { by: "root".into(), because: "outage".into(), at: at(9) };
    let opened = Rollout { break_glass: Some(broken), ..hooked(shifting()) };
    let complete = observe(opened, facts(20), outcomes(&State::Shifting { percent: 5 }));
    assert_eq!(complete.state, RolloutState::Completing { wave: 0 });
    let verified = go(complete, [E::DeploymentsObserved(outcomes(&ok()))]);
    assert_eq!(verified.state, RolloutState::Verifying { wave: 0 });
    assert_eq!(go(verified, [passed(&outcomes(&ok()))]).state, RolloutState::Gated { wave: 1 });

    // What gets everything at once has no moment before.
    let at_once = go(hooked(rolling()), [E::DeploymentsObserved(outcomes(&ok()))]);
    assert_eq!(named(&at_once, &ok()), ["function after"]);
    assert_eq!(at_once.state, RolloutState::Verifying { wave: 0 });
    let quick = hooked(Rollout { gates: Gates { expedite: true, ..Gates::default() }, ..rolling() });
    assert!(named(&quick, &ok()).is_empty());
}

#[test]
fn no_metrics_are_needed_once_the_new_versions_have_everything() {
    let judged = AnalysisPolicy { errors: None, latency_p99: None };
    let steps = vec![TrafficStep { percent: 5, for_s: 0, requests: 0 }];
    let policy = TrafficPolicy { analysis: Some(judged), ..policy(steps) };
    let at_share = |step, percent| {
        let state =
            RolloutState::Shifting(Shift { wave: 0, step, percent, since: Some(at(9)), reading: None });
        Rollout { traffic: Some(policy.clone()), state, ..rolling() }.measures_at()
    };
    assert_eq!([at_share(0, 0), at_share(0, 5), at_share(1, 100)], [None, Some(at(9)), None]);
}

#[test]
fn break_glass_skips_the_steps_and_a_quick_rollout_has_none() {
    let broken = BreakGlass { by: "root".into(), because: "outage".into(), at: at(9) };
    let opened = go(shifting(), [E::BreakGlassRequested(broken.clone())]);
    let complete = observe(opened, facts(20), outcomes(&State::Shifting { percent: 5 }));
    assert_eq!(complete.state, RolloutState::Completing { wave: 0 });
    let spec = |rollout: &Rollout| rollout.deployment_spec(&target(WAVE[0]), Direction::Forward).unwrap();
    let shifts = shifting();
    assert!(spec(&shifts).shifts);
    let quick = [
        Rollout { break_glass: Some(broken), ..shifts.clone() },
        Rollout { plan_only: true, ..shifts.clone() },
        Rollout { gates: Gates { expedite: true, ..Gates::default() }, ..shifts.clone() },
        Rollout { traffic: None, ..shifts },
    ];
    assert!(quick.iter().all(|rollout| !spec(rollout).shifts));
}

#[test]
fn what_failed_beside_a_shift_fails_the_wave_only_after_the_traffic_is_back() {
    let steps = vec![TrafficStep { percent: 5, for_s: 60, requests: 0 }];
    let states = [(WAVE[0], State::Shifting { percent: 0 }), (WAVE[1], bad())];
    let back = go(Rollout { traffic: Some(policy(steps)), ..rolling() }, [seen(&states)]);
    assert_eq!(back.state, RolloutState::ShiftingBack { wave: 0 });
    let ended = go(back, [seen(&[(WAVE[0], broken()), (WAVE[1], bad())])]);
    assert_eq!(ended.state.cause().map(|cause| cause.code), Some(Code::RolledBack));
}
