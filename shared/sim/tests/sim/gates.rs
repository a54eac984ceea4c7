//! What keeps a wave from beginning, in the whole engine.

use flotilla_contract::{
    CheckConfig, FourEyesConfig, FreezeConfig, OutputConfig, ParameterConfig, ProfileConfig, WaveConfig,
    WaveTable,
};
use flotilla_domain::gate::FreezeScope;
use flotilla_domain::{AlarmState, Code, Digest};
use flotilla_engine::EngineError;
use flotilla_engine::gate::ApprovalRequest;
use flotilla_engine::rollout::{Control, RetryOptions};
use flotilla_sim::{Behaviour, World, zip_of};
use serde_json::json;

const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "ap-south-1"];

/// Two waves, of two regions and one.
fn profile() -> ProfileConfig {
    let regions = |list: &[&str]| list.iter().map(|region| (*region).to_owned()).collect::<Vec<_>>();
    ProfileConfig {
        waves: vec![WaveConfig::Regions(regions(&REGIONS[..2])), WaveConfig::Regions(regions(&REGIONS[2..]))],
        ..ProfileConfig::default()
    }
}

pub fn approved_by(count: usize) -> ProfileConfig {
    ProfileConfig { approvals: Some(count), ..profile() }
}

/// Runs until the rollout of an upload waits for a gate; answers its id.
#[track_caller]
pub(crate) fn gated(world: &mut World, version: &str) -> String {
    world.until("it waits", |w| {
        w.rollout(version).is_some_and(|r| r.gates.is_some_and(|gates| !gates.closed.is_empty()))
    });
    world.rollout(version).unwrap().id
}

pub(crate) fn refusal(result: Result<(), EngineError>) -> Code {
    match result {
        Err(EngineError::Refused(refusal)) => refusal.code,
        Err(EngineError::Conflict(conflict)) => conflict.refusal.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn promise_10_all_plans_are_made_and_nothing_is_executed_before_two_people_have_approved() {
    let mut world = World::with(1, approved_by(2));
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    let waiting = world.rollout_by_id(&id);
    assert_eq!(waiting.status, "gated");
    assert!(waiting.deployments.iter().all(|d| d.status == "planned"), "{waiting:#?}");
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    world.pass(24);
    assert_eq!(world.rollout_by_id(&id).gates.unwrap().closed[0].why, "1 of 2 approvals of wave 1");
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), 0);
    world.approve(&id, "eve", &ApprovalRequest::default()).unwrap();
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded");
    assert_eq!(end.gates.unwrap().approvals.len(), 2);
    let timeline = world.timeline(&id);
    let place = |what: &str| timeline.iter().position(|line| line == what);
    assert!(place("approved") < place("rolling"), "{timeline:?}");
}

#[test]
fn with_four_eyes_nobody_approves_what_they_have_started_and_trying_is_in_the_audit() {
    let mut world =
        World::with(4, ProfileConfig { four_eyes: Some(FourEyesConfig::Starter(true)), ..approved_by(1) });
    let version = world.upload("branch/main", "one");
    gated(&mut world, &version);
    let release = world.verdict(&version).unwrap().release.unwrap();
    let id = world.start(&release, "staging").unwrap();
    world.until("it waits", |w| w.rollout_by_id(&id).status == "gated");
    let before = world.items();
    assert_eq!(refusal(world.approve(&id, "ann", &ApprovalRequest::default())), Code::OwnApproval);
    let changed: Vec<_> = world.items().difference(&before).cloned().collect();
    assert!(changed.len() == 1 && changed[0].0.pk.starts_with("AUD#"), "{changed:?}");
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
}

#[test]
fn promise_10_a_retry_of_a_later_wave_waits_for_its_own_approval() {
    let mut world = World::with(17, approved_by(1));
    world.behaves("ap-south-1", Behaviour::RollsBack("no".into()));
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    assert_eq!(world.end_of(&version).status, "failed");
    world.behaves("ap-south-1", Behaviour::Works);
    let retry = world.retry(&id, &RetryOptions::default()).unwrap();
    world.pass(1);
    assert_eq!(world.rollout_by_id(&retry).gates.unwrap().closed[0].gate, "approval");
    world.approve(&retry, "bob", &ApprovalRequest::default()).unwrap();
    assert_eq!(world.end_of_rollout(&retry).status, "succeeded");
}

#[test]
fn the_last_plan_wakes_the_rollout_and_no_sweep_has_to() {
    let mut world = World::with(16, approved_by(1));
    let version = world.upload("branch/main", "one");
    let began_ms = world.now_ms();
    gated(&mut world, &version);
    let took_ms = world.now_ms() - began_ms;
    assert!(took_ms < 30_000, "{took_ms} ms until it waits for its approval");
}

#[test]
fn a_rollout_that_waits_costs_little() {
    let mut world = World::with(2, approved_by(1));
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    world.pass(1);
    let a_day = |world: &mut World| {
        let before = world.calls("dynamodb:TransactWriteItems");
        world.pass(24);
        world.calls("dynamodb:TransactWriteItems") - before
    };
    let waiting = a_day(&mut world);
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    assert_eq!(world.end_of(&version).status, "succeeded");
    // The sweep saves its position every minute, even if nothing waits.
    let idle = a_day(&mut world);
    assert!(waiting < idle + 1_000, "{waiting} writes in a day that waits, {idle} in an idle one");
}

#[test]
fn w05_an_approval_of_another_package_or_plan_is_refused() {
    let mut world = World::with(3, approved_by(1));
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    let other = Some(Digest::of(b"another"));
    for agreement in [
        ApprovalRequest { plan: other, ..ApprovalRequest::default() },
        ApprovalRequest { package: other, ..ApprovalRequest::default() },
    ] {
        assert_eq!(refusal(world.approve(&id, "bob", &agreement)), Code::PlanChanged);
    }
    let seen = world.rollout_by_id(&id);
    let digest = |text: Option<String>| Digest::parse_hex(&text.unwrap()).ok();
    let agreement = ApprovalRequest { package: digest(seen.digest), plan: digest(seen.plan), because: None };
    world.approve(&id, "bob", &agreement).unwrap();
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded");
    assert_eq!(refusal(world.approve(&id, "bob", &agreement)), Code::Conflict, "it has ended");
}

#[test]
fn a_newer_upload_takes_the_place_of_one_that_waits_for_its_approval() {
    let mut world = World::with(5, approved_by(1));
    let first = world.upload("branch/main", "one");
    gated(&mut world, &first);
    let second = world.upload("branch/main", "two");
    world.until("the first one's end", |w| w.rollout(&first).unwrap().ended);
    assert_eq!(world.rollout(&first).unwrap().status, "superseded");
    let id = gated(&mut world, &second);
    assert_eq!(
        refusal(world.approve(&world.rollout(&first).unwrap().id, "bob", &ApprovalRequest::default())),
        Code::Conflict
    );
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    assert_eq!(world.end_of(&second).status, "succeeded");
    assert_eq!(world.leftovers(), Vec::<String>::new());
}

#[test]
fn one_that_is_called_off_while_it_waits_takes_its_change_sets_with_it() {
    let mut world = World::with(6, approved_by(1));
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    world.control(&id, Control::Cancel { stop_running: false }).unwrap();
    assert_eq!(world.end_of(&version).status, "cancelled");
    assert_eq!(world.leftovers(), Vec::<String>::new());
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), 0);
}

#[test]
fn a_plan_that_fails_in_one_region_changes_none() {
    let mut world = World::with(7, ProfileConfig { plan_first: Some(true), ..profile() });
    world.behaves("ap-south-1", Behaviour::Refuses("Template error".into()));
    let version = world.upload("branch/main", "one");
    let end = world.end_of(&version);
    assert_eq!(end.status, "failed");
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), 0);
    assert_eq!(world.leftovers(), Vec::<String>::new());
}

#[test]
fn a_stopped_line_holds_what_comes_and_the_glass_can_be_broken() {
    let mut world = World::with(8, profile());
    world.freeze(&FreezeScope::Everything).unwrap();
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    world.pass(3);
    assert_eq!(world.rollout_by_id(&id).gates.unwrap().closed[0].gate, "line");
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), 0);
    assert_eq!(refusal(world.break_glass(&id, " ")), Code::RequestInvalid);
    world.break_glass(&id, "the site is down").unwrap();
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded");
    assert!(end.gates.unwrap().broken_open.unwrap().ends_with("the site is down"));
    let second = world.upload("branch/main", "two");
    gated(&mut world, &second);
    world.unfreeze(&FreezeScope::Everything).unwrap();
    assert_eq!(world.end_of(&second).status, "succeeded");
}

#[test]
fn the_line_of_another_profile_holds_nothing() {
    let mut world = World::with(9, profile());
    let other = |name: &str| FreezeScope::Profile(flotilla_domain::ProfileName::parse(name).unwrap());
    world.freeze(&other("q")).unwrap();
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    world.freeze(&other("p")).unwrap();
    let second = world.upload("branch/main", "two");
    let id = gated(&mut world, &second);
    assert!(world.rollout_by_id(&id).gates.unwrap().closed[0].why.contains("the profile p"));
}

#[test]
fn a_freeze_holds_a_rollout_until_its_last_second() {
    // The world begins at 2027-01-15T08:00:00Z; two waves take up to a few minutes.
    let freeze = FreezeConfig {
        from: "2027-01-15T00:00".into(),
        to: "2027-01-15T12:00".into(),
        because: "the sale".into(),
    };
    let mut world = World::with(10, ProfileConfig { freezes: vec![freeze], ..profile() });
    let version = world.upload("branch/main", "one");
    let id = gated(&mut world, &version);
    let closed = world.rollout_by_id(&id).gates.unwrap().closed;
    assert_eq!(closed[0].until.as_deref(), Some("2027-01-15T12:00:00Z"));
    let end = world.end_of_within_hours(&version, 5);
    assert_eq!(end.status, "succeeded");
    assert!(end.entered_at.starts_with("2027-01-15T12:0"), "{}", end.entered_at);
}

#[test]
fn a_plan_alone_changes_nothing_and_stands_in_nobodys_way() {
    let mut world = World::with(11, profile());
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    let executed = world.calls("cloudformation:ExecuteChangeSet");
    let head = world.stage("staging");
    let plan = world.plan("staging").unwrap();
    let end = world.end_of_rollout(&plan);
    assert!(matches!(end.status.as_str(), "planned"), "{end:#?}");
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), executed);
    assert_eq!(world.stage("staging"), head);
    assert_eq!(world.leftovers(), Vec::<String>::new());
}

#[test]
fn alarms_hold_a_wave_and_one_that_is_raised_in_the_bake_brings_everything_back() {
    let waves = [&REGIONS[..2], &REGIONS[2..]].map(|regions| {
        WaveConfig::Wave(WaveTable {
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            max_concurrent: None,
            tolerate_failures: None,
            bake: Some("10m".into()),
            approvals: None,
        })
    });
    let profile = ProfileConfig {
        waves: waves.into(),
        alarms: vec!["{service}-{stage}-errors".into()],
        on_failure: Some("revert".into()),
        ..ProfileConfig::default()
    };
    let mut world = World::with(12, profile);
    let alarm = "orders-staging-errors";
    let first = world.upload("branch/main", "one");
    let id = gated(&mut world, &first);
    let why = |world: &World, id: &str| world.rollout_by_id(id).gates.unwrap().closed[0].why.clone();
    assert!(why(&world, &id).ends_with("does not exist"), "{}", why(&world, &id));
    for region in REGIONS {
        world.alarm(region, alarm, AlarmState::Ok);
    }
    assert_eq!(world.end_of(&first).status, "succeeded");
    let second = world.upload("branch/main", "two");
    world.until("the second wave bakes", |w| {
        w.rollout(&second).is_some_and(|r| r.status == "baking" && r.deployments[2].status == "succeeded")
    });
    world.alarm("eu-west-1", alarm, AlarmState::Alarm);
    let end = world.end_of(&second);
    assert_eq!((end.status.as_str(), end.cause.unwrap().code), ("reverted", Code::AlarmRaised.to_string()));
    for deployment in &end.deployments {
        assert_eq!(deployment.back.as_ref().unwrap().status, "succeeded");
    }
}

#[test]
fn an_alarm_that_is_raised_while_a_stack_is_updated_rolls_that_update_back() {
    let profile = ProfileConfig {
        regions: vec!["eu-west-1".into()],
        alarms: vec!["errors".into()],
        ..ProfileConfig::default()
    };
    let mut world = World::with(13, profile);
    world.alarm("eu-west-1", "errors", AlarmState::Ok);
    let first = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&first).status, "succeeded");
    let second = world.upload("branch/main", "two");
    world.until("it is executed", |w| {
        w.rollout(&second).is_some_and(|r| r.deployments[0].status == "executing")
    });
    world.alarm("eu-west-1", "errors", AlarmState::Alarm);
    assert_eq!(world.end_of(&second).deployments[0].status, "rolled_back");
}

#[test]
fn a_wave_is_verified_by_what_its_stacks_answer_and_the_answers_are_kept() {
    let check = |output: &str| CheckConfig {
        output: Some(output.into()),
        path: Some("/health".into()),
        within: Some("2m".into()),
        ..CheckConfig::default()
    };
    let function = CheckConfig { function: Some("{service}-verify".into()), ..CheckConfig::default() };
    let profile = ProfileConfig {
        regions: vec!["eu-west-1".into()],
        checks: vec![check("Url"), function],
        ..ProfileConfig::default()
    };
    let mut world = World::with(14, profile);
    let url = "https://orders-staging/App.eu-west-1.example/health";
    world.replies("eu-west-1", "orders-verify", true, "all fine");
    let first = world.upload("branch/main", "one");
    world.until("it is verified", |w| w.rollout(&first).is_some_and(|r| r.status == "checking"));
    world.answers(url, 200);
    let end = world.end_of(&first);
    assert_eq!(end.status, "succeeded");
    assert!(world.timeline(&end.id).contains(&"eu-west-1 verified".to_owned()));
    world.answers(url, 500);
    let second = world.upload("branch/main", "two");
    let end = world.end_of(&second);
    let cause = end.cause.unwrap();
    assert_eq!((end.status.as_str(), cause.code), ("failed", Code::CheckFailed.to_string()));
    assert!(cause.message.contains("answers 500"), "{}", cause.message);
}

/// A package with a table's name as an output, or one that takes it.
fn table(takes: bool) -> Vec<u8> {
    let template = match takes {
        false => json!({
            "Resources": {"Table": {"Type": "AWS::DynamoDB::Table"}},
            "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Table", "Arn"]}}},
        }),
        true => json!({
            "Parameters": {"TableName": {"Type": "String"}},
            "Resources": {"App": {"Type": "AWS::Test::Thing", "Properties": {"T": {"Ref": "TableName"}}}},
        }),
    };
    let manifest = br#"{"flotilla": 1, "template": "t.json"}"#;
    zip_of(&[("flotilla.json", manifest), ("t.json", template.to_string().as_bytes())])
}

#[test]
fn a_service_waits_for_what_another_one_gives_and_takes_it_region_by_region() {
    let output = OutputConfig { output: "orders-eu.Name".into(), stage: None, region: None };
    let profile = ProfileConfig {
        regions: vec!["eu-west-1".into(), "us-east-1".into()],
        parameters: [("TableName".to_owned(), ParameterConfig::Output(output))].into(),
        ..ProfileConfig::default()
    };
    let mut world = World::with(15, profile);
    let taker = world.upload_bytes("incoming/orders/branch/main/{n}.zip", table(true), true);
    let id = gated(&mut world, &taker);
    let waiting = world.rollout_by_id(&id);
    let closed = waiting.gates.unwrap().closed;
    assert_eq!((waiting.status.as_str(), closed.len(), closed[0].gate.as_str()), ("awaiting", 2, "output"));
    let why =
        "the parameter TableName waits for the output orders-eu.Name at staging in 111122223333/eu-west-1";
    assert_eq!(closed[0].why, why);
    let giver = world.upload_bytes("incoming/orders-eu/branch/main/{n}.zip", table(false), true);
    world.until("the giver's end", |w| w.verdict(&giver).is_some_and(|v| v.rollout.is_some()));
    let giver = world.verdict(&giver).unwrap().rollout.unwrap();
    assert_eq!(world.end_of_rollout(&giver).status, "succeeded");
    let given_ms = world.now_ms();
    world.until_at_last("the taker", |world| world.rollout_by_id(&id).status != "awaiting");
    assert!(world.now_ms() < given_ms + 10_000, "the consumer is woken: {} ms", world.now_ms() - given_ms);
    assert_eq!(world.end_of(&taker).status, "succeeded");
    for region in ["eu-west-1", "us-east-1"] {
        let given = world.parameter(region, "orders-staging", "TableName");
        assert_eq!(
            given.unwrap(),
            format!("arn:{region}:orders-eu-staging/Table/Arn"),
            "the output of the same region"
        );
    }
}
