//! Rules of a profile: what breaks them is not deployed there.

use flotilla_contract::{ProfileConfig, RolloutView, SafeguardsConfig};
use flotilla_domain::{Code, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::ports::ErrorKind;
use flotilla_engine::rollout::{RetryOptions, Rollback};
use flotilla_sim::{World, zip_of};
use serde_json::json;

const GUARD: &str = "lambda:Invoke (guard)";
const NO_USERS: &str = "rule no_users { Resources.*[ Type == 'AWS::IAM::User' ] empty }";
const NO_NETS: &str = "rule no_nets { Resources.*[ Type == 'AWS::Test::Net' ] empty }";

fn profile(guard: Option<&str>) -> ProfileConfig {
    let safeguards = SafeguardsConfig { guard: guard.map(str::to_owned), ..SafeguardsConfig::default() };
    ProfileConfig {
        regions: ["eu-west-1", "us-east-1"].map(str::to_owned).into(),
        capabilities: vec!["CAPABILITY_NAMED_IAM".into()],
        safeguards: Some(safeguards),
        ..ProfileConfig::default()
    }
}

/// Uploads a package that makes a resource of this type.
fn bring(world: &mut World, kind: &str) -> String {
    let template = json!({"Resources": {"Made": {"Type": kind}}}).to_string();
    let manifest = r#"{"flotilla": 1, "template": "template.json"}"#;
    let zip = zip_of(&[("flotilla.json", manifest.as_bytes()), ("template.json", template.as_bytes())]);
    world.upload_bytes("incoming/orders/branch/main/{n}.zip", zip, true)
}

fn end(rollout: &RolloutView) -> (&str, &str) {
    (rollout.status.as_str(), rollout.cause.as_ref().map_or("", |cause| cause.code.as_str()))
}

/// Whether nothing was done anywhere.
fn untouched(world: &World) -> bool {
    let done = ["s3:CopyObject", "cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"];
    done.iter().all(|operation| world.calls(operation) == 0)
}

fn refused(result: Result<(), EngineError>) -> (Code, String) {
    match result {
        Err(EngineError::Refused(refusal)) => (refusal.code, refusal.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broken_rule_stops_every_region_before_anything_begins_there() {
    let mut world = World::with(1, profile(Some(NO_USERS)));
    let version = bring(&mut world, "AWS::IAM::User");
    let rollout = world.end_of(&version);
    assert_eq!(end(&rollout), ("failed", "FL0546"));
    let cause = rollout.cause.unwrap();
    assert_eq!(cause.path.as_deref(), Some("Made"));
    assert!(cause.message.contains("no_users, Resources.Made: "), "{}", cause.message);
    assert!(untouched(&world), "something was done");
    assert_eq!(world.timeline(&rollout.id), ["queued", "failed"]);
    // The stage is free for the next one, which satisfies the rules.
    let mended = bring(&mut world, "AWS::SNS::Topic");
    assert_eq!(end(&world.end_of(&mended)), ("succeeded", ""));
}

#[test]
fn rules_see_the_logical_ids_that_the_stage_has() {
    let mut world = World::with(3, profile(Some(NO_USERS)));
    let template = json!({"Resources": {"Madeflotillastage": {"Type": "AWS::IAM::User"}}}).to_string();
    let zip = zip_of(&[("template.json", template.as_bytes())]);
    let version = world.upload_bytes("incoming/orders/branch/main/{n}.zip", zip, true);
    let rollout = world.end_of(&version);
    assert_eq!(end(&rollout), ("failed", "FL0546"));
    let cause = rollout.cause.unwrap();
    assert!(cause.message.contains("Resources.Madestaging"), "{}", cause.message);
}

#[test]
fn rules_that_hold_are_asked_once_and_the_timeline_says_so() {
    let mut world = World::with(2, profile(Some(NO_USERS)));
    let before = world.calls(GUARD);
    let version = bring(&mut world, "AWS::SNS::Topic");
    let rollout = world.end_of(&version);
    assert_eq!(end(&rollout), ("succeeded", ""));
    assert_eq!(world.calls(GUARD), before + 1, "one template, one question");
    let told = world.timeline(&rollout.id);
    assert_eq!(told.iter().filter(|line| *line == "vetted").count(), 1, "{told:?}");
    let mut without = World::with(2, profile(None));
    let version = bring(&mut without, "AWS::IAM::User");
    assert_eq!((end(&without.end_of(&version)), without.calls(GUARD)), (("succeeded", ""), 0));
}

#[test]
fn every_template_of_a_package_is_held_to_the_rules() {
    let mut world = World::with(3, profile(Some(NO_NETS)));
    world.layered();
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version);
    assert_eq!(end(&rollout), ("failed", "FL0546"));
    let message = rollout.cause.unwrap().message;
    assert!(message.contains("no_nets, stack Net, Resources.Net: "), "{message}");
    assert!(untouched(&world), "something was done");
}

#[test]
fn a_crash_of_whoever_applies_the_rules_is_not_a_verdict() {
    let mut world = World::with(4, profile(Some(NO_USERS)));
    world.guard_crashes(3);
    let version = bring(&mut world, "AWS::SNS::Topic");
    world.until("it waits", |w| w.rollout(&version).is_some_and(|r| r.status == "vetting"));
    world.until("it says why", |w| {
        let gates = w.rollout(&version).unwrap().gates;
        gates.is_some_and(|gates| gates.closed.iter().any(|closed| closed.why.contains("signal: aborted")))
    });
    assert!(untouched(&world), "it went on without an answer");
    let rollout = world.end_of(&version);
    assert_eq!(end(&rollout), ("succeeded", ""));
    assert_eq!(world.dead_letters(), 0);
    let broken = bring(&mut world, "AWS::IAM::User");
    world.guard_crashes(2);
    assert_eq!(end(&world.end_of(&broken)), ("failed", "FL0546"), "it is asked until it is known");
}

#[test]
fn rules_that_cannot_be_applied_end_it_in_time_and_never_pass() {
    let mut world = World::with(5, profile(Some(NO_USERS)));
    world.guard_crashes(u32::MAX);
    let (version, began_ms) = (bring(&mut world, "AWS::SNS::Topic"), world.now_ms());
    let rollout = world.end_of(&version);
    assert_eq!(end(&rollout), ("failed", "FL0547"));
    assert!(rollout.cause.unwrap().message.contains("signal: aborted"));
    let took_min = (world.now_ms() - began_ms) / 60_000;
    assert!((10..15).contains(&took_min), "{took_min} minutes");
    assert!(untouched(&world), "something was done");
    world.guard_crashes(0);
    let retry = world.retry(&rollout.id, &RetryOptions::default()).unwrap();
    assert_eq!(end(&world.end_of_rollout(&retry)), ("succeeded", ""));
    // What AWS refuses for good is not asked for ten minutes.
    world.refuses(GUARD, ErrorKind::Denied, "AccessDeniedException");
    let (version, began_ms) = (bring(&mut world, "AWS::SQS::Queue"), world.now_ms());
    assert_eq!(end(&world.end_of(&version)), ("failed", "FL0547"));
    assert!(world.now_ms() - began_ms < 60_000, "it waited for what does not change");
}

#[test]
fn a_way_back_is_not_held_up_and_every_other_way_is() {
    let mut world = World::with(6, profile(None));
    let old = bring(&mut world, "AWS::IAM::User");
    assert_eq!(end(&world.end_of(&old)), ("succeeded", ""));
    let new = bring(&mut world, "AWS::SNS::Topic");
    assert_eq!(end(&world.end_of(&new)), ("succeeded", ""));
    world.put_profile(profile(Some(NO_USERS))).unwrap();
    let release = world.verdict(&old).unwrap().release.unwrap();
    let started = world.start(&release, "staging").unwrap();
    assert_eq!(end(&world.end_of_rollout(&started)), ("failed", "FL0546"));
    let stage = StageName::parse("staging").unwrap();
    let back = Rollback { stage, to: None, by_waves: false, because: None, allow: AllowedLosses::default() };
    let back = world.roll_back(&back).unwrap();
    assert_eq!(end(&world.end_of_rollout(&back)), ("succeeded", ""));
}

#[test]
fn a_plan_shows_the_broken_rule_and_rules_count_as_they_are_now() {
    let mut world = World::with(7, profile(Some(NO_USERS)));
    let version = bring(&mut world, "AWS::IAM::User");
    let failed = world.end_of(&version);
    let plan = world.plan("staging").unwrap();
    assert_eq!(end(&world.end_of_rollout(&plan)), ("failed", "FL0546"));
    assert!(untouched(&world), "a change set was made");
    world.put_profile(profile(Some(NO_NETS))).unwrap();
    let plan = world.plan("staging").unwrap();
    assert_eq!(end(&world.end_of_rollout(&plan)), ("planned", ""));
    let retry = world.retry(&failed.id, &RetryOptions::default()).unwrap();
    assert_eq!(end(&world.end_of_rollout(&retry)), ("succeeded", ""));
}

#[test]
fn broken_glass_opens_the_rules_while_they_wait_for_an_answer() {
    let mut world = World::with(8, profile(Some(NO_USERS)));
    world.guard_crashes(u32::MAX);
    let version = bring(&mut world, "AWS::SNS::Topic");
    world.until("it waits", |w| w.rollout(&version).is_some_and(|r| r.status == "vetting"));
    let id = world.rollout(&version).unwrap().id;
    world.break_glass(&id, "the site is down").unwrap();
    assert_eq!(end(&world.end_of(&version)), ("succeeded", ""));
}

#[test]
fn rules_that_guard_does_not_read_are_refused_before_anybody_needs_them() {
    let mut world = World::with(9, profile(None));
    let (code, message) = refused(world.put_profile(profile(Some("rule a {\n  no rule\n}"))));
    assert_eq!((code, message.starts_with("line 1, ")), (Code::RulesInvalid, true), "{message}");
    let (code, message) = refused(world.put_profile(profile(Some("let x = %x"))));
    assert_eq!((code, message.contains("signal: aborted")), (Code::RulesInvalid, true), "{message}");
    let long = format!("{NO_USERS}\n").repeat(2_000);
    assert_eq!(refused(world.put_profile(profile(Some(&long)))).0, Code::RulesInvalid);
    world.refuses(GUARD, ErrorKind::Transient, "503");
    let unknown = world.put_profile(profile(Some(NO_USERS)));
    assert!(
        matches!(unknown, Err(EngineError::Port(_))),
        "nobody knows whether they can be read: {unknown:?}"
    );
    let version = bring(&mut world, "AWS::IAM::User");
    assert_eq!(end(&world.end_of(&version)), ("succeeded", ""), "the profile is as it was");
}

#[test]
fn rules_that_are_the_first_of_their_profile_hold_what_is_queued() {
    let mut world = World::with(11, profile(None));
    bring(&mut world, "AWS::SNS::Topic");
    world.until("it rolls", |w| w.open_rollouts().iter().any(|id| w.rollout_by_id(id).status == "rolling"));
    let queued = bring(&mut world, "AWS::IAM::User");
    world.until("it is queued", |w| w.rollout(&queued).is_some());
    world.put_profile(profile(Some(NO_USERS))).unwrap();
    assert_eq!(end(&world.end_of(&queued)), ("failed", "FL0546"));
}
