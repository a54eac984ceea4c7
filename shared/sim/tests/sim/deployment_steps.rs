//! How a deployment's steps take what AWS answers: what passes is waited for, what does not ends it with its
//! meaning, and nothing is asked for more often than it has to be.

use flotilla_contract::{DeploymentView, ProfileConfig, RolloutView};
use flotilla_domain::{Code, DeploymentId, Direction, RolloutId, Target};
use flotilla_engine::ports::ErrorKind::{self, Denied, Missing, Permanent, Quota, Transient};
use flotilla_engine::ports::Subject;
use flotilla_engine::rollout::Control;
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;

const REGION: &str = "eu-west-1";

fn world() -> World {
    World::new(1, &[&[REGION]])
}

fn world_with(change: impl FnOnce(&mut ProfileConfig)) -> World {
    let mut profile = ProfileConfig { regions: vec![REGION.into()], ..ProfileConfig::default() };
    change(&mut profile);
    World::with(1, profile)
}

/// A world in which the first release runs.
fn running(mut world: World) -> World {
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    world
}

fn deployment(rollout: &RolloutView) -> &DeploymentView {
    &rollout.deployments[0]
}

fn code(rollout: &RolloutView) -> &str {
    deployment(rollout).cause.as_ref().map_or("none", |cause| cause.code.as_str())
}

fn message(rollout: &RolloutView) -> &str {
    deployment(rollout).cause.as_ref().map_or("none", |cause| cause.message.as_str())
}

/// How the next upload ends.
fn next(world: &mut World) -> RolloutView {
    let version = world.upload("branch/main", "two");
    world.end_of(&version)
}

/// An upload whose deployment is in this state.
#[track_caller]
fn until_it_is(world: &mut World, state: &str) -> String {
    let version = world.upload("branch/main", "two");
    world.until(state, |w| w.rollout(&version).is_some_and(|r| deployment(&r).status == state));
    version
}

#[test]
fn what_aws_refuses_for_good_ends_the_deployment_with_what_it_means() {
    let meanings = [
        (Denied, "AccessDenied", Code::AccessDenied),
        (Quota, "LimitExceededException", Code::QuotaReached),
        (Missing, "NoSuchBucket", Code::RegionNotPrepared),
        (Permanent, "ValidationError: no", Code::CallRefused),
        (Permanent, "TerminationProtection is enabled", Code::TerminationProtected),
    ];
    for (kind, text, expected) in meanings {
        let mut world = world();
        world.refuses("cloudformation:DescribeStacks", kind, text);
        let end = next(&mut world);
        assert_eq!((end.status.as_str(), code(&end)), ("failed", expected.to_string().as_str()));
        assert!(message(&end).contains(text));
    }
    for (kind, text, expected) in [
        (Permanent, "ValidationError: Template format error", Code::ChangeSetRefused),
        (Permanent, "InsufficientCapabilitiesException: CAPABILITY_IAM", Code::CapabilityMissing),
        (Denied, "AccessDenied", Code::AccessDenied),
    ] {
        let mut world = world();
        world.refuses("cloudformation:CreateChangeSet", kind, text);
        assert_eq!(code(&next(&mut world)), expected.to_string());
    }
    let mut world = world();
    world.refuses("cloudformation:ExecuteChangeSet", Denied, "AccessDenied");
    assert_eq!(code(&next(&mut world)), Code::AccessDenied.to_string(), "nothing was begun yet");
}

#[test]
fn what_may_pass_is_asked_for_again_a_little_later() {
    for operation in [
        "cloudformation:DescribeStacks",
        "cloudformation:CreateChangeSet",
        "cloudformation:DescribeChangeSet",
        "cloudformation:ExecuteChangeSet",
        "cloudformation:ListStackResources",
        "lambda:GetFunctionConfiguration",
    ] {
        let mut world = world();
        world.refuses(operation, Transient, "503 Service Unavailable");
        let version = world.upload("branch/main", "one");
        world.until("the first attempt", |w| w.calls(operation) > 0);
        let began_ms = world.now_ms();
        world.until("three more", |w| w.calls(operation) > 3);
        let waited_ms = world.now_ms() - began_ms;
        assert!((9_000..20_000).contains(&waited_ms), "{operation}: {waited_ms} ms");
        world.allows(operation);
        assert_eq!(world.end_of(&version).status, "succeeded", "{operation}");
    }
}

#[test]
fn while_a_stack_is_changed_not_being_able_to_look_is_no_verdict() {
    let mut world = running(world());
    world.behaves(REGION, Behaviour::Takes(30_000));
    let version = until_it_is(&mut world, "executing");
    world.until("it runs", |w| w.stack(REGION, "staging") == Some("UPDATE_IN_PROGRESS"));
    world.refuses("cloudformation:DescribeStacks", Denied, "AccessDenied");
    let before = world.calls("cloudformation:DescribeStacks");
    world.until("several looks", |w| w.calls("cloudformation:DescribeStacks") > before + 5);
    assert_eq!(deployment(&world.rollout(&version).unwrap()).status, "executing");
    world.allows("cloudformation:DescribeStacks");
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn code_that_lambda_still_applies_is_waited_for() {
    let mut world = running(world());
    world.functions_lag(true);
    let version = until_it_is(&mut world, "verifying");
    let before = world.calls("lambda:GetFunctionConfiguration");
    world.until("several looks", |w| w.calls("lambda:GetFunctionConfiguration") > before + 3);
    assert_eq!(deployment(&world.rollout(&version).unwrap()).status, "verifying");
    world.functions_lag(false);
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn a_function_that_is_gone_behind_cloudformations_back_is_not_called_proven() {
    let mut world = running(world());
    world.functions_vanish();
    let version = world.upload("branch/main", "one");
    assert_eq!(code(&world.end_of(&version)), Code::CodeDiffers.to_string());
}

#[test]
fn warnings_that_cannot_be_read_matter_only_to_a_policy_that_refuses_them() {
    const EVENTS: &str = "cloudformation:DescribeEvents";
    let warns = || Behaviour::Warns(vec!["Bucket: name taken".into()]);
    let strict = |profile: &mut ProfileConfig| profile.validation_warnings = Some("refuse".into());
    for (refuses, expected) in [(false, "none".to_owned()), (true, Code::AccessDenied.to_string())] {
        let mut world = if refuses { running(world_with(strict)) } else { running(world()) };
        world.behaves(REGION, warns()).refuses(EVENTS, Denied, "AccessDenied");
        let end = next(&mut world);
        assert_eq!((code(&end), deployment(&end).notes.len()), (expected.as_str(), 0));
    }
    let mut busy = running(world());
    busy.behaves(REGION, warns()).refuses(EVENTS, Transient, "503");
    let version = busy.upload("branch/main", "two");
    busy.until("three attempts", |w| w.calls(EVENTS) >= 3);
    busy.allows(EVENTS);
    assert!(deployment(&busy.end_of(&version)).notes[0].contains("name taken"));

    let asked = |mut world: World| {
        next(&mut world);
        world.calls(EVENTS) > 0
    };
    assert!(asked(running(world_with(strict))), "CloudFormation need not hint at it");
    assert!(!asked(running(world())));
}

#[test]
fn a_refused_change_set_is_told_even_if_its_validations_cannot_be_read() {
    const EVENTS: &str = "cloudformation:DescribeEvents";
    let fails = || Behaviour::FailsValidation(vec!["Bucket: name taken".into()]);
    let mut denied = running(world());
    denied.behaves(REGION, fails()).refuses(EVENTS, Denied, "AccessDenied");
    let end = next(&mut denied);
    assert_eq!(code(&end), Code::ValidationFailed.to_string());
    assert!(message(&end).contains("early validation") && !message(&end).contains("name taken"));
    let mut busy = running(world());
    busy.behaves(REGION, fails()).refuses(EVENTS, Transient, "503");
    let version = busy.upload("branch/main", "two");
    busy.until("three attempts", |w| w.calls(EVENTS) >= 3);
    busy.allows(EVENTS);
    assert!(message(&busy.end_of(&version)).contains("name taken"));
}

#[test]
fn a_stack_that_somebody_made_since_is_looked_at_again() {
    let mut world = world();
    let text = "ValidationError: Stack [x] already exists and cannot be created again with the changeSet [y]";
    world.refuses("cloudformation:CreateChangeSet", Permanent, text);
    let version = world.upload("branch/main", "one");
    world.until("an attempt", |w| w.calls("cloudformation:CreateChangeSet") > 0);
    world.allows("cloudformation:CreateChangeSet");
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded");
    let plans = world.timeline(&end.id);
    assert_eq!(plans.iter().filter(|line| line.ends_with("planning")).count(), 2);
}

#[test]
fn a_change_set_that_is_not_to_be_seen_is_waited_for_and_then_made_anew() {
    let mut world = running(world());
    let made = world.calls("cloudformation:CreateChangeSet");
    let version = world.upload("branch/main", "two");
    world.until("it plans", |w| w.calls("cloudformation:CreateChangeSet") > made);
    let began_ms = world.now_ms();
    world.plans_vanish(REGION, "staging");
    world.until("another one", |w| w.calls("cloudformation:CreateChangeSet") > made + 1);
    let waited_ms = world.now_ms() - began_ms;
    assert!((29_000..60_000).contains(&waited_ms), "{waited_ms} ms");
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn drift_is_looked_for_where_there_is_a_stack_and_only_if_the_profile_cares() {
    for (drift, changed) in [(None, false), (Some("revert"), true)] {
        let mut world = running(world_with(|profile| profile.drift = drift.map(str::to_owned)));
        world.behaves(REGION, Behaviour::Drifted(vec!["App.Timeout".into()]));
        let version = world.upload("branch/main", "one");
        assert_eq!(deployment(&world.end_of(&version)).changed, Some(changed), "{drift:?}");
    }
}

#[test]
fn a_stack_in_review_stays_while_somebody_else_has_a_change_set_of_it() {
    for (others, left) in [(false, None), (true, Some("REVIEW_IN_PROGRESS"))] {
        let mut world = world();
        world.behaves(REGION, Behaviour::Refuses("Template error".into()));
        until_it_is(&mut world, "discarding");
        if others {
            world.plan_of_others(REGION, "staging");
        }
        world.until("the rollout's end", |w| w.open_rollouts().is_empty());
        world.finish_operations();
        assert_eq!(world.stack(REGION, "staging"), left);
    }
}

#[test]
fn a_preview_whose_buckets_are_emptied_in_parts_goes_when_the_last_is_empty() {
    let mut world = world();
    world.stacks_have_bucket("first", 3).stacks_have_bucket("second", 1);
    let version = world.upload("pr/7", "one");
    world.end_of(&version);
    assert_eq!(world.calls("s3:DeleteObjects"), 0);
    world.jump(25);
    world.until("it is gone", |w| w.stack(REGION, "pr-7").is_none());
    assert_eq!(world.calls("s3:DeleteObjects"), 2 * 3, "both are looked at until both are empty");
}

#[test]
fn a_stack_that_resists_being_cleared_says_so() {
    let mut world = world_with(|profile| profile.force_delete = Some(false));
    world.behaves(REGION, Behaviour::RollsBack("no".into()));
    let first = world.upload("branch/main", "one");
    let first = world.end_of(&first);
    assert!(!message(&first).starts_with("in "), "no nested stack is to blame: {}", message(&first));
    world.behaves(REGION, Behaviour::DeleteResists(99));
    assert_eq!(code(&next(&mut world)), Code::DeleteFailed.to_string());
}

#[test]
fn only_a_stuck_rollback_is_mended_by_skipping_resources() {
    let mut world = world();
    world.behaves(REGION, Behaviour::Sticks("the queue is gone".into()));
    let end = next(&mut world);
    assert_eq!(code(&end), Code::StackStuck.to_string());
    assert!(!deployment(&end).cause.as_ref().unwrap().fix.contains("--skip"));
}

#[test]
fn importers_that_cannot_be_listed_leave_cloudformations_own_words() {
    const IMPORTS: &str = "cloudformation:ListImports";
    let removal = |kind: ErrorKind| {
        let mut world = world();
        let version = world.upload("pr/7", "one");
        world.end_of(&version);
        world.behaves(REGION, Behaviour::ExportInUse(vec!["billing".into()]));
        world.refuses(IMPORTS, kind, "no").jump(25);
        world
    };
    let told = |world: &World| world.causes_of_removals().into_iter().find(|cause| cause.0 == "FL0523");
    let mut denied = removal(Denied);
    denied.until("the removal fails", |w| told(w).is_some());
    assert!(told(&denied).unwrap().1.ends_with("imported by: "));
    let mut busy = removal(Transient);
    busy.until("three attempts", |w| w.calls(IMPORTS) >= 3);
    assert!(told(&busy).is_none());
    busy.allows(IMPORTS);
    busy.until("the removal fails", |w| told(w).is_some());
    assert!(told(&busy).unwrap().1.contains("billing"));
}

#[test]
fn a_cause_is_read_back_to_the_beginning_of_the_operation_and_no_further() {
    let mut world = running(world());
    for n in 0..6 {
        let version = world.upload("branch/main", &format!("more {n}"));
        world.end_of(&version);
    }
    world.behaves(REGION, Behaviour::RollsBack("the name is taken".into()));
    let before = world.calls("cloudformation:DescribeStackEvents");
    let end = next(&mut world);
    assert!(message(&end).contains("the name is taken"), "{}", message(&end));
    let pages = world.calls("cloudformation:DescribeStackEvents") - before;
    assert!((2..=3).contains(&pages), "{pages} pages of a long history");
}

#[test]
fn an_update_that_has_ended_is_not_stopped_any_more() {
    let mut world = running(world());
    world.behaves(REGION, Behaviour::Takes(600_000));
    let version = until_it_is(&mut world, "executing");
    world.until("it runs", |w| w.stack(REGION, "staging") == Some("UPDATE_IN_PROGRESS"));
    world.finish_operations();
    let id = world.rollout(&version).unwrap().id;
    world.control(&id, Control::Cancel { stop_running: true }).unwrap();
    world.end_of(&version);
    assert_eq!(world.calls("cloudformation:CancelUpdateStack"), 0);
    assert_eq!(world.stack(REGION, "staging"), Some("UPDATE_COMPLETE"));
}

/// The deployment of a rollout to the one region, as ticks name it.
fn subject(rollout: &str) -> Subject {
    let target = Target::parse(&format!("111122223333/{REGION}")).unwrap();
    let rollout = RolloutId::parse(rollout).unwrap();
    Subject::Deployment(DeploymentId { rollout, target, direction: Direction::Forward })
}

#[test]
fn q02_a_tick_that_comes_twice_ends_where_another_is_still_to_come() {
    let mut world = running(world());
    world.behaves(REGION, Behaviour::Takes(10 * 3_600_000));
    let version = until_it_is(&mut world, "executing");
    world.until("it runs", |w| w.stack(REGION, "staging") == Some("UPDATE_IN_PROGRESS"));
    let rollout = world.rollout(&version).unwrap().id;
    let (controllers, subject) = (world.controllers(), subject(&rollout));
    block_on(controllers.tick(&subject)).unwrap();
    block_on(controllers.tick(&Subject::Rollout(RolloutId::parse(&rollout).unwrap()))).unwrap();
    let work = |world: &World| {
        ["sqs:SendMessageBatch", "dynamodb:TransactWriteItems"].map(|operation| world.calls(operation))
    };
    let before = work(&world);
    for _ in 0..3 {
        block_on(controllers.tick(&subject)).unwrap();
        block_on(controllers.tick(&Subject::Rollout(RolloutId::parse(&rollout).unwrap()))).unwrap();
    }
    assert_eq!(work(&world), before, "the next tick is already queued");
    // That one was lost.
    world.drop_messages().jump(1);
    block_on(controllers.tick(&subject)).unwrap();
    assert_eq!(work(&world), before.map(|calls| calls + 1), "a new one is on its way");
    let counts = controllers.meter().take();
    assert_eq!((counts.ticks, counts.transitions, counts.throttled), (9, 0, 0));
    assert_eq!(controllers.meter().take().ticks, 0, "counting begins anew");
}

#[test]
fn transitions_are_counted_as_they_are_saved() {
    let mut world = world();
    let version = world.upload("branch/main", "one");
    world.until("it is open", |w| w.rollout(&version).is_some_and(|r| deployment(&r).status == "waiting"));
    world.drop_messages();
    let (controllers, rollout) = (world.controllers(), world.rollout(&version).unwrap().id);
    block_on(controllers.tick(&subject(&rollout))).unwrap();
    let told = world.timeline(&rollout).iter().filter(|line| line.starts_with(REGION)).count() as u64;
    assert!(told >= 2);
    assert_eq!(controllers.meter().take().transitions, told);
}
