//! Packages of several stacks.

use flotilla_contract::{ProfileConfig, RolloutView, StackConfig};
use flotilla_sim::{Behaviour, World};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

fn world(seed: u64, on_failure: &str) -> World {
    let profile = ProfileConfig {
        regions: REGIONS.map(str::to_owned).into(),
        on_failure: Some(on_failure.into()),
        ..ProfileConfig::default()
    };
    let mut world = World::with(seed, profile);
    world.layered();
    world
}

fn outcomes(rollout: &RolloutView) -> Vec<(&str, &str, &str)> {
    let of = |d: &flotilla_contract::DeploymentView| d.part.clone().unwrap();
    let parts: Vec<String> = rollout.deployments.iter().map(of).collect();
    let name = |part: &str| if part == "Net" { "Net" } else { "Api" };
    rollout
        .deployments
        .iter()
        .zip(&parts)
        .map(|(d, part)| (d.region.as_str(), name(part), d.status.as_str()))
        .collect()
}

/// The place of an entry in the timeline.
#[track_caller]
fn at(timeline: &[String], entry: &str) -> usize {
    timeline.iter().position(|line| line == entry).unwrap_or_else(|| panic!("{entry}: {timeline:?}"))
}

#[test]
fn a_stack_waits_in_every_region_for_the_one_it_needs() {
    let mut world = world(1, "halt");
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version);
    assert_eq!(rollout.status, "succeeded");
    let expected = [("eu-west-1", "Net"), ("us-east-1", "Net"), ("eu-west-1", "Api"), ("us-east-1", "Api")];
    assert_eq!(outcomes(&rollout), expected.map(|(region, part)| (region, part, "succeeded")));
    assert_eq!(rollout.deployments[3].stack, "orders-staging-Api");
    let timeline = world.timeline(&rollout.id);
    for region in REGIONS {
        let net = at(&timeline, &format!("{region}:Net succeeded"));
        for other in REGIONS {
            assert!(net < at(&timeline, &format!("{other}:Api executing")), "a level is done everywhere");
        }
    }
    assert_eq!(world.stack("us-east-1", "staging-Net"), Some("CREATE_COMPLETE"));
    assert_eq!(world.stack("us-east-1", "staging"), None, "there is no stack without a part");
}

#[test]
fn a_stack_of_one_region_is_deployed_and_reverted_there_only() {
    let profile = ProfileConfig {
        regions: REGIONS.map(str::to_owned).into(),
        on_failure: Some("revert".into()),
        stacks: [("Net".to_owned(), StackConfig { only: "eu-west-1".into() })].into(),
        ..ProfileConfig::default()
    };
    let mut world = World::with(3, profile);
    world.layered();
    let first = world.upload("branch/main", "one");
    let rollout = world.end_of(&first);
    let expected = [("eu-west-1", "Net"), ("eu-west-1", "Api"), ("us-east-1", "Api")];
    assert_eq!(outcomes(&rollout), expected.map(|(region, part)| (region, part, "succeeded")));
    assert_eq!(world.stack("us-east-1", "staging-Net"), None);
    let second = world.upload("branch/main", "two");
    let opened = |w: &World| w.rollout(&second).is_some_and(|r| r.deployments[1].status != "pending");
    world.until("the second level", opened);
    world.behaves("us-east-1", Behaviour::RollsBack("the resource says no".into()));
    assert_eq!(world.end_of(&second).status, "reverted");
    assert_eq!(world.stack("us-east-1", "staging-Net"), None);
}

#[test]
fn a_stack_that_cannot_go_back_fails_the_rollout_and_the_next_one_mends_it() {
    let mut world = world(2, "revert");
    let first = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&first).status, "succeeded");
    let second = world.upload("branch/main", "two");
    let opened = |w: &World| w.rollout(&second).is_some_and(|r| r.deployments[2].status != "pending");
    world.until("the second level", opened);
    world.behaves("us-east-1", Behaviour::RollsBack("the resource says no".into()));
    let rollout = world.end_of(&second);
    world.behaves("us-east-1", Behaviour::Works);
    assert_eq!(rollout.status, "failed", "the revert of Net fails at the same resource");
    let third = world.upload("branch/main", "two");
    world.until("the second level", |w| {
        w.rollout(&third).is_some_and(|r| r.deployments[2].status == "executing")
    });
    assert_eq!(world.end_of(&third).status, "succeeded");
}

#[test]
fn both_stacks_go_back_as_one_unit() {
    let mut world = world(3, "revert");
    let first = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&first).status, "succeeded");
    let second = world.upload("branch/main", "two");
    let planned = |w: &World| {
        w.rollout(&second).is_some_and(|r| r.deployments[2..].iter().any(|d| d.status == "inspecting"))
    };
    world.until("the second level", planned);
    world.behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    world.until("the failure", |w| w.rollout(&second).is_some_and(|r| r.status == "reverting"));
    world.behaves("us-east-1", Behaviour::Works);
    let rollout = world.end_of(&second);
    assert_eq!(rollout.status, "reverted", "{:?}", rollout.cause);
    let timeline = world.timeline(&rollout.id);
    let last = |entry: &str| timeline.iter().rposition(|line| line == entry).unwrap();
    assert!(last("eu-west-1:Api succeeded") < last("eu-west-1:Net executing"), "{timeline:?}");
    assert!(last("eu-west-1:Api succeeded") < last("us-east-1:Net executing"), "{timeline:?}");
}

#[test]
fn a_preview_is_removed_from_the_top() {
    let mut world = world(4, "halt");
    let preview = world.upload("pr/7", "one");
    assert_eq!(world.end_of(&preview).status, "succeeded");
    assert_eq!(world.stage("pr-7").targets.len(), 4);
    world.pass(26);
    assert_eq!(world.stage("pr-7").targets.len(), 0);
    for part in ["Net", "Api"] {
        assert_eq!(world.stack("eu-west-1", &format!("pr-7-{part}")), None);
    }
}
