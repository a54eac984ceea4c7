//! Traffic is shifted to new versions step by step, and back in one.

use flotilla_contract::{AnalysisConfig, ProfileConfig, RolloutView, WaveConfig, WaveTable};
use flotilla_domain::AlarmState;
use flotilla_domain::rollout::TrafficOrder;
use flotilla_engine::ports::ErrorKind;
use flotilla_sim::{Behaviour, World};

pub const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "ap-south-1"];
pub const STEPS: [(u8, u32); 2] = [(5, 300), (50, 600)];

pub fn profile(waves: &[&[&str]]) -> ProfileConfig {
    let wave = |regions: &&[&str]| WaveConfig::Regions(regions.iter().map(|r| (*r).to_owned()).collect());
    ProfileConfig { waves: waves.iter().map(wave).collect(), ..ProfileConfig::default() }
}

pub fn ended(world: &mut World, id: &str) -> RolloutView {
    world.until("the end of the rollout", |w| w.rollout_by_id(id).ended);
    world.rollout_by_id(id)
}

/// The end of the rollout that an upload started.
pub fn ended_of(world: &mut World, version: &str) -> RolloutView {
    world.until("the end of its rollout", |w| w.rollout(version).is_some_and(|rollout| rollout.ended));
    world.rollout(version).expect("it has ended")
}

/// A world in which a first release runs, deployed at once: there was no version to keep.
pub fn running(profile: ProfileConfig) -> World {
    let mut world = World::with(7, profile.clone());
    world.shifts(&profile, &STEPS);
    let first = world.upload("branch/main", "one");
    let rollout = ended_of(&mut world, &first);
    assert_eq!(rollout.status, "succeeded", "{:?}", rollout.cause);
    for region in REGIONS.iter().filter(|region| !world.aliases(region).is_empty()) {
        assert_eq!(world.aliases(region), [("1".to_owned(), None)]);
    }
    world
}

/// Uploads a second release and runs until its traffic has this share everywhere.
pub fn at_share(world: &mut World, percent: u8) -> RolloutView {
    let second = world.upload("branch/main", "two");
    world.until("the share", |w| {
        let rollout = w.rollout(&second);
        rollout.and_then(|r| r.traffic).is_some_and(|t| t.percent == percent && t.until.is_some())
    });
    world.rollout(&second).expect("it is under way")
}

fn shares(percent: u8) -> Vec<(String, Option<(String, u8)>)> {
    vec![("1".to_owned(), Some(("2".to_owned(), percent)))]
}

pub fn all(world: &World, expected: &[(String, Option<(String, u8)>)]) {
    for region in REGIONS {
        assert_eq!(world.aliases(region), expected, "{region}");
    }
}

#[test]
fn every_region_of_a_wave_gets_the_same_share_and_at_the_end_everything() {
    let mut world = running(profile(&[&REGIONS]));
    let rollout = at_share(&mut world, 5);
    all(&world, &shares(5));
    let traffic = rollout.traffic.expect("it shifts traffic");
    assert_eq!((traffic.wave, traffic.step, traffic.steps), (1, 1, 2));
    world.until("the next step", |w| {
        w.rollout_by_id(&rollout.id).traffic.is_some_and(|t| t.percent == 50 && t.until.is_some())
    });
    all(&world, &shares(50));
    let end = ended(&mut world, &rollout.id);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    all(&world, &[("2".to_owned(), None)]);
}

#[test]
fn waves_shift_one_after_the_other() {
    let mut world = running(profile(&[&REGIONS[..1], &REGIONS[1..]]));
    let rollout = at_share(&mut world, 5);
    assert_eq!(world.aliases(REGIONS[0]), shares(5));
    assert_eq!(world.aliases(REGIONS[1]), [("1".to_owned(), None)], "its wave has not begun");
    world.until("the second wave", |w| w.rollout_by_id(&rollout.id).traffic.is_some_and(|t| t.wave == 2));
    assert_eq!(world.aliases(REGIONS[0]), [("2".to_owned(), None)]);
    assert_eq!(ended(&mut world, &rollout.id).status, "succeeded");
}

#[test]
fn an_alarm_shifts_all_traffic_back_before_anything_else() {
    for (on_failure, status) in [("halt", "failed"), ("revert", "reverted")] {
        let alarms = vec!["errors".to_owned()];
        let on_failure = Some(on_failure.to_owned());
        let triggers = Some(false);
        let profile =
            ProfileConfig { alarms, on_failure, rollback_triggers: triggers, ..profile(&[&REGIONS]) };
        let mut world = World::with(7, profile.clone());
        for region in REGIONS {
            world.alarm(region, "errors", AlarmState::Ok);
        }
        world.shifts(&profile, &STEPS);
        let first = world.upload("branch/main", "one");
        assert_eq!(ended_of(&mut world, &first).status, "succeeded");
        let rollout = at_share(&mut world, 5);
        let (set, read) = (world.calls("lambda:UpdateAlias"), world.calls("lambda:GetAlias"));
        world.alarm("us-east-1", "errors", AlarmState::Alarm);
        world.until("no traffic at the new version", |w| {
            REGIONS.iter().all(|region| w.aliases(region) == [("1".to_owned(), None)])
        });
        assert_eq!(world.calls("lambda:UpdateAlias") - set, 3, "one call for each function");
        assert_eq!(world.calls("lambda:GetAlias"), read);
        let stacks_changed = world.calls("cloudformation:CreateChangeSet");
        assert_eq!(stacks_changed, 6, "no update of a stack is needed for that");
        let end = ended(&mut world, &rollout.id);
        assert_eq!((end.status.as_str(), end.cause.unwrap().code.as_str()), (status, "FL0550"));
        // After a revert, the old code is published once more.
        let runs = if status == "failed" { "1" } else { "3" };
        all(&world, &[(runs.to_owned(), None)]);
    }
}

#[test]
fn operators_set_promote_and_abort() {
    let mut world = running(profile(&[&REGIONS]));
    let rollout = at_share(&mut world, 5);
    world.traffic(&rollout.id, TrafficOrder::Set(20)).unwrap();
    world.until("20 %", |w| REGIONS.iter().all(|region| w.aliases(region) == shares(20)));
    world.traffic(&rollout.id, TrafficOrder::Promote).unwrap();
    assert_eq!(ended(&mut world, &rollout.id).status, "succeeded");
    all(&world, &[("2".to_owned(), None)]);
    assert!(world.traffic(&rollout.id, TrafficOrder::Abort).is_err(), "it has ended");

    let mut world = running(profile(&[&REGIONS]));
    let rollout = at_share(&mut world, 50);
    world.traffic(&rollout.id, TrafficOrder::Abort).unwrap();
    let end = ended(&mut world, &rollout.id);
    assert_eq!((end.status.as_str(), end.cause.unwrap().code.as_str()), ("failed", "FL0553"));
    all(&world, &[("1".to_owned(), None)]);
}

#[test]
fn a_cancelled_rollout_leaves_no_traffic_at_the_new_version() {
    let mut world = running(profile(&[&REGIONS]));
    let rollout = at_share(&mut world, 5);
    world.control(&rollout.id, flotilla_engine::rollout::Control::Cancel { stop_running: false }).unwrap();
    assert_eq!(ended(&mut world, &rollout.id).status, "cancelled");
    all(&world, &[("1".to_owned(), None)]);
}

#[test]
fn what_was_aborted_can_be_shifted_again() {
    let mut world = running(profile(&[&REGIONS]));
    let rollout = at_share(&mut world, 5);
    world.traffic(&rollout.id, TrafficOrder::Abort).unwrap();
    ended(&mut world, &rollout.id);
    let again = world.retry(&rollout.id, &Default::default()).unwrap();
    world.until("the first step again", |w| REGIONS.iter().all(|region| w.aliases(region) == shares(5)));
    assert_eq!(ended(&mut world, &again).status, "succeeded");
    all(&world, &[("2".to_owned(), None)]);
}

#[test]
fn the_second_update_fails_with_all_traffic_back() {
    let mut world = running(profile(&[&REGIONS]));
    let rollout = at_share(&mut world, 50);
    world.behaves("us-east-1", Behaviour::RollsBack("no".into()));
    let end = ended(&mut world, &rollout.id);
    assert_eq!(end.status, "failed");
    assert_eq!(world.aliases("us-east-1"), [("1".to_owned(), None)]);
}

#[test]
fn a_package_without_aliases_is_refused_where_traffic_is_shifted() {
    let profile = profile(&[&REGIONS]);
    let mut world = World::with(7, profile.clone());
    world.shifts(&profile, &STEPS);
    let zip = flotilla_sim::zip_of(&[
        ("flotilla.json", br#"{"flotilla": 1, "template": "template.json"}"#),
        ("template.json", br#"{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}"#),
    ]);
    let version = world.upload_bytes("incoming/orders/branch/main/{n}.zip", zip, true);
    world.until("a verdict", |w| w.verdict(&version).is_some());
    let refusal = world.verdict(&version).and_then(|verdict| verdict.refusal).expect("it is refused");
    assert_eq!(refusal.code, "FL0316");
}

#[test]
fn a_failure_that_is_tolerated_does_not_end_the_shift() {
    let table = WaveTable {
        regions: REGIONS.map(Into::into).into(),
        max_concurrent: None,
        tolerate_failures: Some(1),
        bake: None,
        approvals: None,
    };
    let profile = ProfileConfig { waves: vec![WaveConfig::Wave(table)], ..ProfileConfig::default() };
    let mut world = running(profile);
    world.behaves("us-east-1", Behaviour::Refuses("no".into()));
    let rollout = at_share(&mut world, 5);
    assert_eq!(ended(&mut world, &rollout.id).status, "failed", "a rollout with failures does not succeed");
    assert_eq!(world.aliases("eu-west-1"), [("2".to_owned(), None)]);
    assert_eq!(world.aliases("us-east-1"), [("1".to_owned(), None)]);
}

#[test]
fn lambda_refuses_a_share_for_good_and_the_cause_names_the_aliases() {
    let mut world = running(profile(&[&REGIONS[..1]]));
    world.refuses("lambda:UpdateAlias", ErrorKind::Permanent, "AccessDeniedException: no");
    let second = world.upload("branch/main", "two");
    let end = ended_of(&mut world, &second);
    assert_eq!(end.status, "failed");
    let told = end.deployments[0].cause.as_ref().expect("it failed");
    assert_eq!(told.code, "FL0554");
    assert!(told.fix.contains("AppAliasLive (version 1)"), "{}", told.fix);
}

#[test]
fn an_alias_that_was_deleted_has_no_traffic_to_give_back() {
    let mut world = running(profile(&[&REGIONS[..1]]));
    let rollout = at_share(&mut world, 5);
    world.aliases_are_deleted(REGIONS[0]);
    world.traffic(&rollout.id, TrafficOrder::Abort).unwrap();
    let end = ended(&mut world, &rollout.id);
    assert_eq!((end.status.as_str(), end.cause.unwrap().code.as_str()), ("failed", "FL0553"));
}

#[test]
fn an_alias_that_was_deleted_gets_no_more_traffic_and_neither_does_any_other() {
    let mut world = running(profile(&[&REGIONS]));
    let rollout = at_share(&mut world, 5);
    world.aliases_are_deleted(REGIONS[0]);
    let end = ended(&mut world, &rollout.id);
    assert_eq!(end.status, "failed");
    let cause = end.cause.unwrap();
    assert!(cause.message.contains("ResourceNotFoundException"), "{cause:?}");
    for region in &REGIONS[1..] {
        assert_eq!(world.aliases(region), [("1".to_owned(), None)], "{region}");
    }
}

#[test]
fn functions_whose_code_is_not_in_the_package_shift_too() {
    let profile = profile(&[&REGIONS[..1]]);
    let mut world = World::with(7, profile.clone());
    world.shifts(&profile, &STEPS);
    for (code, version) in [("one", "1"), ("two", "2")] {
        let template = format!(
            r#"{{"Resources": {{"App": {{"Type": "AWS::Lambda::Function", "Properties": {{"Code": {{"ZipFile": "{code}"}}}}}}}}}}"#
        );
        let zip = flotilla_sim::zip_of(&[
            ("flotilla.json", br#"{"flotilla": 1, "template": "template.json"}"#),
            ("template.json", template.as_bytes()),
        ]);
        let upload = world.upload_bytes("incoming/orders/branch/main/{n}.zip", zip, true);
        let end = ended_of(&mut world, &upload);
        assert_eq!(end.status, "succeeded", "{:?}", end.cause);
        assert_eq!(world.aliases(REGIONS[0]), [(version.to_owned(), None)]);
    }
}

/// A world whose first release runs, with an analysis of the second one: 100 invocations of each alias in a minute.
fn analysed(analysis: AnalysisConfig, steps: &[(u8, u32)], regions: &[&str]) -> World {
    let profile = profile(&[regions]);
    let mut world = World::with(7, profile.clone());
    world.analyses(&profile, steps, analysis).invoked(100);
    let first = world.upload("branch/main", "one");
    assert_eq!(ended_of(&mut world, &first).status, "succeeded");
    world
}

#[test]
fn a_version_that_fails_more_often_loses_its_traffic_everywhere() {
    for (errors, failing) in [(None, 200), (Some("2%"), 200), (Some("3x"), 400)] {
        let analysis = AnalysisConfig { errors: errors.map(str::to_owned), ..AnalysisConfig::default() };
        let mut world = analysed(analysis, &[(10, 1_200)], &REGIONS);
        world.version_is("1", 10, 0).version_is("2", failing, 0);
        let rollout = at_share(&mut world, 10);
        let end = ended(&mut world, &rollout.id);
        let cause = end.cause.expect("it failed");
        assert_eq!((end.status.as_str(), cause.code.as_str()), ("failed", "FL0555"), "{errors:?}");
        assert!(cause.message.contains("invocations of the new version failed"), "{}", cause.message);
        assert!(world.timeline(&rollout.id).contains(&"measured".to_owned()));
        all(&world, &[("1".to_owned(), None)]);
    }
}

#[test]
fn equal_versions_go_on_and_their_numbers_are_shown() {
    let mut world = analysed(AnalysisConfig::default(), &[(10, 600), (50, 300)], &REGIONS);
    world.version_is("1", 20, 5).version_is("2", 20, 5);
    let rollout = at_share(&mut world, 10);
    world.until("a reading", |w| {
        w.rollout_by_id(&rollout.id)
            .traffic
            .and_then(|t| t.measured)
            .is_some_and(|m| m.new.invocations >= 150)
    });
    let measured = world.rollout_by_id(&rollout.id).traffic.unwrap().measured.unwrap();
    assert_eq!(measured.stable.invocations, 9 * measured.new.invocations);
    assert!(measured.new.errors > 0 && measured.new.slow == 0, "{measured:?}");
    assert_eq!(ended(&mut world, &rollout.id).status, "succeeded");
    let timeline = world.timeline(&rollout.id);
    assert_eq!(timeline.iter().filter(|what| *what == "measured").count(), 2, "{timeline:#?}");
    // Two steps of 15 minutes together, and the delay of the metrics: one call a region and minute.
    let calls = world.calls("cloudwatch:GetMetricData");
    assert!((3 * 10..=3 * 22).contains(&calls), "{calls}");
}

#[test]
fn slow_invocations_are_a_breach_too() {
    let analysis = AnalysisConfig { latency_p99: Some("800ms".into()), ..AnalysisConfig::default() };
    let mut world = analysed(analysis, &[(50, 1_200)], &REGIONS[..1]);
    world.version_is("1", 0, 5).version_is("2", 0, 60);
    let rollout = at_share(&mut world, 50);
    let cause = ended(&mut world, &rollout.id).cause.expect("it failed");
    assert!(cause.code == "FL0555" && cause.message.contains("longer than 800 ms"), "{cause:?}");
}

#[test]
fn without_traffic_a_step_waits_and_says_so() {
    let analysis = AnalysisConfig { requests: Some(50), ..AnalysisConfig::default() };
    let mut world = analysed(analysis, &[(10, 120)], &REGIONS[..1]);
    world.invoked(0);
    let rollout = at_share(&mut world, 10);
    world.pass(1);
    let waiting = world.rollout_by_id(&rollout.id);
    assert_eq!(waiting.status, "shifting", "no traffic is no pass");
    let closed = waiting.gates.expect("it is blocked").closed;
    assert_eq!(
        (closed[0].gate.as_str(), closed[0].why.as_str()),
        ("requests", "0 of 50 invocations of the new versions")
    );
    world.invoked(1_000);
    assert_eq!(ended(&mut world, &rollout.id).status, "succeeded");
}

#[test]
fn metrics_that_cannot_be_read_block_the_step_and_break_glass_needs_none() {
    let mut world = analysed(AnalysisConfig::default(), &[(10, 120)], &REGIONS[..1]);
    world.refuses("cloudwatch:GetMetricData", ErrorKind::Denied, "AccessDenied: GetMetricData");
    let rollout = at_share(&mut world, 10);
    world.pass(1);
    let closed = world.rollout_by_id(&rollout.id).gates.expect("it is blocked").closed;
    assert!(closed[0].why.contains("cannot be read") && closed[0].why.contains("AccessDenied"), "{closed:?}");
    world.break_glass(&rollout.id, "production is down").unwrap();
    assert_eq!(ended(&mut world, &rollout.id).status, "succeeded");
}

#[test]
fn a_profile_without_analysis_reads_no_metrics() {
    let mut world = running(profile(&[&REGIONS]));
    let rollout = at_share(&mut world, 5);
    assert_eq!(ended(&mut world, &rollout.id).status, "succeeded");
    assert_eq!(world.calls("cloudwatch:GetMetricData"), 0);
}
