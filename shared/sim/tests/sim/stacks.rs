//! Every way in which CloudFormation can be in the way, told as stories: the rows of the fault table by
//! their ids.

use flotilla_contract::{DeploymentView, ProfileConfig, RolloutView};
use flotilla_engine::rollout::RetryOptions;
use flotilla_sim::{Behaviour, World};

const REGION: &str = "eu-west-1";

fn world(seed: u64) -> World {
    World::new(seed, &[&[REGION]])
}

fn world_with(seed: u64, change: impl FnOnce(&mut ProfileConfig)) -> World {
    let mut profile = ProfileConfig { regions: vec![REGION.into()], ..ProfileConfig::default() };
    change(&mut profile);
    World::with(seed, profile)
}

/// A world in which the first release runs.
fn running(seed: u64) -> World {
    running_in(world(seed))
}

fn running_in(mut world: World) -> World {
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    world
}

fn deployment(rollout: &RolloutView) -> &DeploymentView {
    &rollout.deployments[0]
}

/// How the next upload ends.
fn next(world: &mut World) -> RolloutView {
    let version = world.upload("branch/main", "two");
    world.end_of(&version)
}

fn code(rollout: &RolloutView) -> &str {
    deployment(rollout).cause.as_ref().map_or("none", |cause| cause.code.as_str())
}

#[test]
fn c01_a_stack_in_review_that_is_ours_is_used_and_one_nobody_needs_is_removed() {
    let mut world = world(1);
    world.behaves(REGION, Behaviour::Refuses("Parameter X must have values".into()));
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "failed");
    world.finish_operations();
    assert_eq!(world.stack(REGION, "staging"), None, "the stack in review is gone");
    assert_eq!(world.leftovers(), Vec::<String>::new());
    world.behaves(REGION, Behaviour::Works);
    assert_eq!(next(&mut world).status, "succeeded");
}

#[test]
fn c02_c03_stacks_that_never_were_stable_are_made_anew() {
    for (seed, status) in ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"].into_iter().enumerate() {
        let mut world = world(seed as u64);
        world.behaves(REGION, Behaviour::RollsBack("no".into()));
        let version = world.upload("branch/main", "one");
        world.end_of(&version);
        world.stack_becomes(REGION, "staging", status).behaves(REGION, Behaviour::Works);
        assert_eq!(next(&mut world).status, "succeeded", "{status}");
        assert_eq!(world.stack(REGION, "staging"), Some("CREATE_COMPLETE"));
    }
}

#[test]
fn c02_a_policy_may_leave_them_to_an_operator() {
    let mut world = world_with(4, |profile| profile.recreate_failed = Some(false));
    world.behaves(REGION, Behaviour::RollsBack("no".into()));
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    world.behaves(REGION, Behaviour::Works);
    assert_eq!(code(&next(&mut world)), "FL0512");
    assert_eq!(world.stack(REGION, "staging"), Some("ROLLBACK_COMPLETE"));
}

#[test]
fn c03_an_update_that_failed_without_a_rollback_is_rolled_back_first() {
    let mut world = running(5);
    world.stack_becomes(REGION, "staging", "UPDATE_FAILED");
    assert_eq!(next(&mut world).status, "succeeded");
    assert_eq!(world.calls("cloudformation:RollbackStack"), 1);
}

#[test]
fn c04_a_rollback_that_got_stuck_is_continued() {
    let mut world = running(6);
    world.stack_becomes(REGION, "staging", "UPDATE_ROLLBACK_FAILED");
    assert_eq!(next(&mut world).status, "succeeded");
    assert_eq!(world.calls("cloudformation:ContinueUpdateRollback"), 1);
}

#[test]
fn c04_skipping_a_resource_needs_an_operators_word() {
    let mut world = running(7);
    world.behaves(REGION, Behaviour::Sticks("the queue is gone".into()));
    let failed = next(&mut world);
    let cause = deployment(&failed).cause.clone().unwrap();
    assert_eq!(cause.code, "FL0512");
    assert!(cause.message.contains("the queue is gone") && cause.fix.contains("--skip"), "{cause:?}");
    assert_eq!(world.stack(REGION, "staging"), Some("UPDATE_ROLLBACK_FAILED"));
    let without = world.retry(&failed.id, &RetryOptions::default()).unwrap();
    assert_eq!(world.end_of_rollout(&without).status, "failed");
    // The resource no longer fails the update, but its rollback still sticks.
    let word = RetryOptions { skip: ["Resource".to_owned()].into(), ..RetryOptions::default() };
    let with = world.retry(&without, &word).unwrap();
    world.until("the rollback is continued", |w| {
        w.stack(REGION, "staging").is_some_and(|status| status != "UPDATE_ROLLBACK_FAILED")
    });
    world.behaves(REGION, Behaviour::Works);
    assert_eq!(world.end_of_rollout(&with).status, "succeeded");
}

#[test]
fn c05_a_rolled_back_update_is_told_with_its_cause_and_the_next_one_is_legal() {
    let mut world = running(8);
    world.behaves(REGION, Behaviour::RollsBack("Table already exists: orders".into()));
    let failed = next(&mut world);
    assert_eq!((deployment(&failed).status.as_str(), code(&failed)), ("rolled_back", "FL0511"));
    assert_eq!(world.stack(REGION, "staging"), Some("UPDATE_ROLLBACK_COMPLETE"));
    world.behaves(REGION, Behaviour::Works);
    let version = world.upload("branch/main", "three");
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn c06_c10_c11_while_an_operation_runs_nothing_is_begun() {
    for (seed, status) in [
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
    ]
    .into_iter()
    .enumerate()
    {
        let mut world = running(seed as u64);
        let made = world.calls("cloudformation:CreateChangeSet");
        world.stack_becomes(REGION, "staging", status);
        let version = world.upload("branch/main", "two");
        world.steps(2_000);
        let waiting = world.rollout(&version).unwrap();
        assert_eq!(deployment(&waiting).status, "inspecting", "{status}");
        assert_eq!(world.calls("cloudformation:CreateChangeSet"), made);
        world.stack_becomes(REGION, "staging", "UPDATE_COMPLETE");
        assert_eq!(world.end_of(&version).status, "succeeded");
    }
}

#[test]
fn c10_somebody_elses_operation_that_never_ends_is_given_up() {
    let mut world = running(12);
    world.stack_becomes(REGION, "staging", "IMPORT_IN_PROGRESS");
    let version = world.upload("branch/main", "two");
    world.until("it waits", |w| w.rollout(&version).is_some_and(|r| deployment(&r).status == "inspecting"));
    world.pass(4);
    let end = world.rollout(&version).unwrap();
    assert_eq!((end.status.as_str(), code(&end)), ("failed", "FL0514"));
}

#[test]
fn c07_a_success_with_orphans_is_a_success_that_says_so() {
    let mut world = running(13);
    world.behaves(REGION, Behaviour::Orphans);
    let end = next(&mut world);
    assert_eq!(end.status, "succeeded");
    assert!(deployment(&end).notes[0].contains("could not be deleted"), "{:?}", deployment(&end).notes);
}

/// A preview whose end has come, under this behaviour; answers the rollout that removes it.
fn removal(world: &mut World, behaviour: Behaviour) -> Option<RolloutView> {
    let version = world.upload("pr/7", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    world.behaves(REGION, behaviour);
    world.pass(25);
    let id = world.stage("pr-7").targets.first().map(|target| target.rollout.clone());
    id.map(|id| world.rollout_by_id(&id))
}

#[test]
fn c08_a_deletion_is_tried_again_then_leaves_resources_behind_and_lists_them() {
    for (seed, times, retained) in [(14, 1, false), (15, 2, true)] {
        let mut world = world(seed);
        removal(&mut world, Behaviour::DeleteResists(times));
        assert_eq!(world.stack(REGION, "pr-7"), None);
        let told = world.notes_of_removals().concat();
        assert_eq!(told.contains("Resists"), retained, "{told}");
    }
}

#[test]
fn c08_force_is_the_last_resort_for_previews() {
    let mut world = world(16);
    removal(&mut world, Behaviour::DeleteResists(99));
    assert_eq!(world.stack(REGION, "pr-7"), None, "FORCE_DELETE_STACK");
    let mut gentle = world_with(17, |profile| profile.force_delete = Some(false));
    removal(&mut gentle, Behaviour::DeleteResists(99));
    assert_eq!(gentle.stack(REGION, "pr-7"), Some("DELETE_FAILED"));
}

#[test]
fn c09_an_export_in_use_fails_the_deletion_and_names_the_importers() {
    let mut world = world(18);
    let version = world.upload("pr/7", "one");
    world.end_of(&version);
    world.behaves(REGION, Behaviour::ExportInUse(vec!["billing-staging".into(), "shop".into()]));
    world.jump(25);
    world.until("the removal fails", |w| w.causes_of_removals().iter().any(|cause| cause.0 == "FL0523"));
    let (_, message) = world.causes_of_removals().remove(0);
    assert!(message.contains("billing-staging, shop"), "{message}");
    assert_eq!(world.stack(REGION, "pr-7"), Some("CREATE_COMPLETE"));
}

#[test]
fn c15_c16_nothing_to_change_is_a_success_and_leaves_no_change_set() {
    let mut world = running(19);
    let version = world.upload("branch/main", "one");
    let end = world.end_of(&version);
    assert_eq!((end.status.as_str(), deployment(&end).changed), ("succeeded", Some(false)));
    assert_eq!(world.calls("cloudformation:DeleteChangeSet"), 1);
}

#[test]
fn c17_a_refusal_is_told_word_for_word() {
    let mut world = running(20);
    world.behaves(REGION, Behaviour::Refuses("Template error: unresolved Ref".into()));
    let end = next(&mut world);
    let cause = deployment(&end).cause.clone().unwrap();
    assert_eq!((cause.code.as_str(), cause.message.as_str()), ("FL0510", "Template error: unresolved Ref"));
    assert_eq!(world.leftovers(), Vec::<String>::new());
}

#[test]
fn c18_every_failed_validation_is_told() {
    let mut world = running(21);
    world.behaves(REGION, Behaviour::FailsValidation(vec!["Bucket: name taken".into(), "Role: no".into()]));
    let end = next(&mut world);
    let cause = deployment(&end).cause.clone().unwrap();
    assert_eq!(cause.code, "FL0527");
    assert!(cause.message.contains("Bucket: name taken; Role: no"), "{}", cause.message);
}

#[test]
fn c19_warnings_are_shown_or_refused_as_the_profile_says() {
    let mut world = running(22);
    world.behaves(REGION, Behaviour::Warns(vec!["Bucket: name taken".into()]));
    let end = next(&mut world);
    assert_eq!(end.status, "succeeded");
    assert!(deployment(&end).notes[0].contains("Bucket: name taken"));
    let strict = world_with(23, |profile| profile.validation_warnings = Some("refuse".into()));
    let mut strict = running_in(strict);
    strict.behaves(REGION, Behaviour::Warns(vec!["Bucket: name taken".into()]));
    assert_eq!(code(&next(&mut strict)), "FL0528");
}

#[test]
fn c20_a_change_set_that_somebody_makes_obsolete_is_made_anew() {
    let mut world = running(24);
    let version = world.upload("branch/main", "two");
    let before = world.calls("cloudformation:CreateChangeSet");
    world.until("it plans", |w| w.calls("cloudformation:CreateChangeSet") > before);
    world.plans_become_obsolete(REGION, "staging");
    assert_eq!(world.end_of(&version).status, "succeeded");
    let plans = world.timeline(&world.rollout(&version).unwrap().id);
    assert_eq!(plans.iter().filter(|line| line.ends_with("planning")).count(), 2);
}

#[test]
fn c22_a_quota_stops_the_deployment_and_is_not_called_again_and_again() {
    let mut world = running(25);
    world.faults(flotilla_sim::Faults { quota: 1_000, ..flotilla_sim::Faults::NONE });
    let before = world.calls("cloudformation:CreateChangeSet");
    let end = next(&mut world);
    assert_eq!(code(&end), "FL0516");
    assert_eq!(world.calls("cloudformation:CreateChangeSet"), before + 1);
}

#[test]
fn c23_termination_protection_is_told_and_never_switched_off() {
    let mut world = world(26);
    let version = world.upload("pr/7", "one");
    world.end_of(&version);
    world.behaves(REGION, Behaviour::Protected).jump(25);
    world.until("the removal fails", |w| w.causes_of_removals().iter().any(|cause| cause.0 == "FL0522"));
    assert_eq!(world.stack(REGION, "pr-7"), Some("CREATE_COMPLETE"));
}

#[test]
fn c26_c27_the_earliest_real_failure_is_found_through_pages_and_nested_stacks() {
    let mut world = running(27);
    world.behaves(REGION, Behaviour::RollsBackNested("the name is taken".into()));
    let end = next(&mut world);
    let cause = deployment(&end).cause.clone().unwrap();
    assert_eq!(cause.path.as_deref(), Some("Nested/Deep"));
    assert!(cause.message.contains("the name is taken"), "{}", cause.message);
}

#[test]
fn c28_c29_a_stack_that_is_deleted_or_replaced_meanwhile_ends_the_deployment() {
    for (seed, deleted) in [(28, true), (29, false)] {
        let mut world = running(seed);
        let version = world.upload("branch/main", "two");
        world.until("it executes", |w| w.stack(REGION, "staging") == Some("UPDATE_IN_PROGRESS"));
        if deleted {
            world.stack_is_deleted(REGION, "staging");
        } else {
            world.stack_is_replaced(REGION, "staging");
        }
        assert_eq!(code(&world.end_of(&version)), "FL0517");
    }
}

#[test]
fn c30_an_express_deployment_is_proven_before_it_is_called_ready() {
    let mut world = world_with(30, |profile| profile.express = Some(true));
    let version = world.upload("pr/7", "one");
    let end = world.end_of(&version);
    let timeline = world.timeline(&end.id);
    let at = |what: &str| timeline.iter().position(|line| line.ends_with(what)).unwrap();
    assert!(at("verifying") < at("succeeded"));
    assert_eq!(world.express_plans(), 1);
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    assert_eq!(world.express_plans(), 1, "a stage that stays is never hurried");
}

#[test]
fn c31_a_deletion_that_takes_half_an_hour_is_no_failure_and_not_polled_all_the_time() {
    let mut world = world(31);
    let version = world.upload("pr/7", "one");
    world.end_of(&version);
    world.behaves(REGION, Behaviour::Takes(2 * 30 * 60_000)).jump(25);
    world.until("it deletes", |w| w.stack(REGION, "pr-7") == Some("DELETE_IN_PROGRESS"));
    let before = world.calls("cloudformation:DescribeStacks");
    world.until("it is gone", |w| w.stack(REGION, "pr-7").is_none());
    let looks = world.calls("cloudformation:DescribeStacks") - before;
    assert!((10..80).contains(&looks), "{looks} looks in half an hour");
    assert!(world.causes_of_removals().is_empty());
}

#[test]
fn c32_only_a_previews_own_buckets_are_emptied() {
    let mut world = world(32);
    removal(&mut world, Behaviour::Works);
    assert_eq!(world.stack(REGION, "pr-7"), None);
    let emptied = world.calls("s3:DeleteObjects");
    world.behaves(REGION, Behaviour::RollsBack("no".into()));
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    world.behaves(REGION, Behaviour::Works);
    assert_eq!(next(&mut world).status, "succeeded", "the leftover was cleared");
    assert_eq!(world.calls("s3:DeleteObjects"), emptied, "a stage that stays keeps its buckets");
}

#[test]
fn c33_drift_is_changed_back_and_shown_or_waits_for_an_operator() {
    let drifted = || Behaviour::Drifted(vec!["App.Timeout".into()]);
    let mut world = running_in(world_with(33, |profile| profile.drift = Some("revert".into())));
    world.behaves(REGION, drifted());
    let end = next(&mut world);
    assert_eq!(end.status, "succeeded");
    assert!(deployment(&end).notes[0].contains("App.Timeout"));

    let mut strict = running_in(world_with(34, |profile| profile.drift = Some("refuse".into())));
    strict.behaves(REGION, drifted());
    let end = next(&mut strict);
    assert_eq!(code(&end), "FL0526");
    let word = RetryOptions { accept_drift: true, ..RetryOptions::default() };
    let retry = strict.retry(&end.id, &word).unwrap();
    assert_eq!(strict.end_of_rollout(&retry).status, "succeeded");
}

#[test]
fn promise_9_a_stack_that_belongs_to_another_service_is_not_touched() {
    let mut world = running(35);
    world.stack_of_others(REGION, "staging", ("orders-eu", "staging"));
    assert_eq!(code(&next(&mut world)), "FL0521");
    assert_eq!(world.stack(REGION, "staging"), Some("CREATE_COMPLETE"));
}
