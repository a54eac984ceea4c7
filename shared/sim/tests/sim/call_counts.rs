//! How fast, and with how few calls: in the world's own time, which is the same on every machine.

use flotilla_sim::{Behaviour, Faults, World};

const REGION: &str = "eu-west-1";

fn cloudformation_calls(world: &World) -> u64 {
    world.throttling().0
}

#[test]
fn c21_five_hundred_targets_share_an_unknown_rate_and_none_starves() {
    const TARGETS: u32 = 500;
    const CALLS_PER_S: u32 = 5;
    // What one creation needs when nobody throttles and nothing is looked at in vain.
    const CALLS_EACH: u32 = 7;
    let mut world = World::new(1, &[&[REGION]]);
    world.behaves(REGION, Behaviour::Takes(30_000)).rate_limit(CALLS_PER_S);
    world.upload_previews(TARGETS, "one");
    let began_ms = world.now_ms();
    world.until_at_last("the first deployments", |w| w.now_ms() > began_ms + 200_000);
    let late = world.upload("branch/main", "one");
    let late_ms = world.now_ms();
    world.until_at_last("the late one's end", |w| w.rollout(&late).is_some_and(|rollout| rollout.ended));
    let late_took_ms = world.now_ms() - late_ms;
    // Looked at often: when nothing is left to do, each step lets up to a minute pass.
    while !world.open_rollouts().is_empty() {
        world.steps(4);
        assert!(world.now_ms() - began_ms < 3_600_000, "{:?} are open", world.open_rollouts());
    }
    let took_ms = world.now_ms() - began_ms;
    let ideal_ms = i64::from((TARGETS + 1) * CALLS_EACH / CALLS_PER_S) * 1_000;
    let (asked, throttled) = world.throttling();
    println!(
        "{took_ms} ms of ideal {ideal_ms}; {throttled} of {asked} calls throttled; late: {late_took_ms} ms"
    );
    let writes = world.calls("dynamodb:TransactWriteItems");
    println!("{writes} writes of the table");
    assert_eq!(world.rollout(&late).unwrap().status, "succeeded");
    assert!(took_ms * 10 <= ideal_ms * 13, "{took_ms} ms, ideal are {ideal_ms}");
    assert!(throttled * 20 < asked, "{throttled} of {asked} calls were throttled");
    assert!(late_took_ms <= took_ms, "the late one took {late_took_ms} ms");
    // Waiting costs as well: a look into the budget, and a new delay.
    assert!(writes < u64::from(TARGETS) * 120, "{writes} writes");
    assert_eq!(world.dead_letters(), 0);
}

/// How long after its stack a deployment ends, for updates that take half a minute, in order.
fn lags_ms(hints: u32) -> Vec<i64> {
    let mut lags: Vec<i64> = (0..40)
        .map(|seed| {
            let mut world = World::new(seed, &[&[REGION]]);
            world.faults(Faults { hints, ..Faults::NONE });
            let first = world.upload("branch/main", "one");
            world.end_of(&first);
            // The first creation was of another length: nothing is known of how long an update takes.
            world.behaves(REGION, Behaviour::Takes(30_000));
            let second = world.upload("branch/main", "two");
            world.until("it executes", |w| w.stack(REGION, "staging") == Some("UPDATE_IN_PROGRESS"));
            let began_ms = world.now_ms();
            world.until("the end", |w| {
                w.rollout(&second).is_some_and(|r| r.deployments[0].status == "succeeded")
            });
            world.now_ms() - began_ms - 30_000
        })
        .collect();
    lags.sort_unstable();
    lags
}

#[test]
fn a_wait_of_half_a_minute_is_prolonged_by_two_seconds_at_most_and_by_half_a_second_with_events() {
    let (without, with) = (lags_ms(0), lags_ms(1_000));
    let median = |lags: &[i64]| lags[lags.len() / 2];
    println!("median without events {} ms, with events {} ms", median(&without), median(&with));
    assert!(median(&without) <= 2_000, "{without:?}");
    assert!(median(&with) <= 500, "{with:?}");
}

/// The calls of CloudFormation that an update makes whose stack takes as long as its creation did.
fn calls_of_an_update(seed: u64, takes_ms: i64) -> u64 {
    let mut world = World::new(seed, &[&[REGION]]);
    world.behaves(REGION, Behaviour::Takes(takes_ms));
    let first = world.upload("branch/main", "one");
    world.end_of(&first);
    let before = cloudformation_calls(&world);
    let second = world.upload("branch/main", "two");
    world.end_of(&second);
    cloudformation_calls(&world) - before
}

#[test]
fn promise_12_an_update_takes_few_calls() {
    let calls = calls_of_an_update(3, 1);
    assert!(calls <= 8, "{calls} calls of CloudFormation");
}

#[test]
fn a_stack_that_is_known_to_be_slow_is_looked_at_when_it_should_end() {
    let calls = calls_of_an_update(4, 20 * 60_000);
    assert!(calls <= 14, "{calls} calls in 20 minutes");
}

#[test]
fn q08_a_bake_longer_than_a_delay_of_sqs_is_slept_through_in_parts() {
    use flotilla_contract::{ProfileConfig, WaveConfig, WaveTable};
    let wave = |region: &str, bake: Option<&str>| {
        WaveConfig::Wave(WaveTable {
            regions: vec![region.into()],
            max_concurrent: None,
            tolerate_failures: None,
            bake: bake.map(str::to_owned),
            approvals: None,
        })
    };
    let waves = vec![wave(REGION, Some("40m")), wave("us-east-1", None)];
    let mut world = World::with(5, ProfileConfig { waves, ..ProfileConfig::default() });
    let version = world.upload("branch/main", "one");
    world.until("it bakes", |w| w.rollout(&version).is_some_and(|r| r.status == "baking"));
    let began_ms = world.now_ms();
    let before = world.calls("sqs:SendMessageBatch");
    world.until("the next wave", |w| w.rollout(&version).is_some_and(|r| r.status == "rolling"));
    let took_s = (world.now_ms() - began_ms) / 1_000;
    assert!((2_400..2_405).contains(&took_s), "{took_s} s");
    assert!(world.calls("sqs:SendMessageBatch") - before < 10, "no polling");
    assert_eq!(world.end_of(&version).status, "succeeded");
}
