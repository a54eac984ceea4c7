//! What decides whether new versions get traffic and keep it: checks, and the hooks of the profile.

use crate::traffic::{REGIONS, STEPS, all, at_share, ended, ended_of, profile};
use flotilla_contract::{CheckConfig, ProfileConfig};
use flotilla_domain::gate::AlarmState;
use flotilla_sim::World;

#[test]
fn checks_are_made_before_and_after_the_traffic() {
    let verify =
        CheckConfig { function: Some("verify".into()), within: Some("5s".into()), ..CheckConfig::default() };
    let profile =
        ProfileConfig { checks: vec![verify], on_failure: Some("halt".into()), ..profile(&[&REGIONS]) };
    let mut world = World::with(7, profile.clone());
    for region in REGIONS {
        world.replies(region, "verify", true, "fine");
    }
    world.shifts(&profile, &STEPS);
    let first = world.upload("branch/main", "one");
    assert_eq!(ended_of(&mut world, &first).status, "succeeded");
    let before = world.calls("lambda:Invoke");
    let rollout = at_share(&mut world, 5);
    assert_eq!(world.calls("lambda:Invoke") - before, 3, "before the traffic");
    world.replies("us-east-1", "verify", false, "broken");
    let end = ended(&mut world, &rollout.id);
    assert_eq!((end.status.as_str(), end.cause.unwrap().code.as_str()), ("failed", "FL0551"), "after it");
    all(&world, &[("1".to_owned(), None)]);

    // One that fails before gets no traffic at all.
    let third = world.upload("branch/main", "three");
    let end = ended_of(&mut world, &third);
    assert_eq!((end.status.as_str(), end.cause.unwrap().code.as_str()), ("failed", "FL0551"));
    all(&world, &[("1".to_owned(), None)]);
}

#[test]
fn a_hook_keeps_the_traffic_back_or_takes_it_back_everywhere() {
    let profile = ProfileConfig { on_failure: Some("halt".into()), ..profile(&[&REGIONS]) };
    let mut world = World::with(7, profile.clone());
    world.hooks(&profile, &STEPS, ["{service}-{stage}-before", "{service}-{stage}-after"]);
    let both = |world: &mut World, before: bool, after: bool| {
        for region in REGIONS {
            world.replies(region, "orders-staging-before", before || region != "us-east-1", "it says");
            world.replies(region, "orders-staging-after", after || region != "us-east-1", "it says");
        }
    };
    both(&mut world, true, true);
    let first = world.upload("branch/main", "one");
    assert_eq!(ended_of(&mut world, &first).status, "succeeded");
    assert_eq!(world.calls("lambda:Invoke"), 3, "nothing has traffic before: only what is invoked after");

    let second = world.upload("branch/main", "two");
    assert_eq!(ended_of(&mut world, &second).status, "succeeded");
    assert_eq!(world.calls("lambda:Invoke"), 9);
    all(&world, &[("2".to_owned(), None)]);

    for (before, after) in [(false, true), (true, false)] {
        both(&mut world, before, after);
        let upload = world.upload("branch/main", if before { "three" } else { "four" });
        let end = ended_of(&mut world, &upload);
        let cause = end.cause.unwrap();
        assert_eq!((end.status.as_str(), cause.code.as_str()), ("failed", "FL0551"), "{cause:?}");
        let hook = if before { "function orders-staging-after" } else { "function orders-staging-before" };
        assert!(cause.message.contains(hook) && cause.message.contains("us-east-1"), "{}", cause.message);
        all(&world, &[("2".to_owned(), None)]);
    }
}

#[test]
fn an_alarm_takes_the_traffic_back_while_the_new_versions_are_verified() {
    let profile = ProfileConfig {
        on_failure: Some("halt".into()),
        alarms: vec!["errors".into()],
        rollback_triggers: Some(false),
        ..profile(&[&REGIONS])
    };
    let mut world = World::with(9, profile.clone());
    world.hooks(&profile, &STEPS, ["before", "after"]);
    for region in REGIONS {
        world.alarm(region, "errors", AlarmState::Ok);
        world.replies(region, "before", true, "fine").replies(region, "after", true, "fine");
    }
    let first = world.upload("branch/main", "one");
    assert_eq!(ended_of(&mut world, &first).status, "succeeded");
    // The function that verifies goes on failing, and within its minute an alarm is raised.
    world.replies("us-east-1", "after", false, "not yet");
    let second = world.upload("branch/main", "two");
    world.until("the verification after the traffic", |w| {
        let rollout = w.rollout(&second).filter(|rollout| rollout.status == "checking");
        rollout.is_some_and(|rollout| w.timeline(&rollout.id).contains(&"shifting".to_owned()))
    });
    world.alarm("us-east-1", "errors", AlarmState::Alarm);
    let end = ended_of(&mut world, &second);
    assert_eq!((end.status.as_str(), end.cause.unwrap().code.as_str()), ("failed", "FL0550"));
    all(&world, &[("1".to_owned(), None)]);
}
