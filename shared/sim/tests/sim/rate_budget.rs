//! What becomes of calls that CloudFormation throttles. How many fit into a time is measured in `pace.rs`.

use flotilla_domain::deployment::Deployment;
use flotilla_domain::deployment::rate_budget::RateBudget;
use flotilla_domain::{DeploymentId, Direction, RolloutId, Site, Target, Timestamp};
use flotilla_engine::ports::{ErrorKind, Subject};
use flotilla_engine::records::{BudgetRecord, Versioned, budget_key, deployment_key, read};
use flotilla_engine::rollout::Control;
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;

const REGION: &str = "eu-west-1";

fn world() -> World {
    World::new(1, &[&[REGION]])
}

fn budget(world: &World) -> Option<BudgetRecord> {
    let key = budget_key(&Site::parse(&format!("111122223333/{REGION}")).unwrap());
    let found = block_on(world.step_ports().store.get(&[key])).unwrap().remove(0);
    found.map(|item| read::<BudgetRecord>(item).unwrap().value)
}

/// A world whose messages are lost, with one deployment in this state.
fn at(state: &str) -> (World, Subject) {
    let mut world = world();
    world.behaves(REGION, Behaviour::Takes(30_000));
    let version = world.upload("branch/main", "one");
    let is = |w: &World| w.rollout(&version).is_some_and(|r| r.deployments[0].status == state);
    // What runs stands still from here on, as if its function had crashed.
    if state == "planned" {
        let rolls = |w: &World| w.rollout(&version).is_some_and(|r| r.status == "rolling");
        world.until("it rolls", rolls);
        let id = world.rollout(&version).unwrap().id;
        world.control(&id, Control::Pause).unwrap();
        world.until(state, is).control(&id, Control::Resume).unwrap();
    }
    world.until(state, is).drop_messages();
    let rollout = RolloutId::parse(&world.rollout(&version).unwrap().id).unwrap();
    let target = Target::parse(&format!("111122223333/{REGION}")).unwrap();
    (world, Subject::Deployment(DeploymentId { rollout, target, direction: Direction::Forward }))
}

/// Leaves so many calls that may be made at once.
fn ration(world: &World, calls: f64) {
    let now = Timestamp::from_millisecond(world.now_ms()).unwrap();
    let site = Site::parse(&format!("111122223333/{REGION}")).unwrap();
    let store = world.step_ports().store;
    let found = block_on(store.get(&[budget_key(&site)])).unwrap().remove(0);
    let before = found.map_or_else(
        || Versioned::new(BudgetRecord { site, budget: RateBudget::throttled(None, now) }),
        |item| read::<BudgetRecord>(item).unwrap(),
    );
    let budget = RateBudget { calls, counted_at: now, ..before.value.budget };
    let after = BudgetRecord { budget, ..before.value.clone() };
    block_on(store.write(vec![before.write(&after, None)])).unwrap();
}

/// The number with which a deployment waits for its turn.
fn number(world: &World, subject: &Subject) -> Option<u64> {
    let Subject::Deployment(id) = subject else { return None };
    let found = block_on(world.step_ports().store.get(&[deployment_key(id)])).unwrap().remove(0);
    read::<Deployment>(found.unwrap()).unwrap().value.number
}

#[test]
fn nothing_is_rationed_before_a_call_was_throttled() {
    let mut world = world();
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    assert_eq!(budget(&world), None);
    world.refuses("lambda:GetFunctionConfiguration", ErrorKind::Throttled, "TooManyRequestsException");
    let version = world.upload("branch/main", "two");
    world.until("three attempts", |w| w.calls("lambda:GetFunctionConfiguration") > 3);
    world.allows("lambda:GetFunctionConfiguration");
    assert_eq!(world.end_of(&version).status, "succeeded");
    assert_eq!(budget(&world), None, "Lambda has a rate of its own");
}

#[test]
fn after_a_throttled_call_the_next_one_waits_for_its_turn() {
    let (mut world, subject) = at("inspecting");
    let controllers = world.controllers();
    world.rate_limit(0);
    block_on(controllers.tick(&subject)).unwrap();
    assert_eq!((world.throttling().1, controllers.meter().take().throttled), (1, 1));
    assert!(budget(&world).is_some(), "everybody is to know");
    let (asked, sent) = (world.throttling().0, world.calls("sqs:SendMessageBatch"));
    world.rate_limit(100).wait_ms(90_000);
    // Others have made all the calls that may be made.
    ration(&world, -1_000.0);
    block_on(controllers.tick(&subject)).unwrap();
    assert_eq!(world.throttling().0, asked, "no call is made");
    assert_eq!(world.calls("sqs:SendMessageBatch"), sent + 1, "but it is scheduled again");
    assert!(number(&world, &subject).is_some(), "and keeps its place");
}

/// The calls that one tick makes of each operation, where so many may be made at once.
fn calls_of_a_tick<const N: usize>(state: &str, may: Option<f64>, operations: [&str; N]) -> [u64; N] {
    let (mut world, subject) = at(state);
    if state == "executing" {
        world.until("it runs", |w| w.stack(REGION, "staging") == Some("CREATE_IN_PROGRESS"));
        block_on(world.controllers().tick(&subject)).unwrap();
        world.drop_messages().finish_operations();
    }
    if let Some(calls) = may {
        ration(&world, calls);
    }
    let before = operations.map(|operation| world.calls(operation));
    block_on(world.controllers().tick(&subject)).unwrap();
    std::array::from_fn(|n| world.calls(operations[n]) - before[n])
}

#[test]
fn where_calls_are_rationed_nobody_looks_at_what_was_begun_a_moment_ago() {
    let execution = ["cloudformation:ExecuteChangeSet", "cloudformation:DescribeStacks"];
    assert_eq!(calls_of_a_tick("planned", None, execution), [1, 1]);
    assert_eq!(calls_of_a_tick("planned", Some(2.0), execution), [1, 0]);
    // A change set is ready sooner than a stack.
    let plan = ["cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet"];
    assert_eq!(calls_of_a_tick("planning", Some(2.0), plan), [1, 1]);
    assert_eq!(calls_of_a_tick("planning", Some(1.0), plan), [1, 0]);
}

#[test]
fn a_look_at_an_operation_that_has_ended_counts_twice() {
    let looks = [
        "cloudformation:DescribeStacks",
        "cloudformation:DescribeChangeSet",
        "cloudformation:ListStackResources",
    ];
    assert_eq!(calls_of_a_tick("executing", None, looks), [1, 1, 1]);
    assert_eq!(calls_of_a_tick("executing", Some(2.0), looks), [1, 1, 0]);
}

#[test]
fn c21_many_that_share_a_low_rate_all_come_to_their_end() {
    let mut world = world();
    world.behaves(REGION, Behaviour::Takes(30_000)).rate_limit(3);
    let versions = world.upload_previews(15, "one");
    let ended = |w: &World| versions.iter().all(|version| w.rollout(version).is_some_and(|r| r.ended));
    world.until_at_last("the end of all", ended);
    for version in &versions {
        assert_eq!(world.rollout(version).unwrap().status, "succeeded");
    }
    let (asked, throttled) = world.throttling();
    println!("{throttled} of {asked}");
    assert!(throttled * 4 < asked, "{throttled} of {asked} calls were throttled");
    assert!(asked < 15 * 12, "{asked} calls: with a rate budget, nothing is observed at once");
    assert!(budget(&world).unwrap().budget.next_number > 0);
}
