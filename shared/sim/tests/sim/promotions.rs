//! Promotion, rollback and holds.

use flotilla_contract::{OutputConfig, ParameterConfig, ProfileConfig};
use flotilla_engine::EngineError;
use flotilla_engine::gate::ApprovalRequest;
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::{Promotion, Rollback};
use flotilla_sim::{Behaviour, World, zip_of};
use serde_json::{Value, json};

const WAVES: &[&[&str]] = &[&["eu-west-1"], &["us-east-1", "ap-south-1"]];

fn release(world: &World, version: &str) -> String {
    world.verdict(version).unwrap().release.unwrap()
}

fn refusal(error: EngineError) -> String {
    match error {
        EngineError::Refused(refusal) => refusal.code.to_string(),
        EngineError::Conflict(conflict) => conflict.refusal.code.to_string(),
        other => panic!("{other}"),
    }
}

fn rollback(to: Option<&str>) -> Rollback {
    let to = to.map(|id| flotilla_domain::ReleaseId::parse(id).unwrap());
    let stage = flotilla_domain::StageName::parse("staging").unwrap();
    Rollback {
        stage,
        to,
        by_waves: false,
        because: Some("it is slow".into()),
        allow: AllowedLosses::default(),
    }
}

fn promotion(release: Option<&str>, because: Option<&str>) -> Promotion {
    let stage = |name| flotilla_domain::StageName::parse(name).unwrap();
    Promotion {
        from: stage("staging"),
        to: stage("eu-staging"),
        release: release.map(|id| flotilla_domain::ReleaseId::parse(id).unwrap()),
        because: because.map(str::to_owned),
        allow: AllowedLosses::default(),
    }
}

#[test]
fn what_runs_everywhere_at_one_stage_is_promoted_without_a_copy() {
    let mut world = World::new(1, WAVES);
    assert_eq!(refusal(world.promote(&promotion(None, None)).unwrap_err()), "FL0404");
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let copies = world.copies();
    world.traced();
    let id = world.promote(&promotion(None, None)).unwrap();
    let rollout = world.end_of_rollout(&id);
    assert!(!world.trace().contains("Replicate {"), "nobody is asked for what is proven");
    assert_eq!((rollout.status.as_str(), rollout.stage.as_str()), ("succeeded", "eu-staging"));
    assert_eq!(rollout.release, Some(release(&world, &first)));
    assert_eq!(rollout.digest, world.rollout(&first).unwrap().digest, "the same bytes");
    assert_eq!(rollout.because.as_deref(), Some("promoted from staging"));
    assert_eq!(world.copies(), copies, "nothing is copied again");
}

#[test]
fn another_release_than_the_stable_one_needs_a_reason() {
    let mut world = World::new(2, WAVES);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let old = release(&world, &first);
    assert_eq!(refusal(world.promote(&promotion(Some(&old), None)).unwrap_err()), "FL0409");
    let id = world.promote(&promotion(Some(&old), Some("the new one waits for the bank"))).unwrap();
    let rollout = world.end_of_rollout(&id);
    assert_eq!((rollout.status.as_str(), rollout.release), ("succeeded", Some(old)));
    assert_eq!(rollout.because.as_deref(), Some("the new one waits for the bank"));
}

#[test]
fn one_call_brings_every_region_back_at_once_and_holds_what_ran() {
    let mut world = World::new(3, WAVES);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    assert_eq!(
        refusal(world.roll_back(&rollback(None)).unwrap_err()),
        "FL0529",
        "there is nothing before it"
    );
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let copies = world.copies();
    let id = world.roll_back(&rollback(None)).unwrap();
    let rollout = world.end_of_rollout(&id);
    assert_eq!((rollout.status.as_str(), rollout.release), ("succeeded", Some(release(&world, &first))));
    assert!(rollout.deployments.iter().all(|d| d.wave == 1), "all regions at once");
    assert_eq!(world.copies(), copies, "nothing is copied again");
    let stage = world.stage("staging");
    assert_eq!(stage.stable, Some(release(&world, &first)));
    assert_eq!(stage.holds.len(), 1);
    assert_eq!(stage.holds[0].because, "it is slow");

    // The same bytes again, by CI: refused, and recorded as such.
    let again = world.upload("branch/main", "two");
    world.until("a verdict", |w| w.verdict(&again).is_some());
    assert_eq!(world.verdict(&again).unwrap().refusal.unwrap().code, "FL0530");
    assert_eq!(refusal(world.start(&release(&world, &second), "staging").unwrap_err()), "FL0530");
    // Other bytes pass, and so do these once the hold is lifted.
    let third = world.upload("branch/main", "three");
    assert_eq!(world.end_of(&third).status, "succeeded");
    world.lift_holds("staging").unwrap();
    let lifted = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&lifted).status, "succeeded");
}

#[test]
fn a_failed_rollback_never_brings_back_what_is_held() {
    let mut world = World::with(
        4,
        flotilla_contract::ProfileConfig {
            regions: vec!["eu-west-1".into(), "us-east-1".into()],
            on_failure: Some("revert".into()),
            ..Default::default()
        },
    );
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    world.behaves("us-east-1", Behaviour::RollsBack("no".into()));
    let id = world.roll_back(&rollback(Some(&release(&world, &first)))).unwrap();
    let rollout = world.end_of_rollout(&id);
    assert_eq!(rollout.status, "failed");
    let running = world.stage("staging").targets.into_iter().find(|t| t.region == "eu-west-1").unwrap();
    assert_eq!(running.release, Some(release(&world, &first)), "eu-west-1 stays at the good one");
}

#[test]
fn a_rollback_by_waves_keeps_the_profiles_waves() {
    let mut world = World::new(5, WAVES);
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    let id = world.roll_back(&Rollback { by_waves: true, ..rollback(None) }).unwrap();
    let waves: Vec<u32> = world.end_of_rollout(&id).deployments.iter().map(|d| d.wave).collect();
    assert_eq!(waves, [1, 2, 2]);
}

/// A profile of two regions.
fn profile() -> ProfileConfig {
    ProfileConfig { regions: vec!["eu-west-1".into(), "us-east-1".into()], ..ProfileConfig::default() }
}

/// Uploads code and waits until its rollout needs an approval; answers the rollout.
fn asks(world: &mut World, git_ref: &str, code: &str) -> (String, String) {
    let version = world.upload(git_ref, code);
    world.until("it waits", |w| w.rollout(&version).is_some_and(|r| r.status == "gated"));
    (world.rollout(&version).unwrap().id, release(world, &version))
}

fn approve(world: &mut World, id: &str) {
    world.approve(id, "bob", &ApprovalRequest::default()).unwrap();
    assert_eq!(world.end_of_rollout(id).status, "succeeded");
}

#[test]
fn promise_10_what_never_ran_at_a_stage_comes_there_through_its_gates_only() {
    let mut world = World::with(21, ProfileConfig { approvals: Some(1), ..profile() });
    let (id, first) = asks(&mut world, "branch/main", "one");
    approve(&mut world, &id);
    let (id, _) = asks(&mut world, "branch/main", "two");
    approve(&mut world, &id);
    let (id, preview) = asks(&mut world, "pr/7", "three");
    approve(&mut world, &id);
    let id = world.roll_back(&rollback(Some(&preview))).unwrap();
    world.pass(24);
    assert_eq!(world.rollout_by_id(&id).status, "gated", "a rollback is no way around an approval");
    let back = world.roll_back(&rollback(Some(&first))).unwrap();
    assert_eq!(world.end_of_rollout(&back).status, "succeeded", "what ran there goes at once");
}

#[test]
fn what_is_held_while_it_waits_is_not_deployed_when_its_gate_opens() {
    let mut world = World::with(22, ProfileConfig { approvals: Some(1), ..profile() });
    let (id, _) = asks(&mut world, "branch/main", "one");
    approve(&mut world, &id);
    let (id, second) = asks(&mut world, "branch/main", "two");
    world.hold(&second, "staging").unwrap();
    world.approve(&id, "bob", &ApprovalRequest::default()).unwrap();
    let end = world.end_of_rollout(&id);
    assert_eq!((end.status.as_str(), end.cause.unwrap().code.as_str()), ("failed", "FL0530"));
    assert_eq!(world.calls("cloudformation:ExecuteChangeSet"), 2, "the first one's");
}

#[test]
fn after_a_failure_the_release_comes_back_that_ran_everywhere_last() {
    let mut world = World::new(23, WAVES);
    let bring = |world: &mut World, code: &str| {
        let version = world.upload("branch/main", code);
        (world.end_of(&version).status, release(world, &version))
    };
    let (_, first) = bring(&mut world, "one");
    let (_, second) = bring(&mut world, "two");
    world.behaves("us-east-1", Behaviour::RollsBack("the resource says no".into()));
    assert_eq!(bring(&mut world, "three").0, "failed");
    world.behaves("us-east-1", Behaviour::Works);
    let back = world.roll_back(&rollback(None)).unwrap();
    assert_eq!(world.end_of_rollout(&back).release, Some(second), "not {first}, which is older");
    let back = world.roll_back(&rollback(None)).unwrap();
    assert_eq!(world.end_of_rollout(&back).release, Some(first));
}

#[test]
fn what_goes_back_is_given_the_outputs_that_only_the_release_before_takes() {
    let zip = |template: Value| {
        let manifest = br#"{"flotilla": 1, "template": "t.json"}"#;
        zip_of(&[("flotilla.json", manifest), ("t.json", template.to_string().as_bytes())])
    };
    let output = OutputConfig { output: "orders-eu.Name".into(), stage: None, region: None };
    let profile = ProfileConfig {
        parameters: [("TableName".to_owned(), ParameterConfig::Output(output))].into(),
        on_failure: Some("revert".into()),
        ..profile()
    };
    let mut world = World::with(24, profile);
    let gives = json!({"Resources": {"Table": {"Type": "AWS::DynamoDB::Table"}},
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Table", "Arn"]}}}});
    let giver = world.upload_bytes("incoming/orders-eu/branch/main/{n}.zip", zip(gives), true);
    world.until("the giver", |w| w.verdict(&giver).is_some_and(|v| v.rollout.is_some()));
    let giver = world.verdict(&giver).unwrap().rollout.unwrap();
    assert_eq!(world.end_of_rollout(&giver).status, "succeeded");
    let thing = json!({"Type": "AWS::Test::Thing", "Properties": {"T": {"Ref": "TableName"}}});
    let takes = json!({"Parameters": {"TableName": {"Type": "String"}}, "Resources": {"App": thing}});
    let version = world.upload_bytes("incoming/orders/branch/main/{n}.zip", zip(takes), true);
    assert_eq!(world.end_of(&version).status, "succeeded");
    let given = world.parameter("eu-west-1", "orders-staging", "TableName");
    assert!(given.is_some());
    world.behaves("us-east-1", Behaviour::RollsBack("the resource says no".into()));
    let drops = json!({"Resources": {"App": {"Type": "AWS::Test::Thing"}}});
    let version = world.upload_bytes("incoming/orders/branch/main/{n}.zip", zip(drops), true);
    assert_eq!(world.end_of(&version).status, "reverted");
    assert_eq!(world.parameter("eu-west-1", "orders-staging", "TableName"), given);
}
