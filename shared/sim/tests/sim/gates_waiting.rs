//! Gates and checks that do not answer, say no, or are never opened.

use crate::gates::gated;
use flotilla_contract::{CheckConfig, ProfileConfig, WaveConfig, WaveTable};
use flotilla_domain::{AlarmState, Code, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::gate::ApprovalRequest;
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::ports::ErrorKind;
use flotilla_engine::rollout::Rollback;
use flotilla_sim::{Behaviour, World};

const REGION: &str = "eu-west-1";
const ALARMS: &str = "cloudwatch:DescribeAlarms";

fn one_region() -> ProfileConfig {
    ProfileConfig { regions: vec![REGION.into()], ..ProfileConfig::default() }
}

fn watched() -> World {
    let mut world = World::with(1, ProfileConfig { alarms: vec!["errors".into()], ..one_region() });
    world.alarm(REGION, "errors", AlarmState::Ok);
    world
}

/// A function that is asked for a minute.
fn verify() -> CheckConfig {
    CheckConfig { function: Some("verify".into()), within: Some("1m".into()), ..CheckConfig::default() }
}

#[test]
fn a_function_that_says_no_fails_the_wave_with_its_own_words() {
    let mut world = World::with(2, ProfileConfig { checks: vec![verify()], ..one_region() });
    world.replies(REGION, "verify", false, "3 of 9 are red");
    let version = world.upload("branch/main", "one");
    let end = world.end_of(&version);
    let cause = end.cause.unwrap();
    assert_eq!((end.status.as_str(), cause.code), ("failed", Code::CheckFailed.to_string()));
    assert!(cause.message.contains("3 of 9 are red"), "{}", cause.message);
    world.replies(REGION, "verify", true, "all fine");
    let version = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn alarms_that_may_not_be_read_keep_the_gate_closed_and_say_why() {
    let mut world = watched();
    world.refuses(ALARMS, ErrorKind::Denied, "AccessDenied: not authorized");
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    let closed = world.rollout_by_id(&id).gates.unwrap().closed;
    assert_eq!(closed[0].gate, "alarm");
    assert!(closed[0].why.contains("not authorized"), "{}", closed[0].why);
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), 0);
    world.allows(ALARMS);
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn alarms_that_are_busy_are_asked_again_and_nothing_is_said() {
    let mut world = watched();
    world.refuses(ALARMS, ErrorKind::Throttled, "Rate exceeded");
    let version = world.upload("branch/main", "one");
    world.until("three questions", |w| w.calls(ALARMS) >= 3);
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), 0);
    assert!(world.rollout(&version).unwrap().gates.is_none());
    world.allows(ALARMS);
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn a_way_back_and_broken_glass_ask_no_alarm() {
    let mut world = watched();
    for code in ["one", "two"] {
        let version = world.upload("branch/main", code);
        assert_eq!(world.end_of(&version).status, "succeeded");
    }
    world.alarm(REGION, "errors", AlarmState::Alarm);
    let asked = world.calls(ALARMS);
    let stage = StageName::parse("staging").unwrap();
    let back = Rollback { stage, to: None, by_waves: false, because: None, allow: AllowedLosses::default() };
    let back = world.roll_back(&back).unwrap();
    assert_eq!(world.end_of_rollout(&back).status, "succeeded");
    assert_eq!(world.calls(ALARMS), asked);
    let version = world.upload("branch/main", "three");
    let (id, asked) = (gated(&mut world, &version), world.calls(ALARMS));
    world.break_glass(&id, "the alarm is broken").unwrap();
    assert_eq!(world.end_of(&version).status, "succeeded", "no alarm rolls it back either");
    assert_eq!(world.calls(ALARMS), asked);
}

#[test]
fn broken_glass_takes_the_triggers_from_change_sets_that_wait_for_their_approval() {
    let profile = ProfileConfig { alarms: vec!["errors".into()], approvals: Some(1), ..one_region() };
    let mut world = World::with(7, profile);
    world.alarm(REGION, "errors", AlarmState::Ok);
    for code in ["one", "two"] {
        let version = world.upload("branch/main", code);
        let id = gated(&mut world, &version);
        if code == "one" {
            world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
        } else {
            world.alarm(REGION, "errors", AlarmState::Alarm);
            world.break_glass(&id, "the alarm is broken").unwrap();
        }
        let end = world.end_of(&version);
        assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    }
    assert_eq!(world.leftovers(), Vec::<String>::new());
}

/// Two waves, of which the second one has to be approved.
fn approved_late(on_failure: &str) -> ProfileConfig {
    let wave = |region: &str, approvals| {
        WaveConfig::Wave(WaveTable {
            regions: vec![region.into()],
            max_concurrent: None,
            tolerate_failures: None,
            bake: None,
            approvals,
        })
    };
    ProfileConfig {
        waves: vec![wave(REGION, None), wave("us-east-1", Some(1))],
        on_failure: Some(on_failure.into()),
        ..ProfileConfig::default()
    }
}

#[test]
fn a_later_wave_that_nobody_approves_ends_the_rollout_as_the_profile_says() {
    for (on_failure, status, runs) in [("halt", "failed", "two"), ("revert", "reverted", "one")] {
        let mut world = World::with(3, approved_late(on_failure));
        for code in ["one", "two"] {
            let version = world.upload("branch/main", code);
            let id = gated(&mut world, &version);
            if code == "one" {
                world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
                assert_eq!(world.end_of(&version).status, "succeeded");
                continue;
            }
            let end = world.end_of_within_hours(&version, 7 * 24);
            assert_eq!(end.status, status);
            assert_eq!(end.cause.unwrap().code, Code::DeadlinePassed.to_string());
            let hash = |code: &str| flotilla_domain::Digest::of(code.as_bytes()).to_string();
            let forward = &end.deployments[0];
            let last = forward.back.as_deref().unwrap_or(forward);
            assert_eq!(last.code_sha256["App"], hash(runs));
        }
    }
}

#[test]
fn nothing_is_approved_before_there_is_a_plan_or_where_nobody_has_to_approve() {
    let conflict = |answer: Result<(), EngineError>| match answer {
        Err(EngineError::Conflict(conflict)) => conflict.refusal.message,
        other => panic!("{other:?}"),
    };
    let mut world = World::with(4, ProfileConfig { approvals: Some(1), ..one_region() });
    world.behaves(REGION, Behaviour::Takes(60_000));
    let version = world.upload("branch/main", "one");
    world.until("it is admitted", |w| w.rollout(&version).is_some());
    let id = world.rollout(&version).unwrap().id;
    let early = conflict(world.approve(&id, "bob", &ApprovalRequest::default()));
    assert_eq!(early, "its plan is not created yet");
    world.until("it waits", |w| w.rollout_by_id(&id).status == "gated");
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    world.until("it rolls", |w| w.rollout_by_id(&id).status == "rolling");
    conflict(world.approve(&id, "bob", &ApprovalRequest::default()));
    assert_eq!(world.end_of(&version).status, "succeeded");
    let mut free = World::with(5, approved_late("halt"));
    let version = free.upload("branch/main", "one");
    free.until("it is admitted", |w| w.rollout(&version).is_some());
    let id = free.rollout(&version).unwrap().id;
    let asked = conflict(free.approve(&id, "bob", &ApprovalRequest::default()));
    assert_eq!(asked, "wave 1 requires no approval");
}

#[test]
fn a_timeline_names_each_gate_once() {
    let mut world = World::with(6, approved_late("halt"));
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    world.pass(24);
    let waits = |world: &World| world.timeline(&id).iter().filter(|what| *what == "gated").count();
    assert_eq!(waits(&world), 1);
    let gates = world.rollout_by_id(&id).gates.unwrap();
    assert_eq!((gates.wave, gates.approvals_needed), (Some(2), 1), "people count from one");
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    assert_eq!(world.rollout_by_id(&id).gates.unwrap().approvals[0].wave, 2);
    assert_eq!(world.end_of(&version).status, "succeeded");
    assert_eq!(waits(&world), 1);
    let rolling = world.timeline(&id).iter().filter(|what| *what == "rolling").count();
    assert_eq!(rolling, 2, "each wave has its entry");
}

#[test]
fn each_wave_is_verified_by_its_own_targets_and_once() {
    let profile = ProfileConfig { checks: vec![verify()], ..approved_late("halt") };
    for (second, status) in [(true, "succeeded"), (false, "failed")] {
        let mut world = World::with(8, profile.clone());
        world.replies(REGION, "verify", true, "fine").replies("us-east-1", "verify", second, "the second");
        let version = world.upload("branch/main", "one");
        let id = gated(&mut world, &version);
        world.replies(REGION, "verify", false, "no longer");
        world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
        let end = world.end_of(&version);
        assert_eq!(end.status, status, "{:?}", end.cause);
        assert!(second || end.cause.unwrap().message.contains("the second"));
    }
}
