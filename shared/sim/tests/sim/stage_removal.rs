//! Operators remove stages, and let previews end later.

use crate::gates::approved_by;
use flotilla_contract::{AccessConfig, GrantConfig, PreviewView};
use flotilla_domain::{RolloutId, ServiceName, StageName, Timestamp};
use flotilla_engine::EngineError;
use flotilla_engine::gate::ApprovalRequest;
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::preview::SweepLimits;
use flotilla_engine::rollout::RetryOptions;
use flotilla_engine::stage::{Extension, StageRemoval};
use flotilla_engine::status::PageRequest;
use flotilla_sim::World;
use futures::executor::block_on;

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
const BUCKET: &str = "OrdersData";

fn world() -> World {
    World::new(1, &[&REGIONS])
}

fn deployed(world: &mut World, git_ref: &str) {
    let version = world.upload(git_ref, "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
}

fn removal(stage: &str) -> StageRemoval {
    StageRemoval {
        stage: StageName::parse(stage).unwrap(),
        confirm: None,
        because: None,
        allow: Default::default(),
    }
}

/// A removal that is confirmed, and may lose these resources.
pub fn confirmed(stage: &str, allow: &[&str]) -> StageRemoval {
    let allow = AllowedLosses(allow.iter().map(|name| (*name).to_owned()).collect());
    StageRemoval { confirm: Some(StageName::parse(stage).unwrap()), allow, ..removal(stage) }
}

/// A world in which a release runs at staging, whose waves need an approval.
fn approved_stage() -> World {
    let mut world = World::with(1, approved_by(1));
    let version = world.upload("branch/main", "one");
    let id = crate::gates::gated(&mut world, &version);
    approve(&mut world, &id);
    world.end_of(&version);
    world
}

fn approve(world: &mut World, id: &str) {
    world.approve(id, "bob", &ApprovalRequest::default()).unwrap();
}

fn arn(user: &str) -> String {
    format!("arn:aws:iam::111122223333:user/{user}")
}

/// Gives users a role for everything.
fn grant(world: &World, roles: &[(&str, &str)]) {
    let commands = world.api().0;
    let grants = roles.iter().map(|(user, role)| GrantConfig {
        principal: arn(user),
        role: (*role).into(),
        services: None,
        stages: None,
    });
    let access = AccessConfig { grants: grants.collect(), identity: None };
    let ann = block_on(commands.caller(arn("ann"), "grants".into())).unwrap();
    block_on(commands.put_access(&access, None, &ann)).unwrap();
}

fn code(error: EngineError) -> String {
    match error {
        EngineError::Refused(refusal) => refusal.code.to_string(),
        EngineError::Conflict(conflict) => conflict.refusal.code.to_string(),
        other => panic!("{other}"),
    }
}

fn stacks(world: &World, stage: &str) -> [Option<&'static str>; 2] {
    REGIONS.map(|region| world.stack(region, stage))
}

fn previews(
    world: &World,
    service: Option<&str>,
    limit: usize,
    cursor: Option<String>,
) -> (Vec<PreviewView>, Option<String>) {
    let service = service.map(|name| ServiceName::parse(name).unwrap());
    let page = block_on(world.api().1.previews(service.as_ref(), PageRequest { cursor, limit })).unwrap();
    (page.items, page.next)
}

#[test]
fn a_permanent_stage_is_removed_only_if_its_name_is_given_twice() {
    let mut world = world();
    deployed(&mut world, "branch/main");
    deployed(&mut world, "branch/eu");
    assert_eq!(code(world.remove_stage(&removal("staging")).unwrap_err()), "FL0401");
    let wrong = StageRemoval { confirm: Some(StageName::parse("eu-staging").unwrap()), ..removal("staging") };
    assert_eq!(code(world.remove_stage(&wrong).unwrap_err()), "FL0401");
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    assert_eq!(
        (stacks(&world, "staging"), stacks(&world, "eu-staging")),
        ([None; 2], [Some("CREATE_COMPLETE"); 2])
    );
    assert_eq!(
        code(world.remove_stage(&confirmed("staging", &[])).unwrap_err()),
        "FL0409",
        "nothing is left"
    );
    deployed(&mut world, "branch/main");
    assert_eq!(stacks(&world, "staging"), [Some("CREATE_COMPLETE"); 2]);
}

#[test]
fn what_holds_data_at_a_permanent_stage_is_deleted_only_by_name() {
    let mut world = world();
    world.stacks_have_bucket(BUCKET, 3);
    deployed(&mut world, "branch/main");
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    let refused = world.end_of_rollout(&id);
    let cause = refused.cause.expect("a cause");
    assert_eq!((refused.status.as_str(), cause.code.as_str()), ("failed", "FL0541"));
    assert!(cause.fix.contains("--allow OrdersData"), "{}", cause.fix);
    assert_eq!(stacks(&world, "staging"), [Some("CREATE_COMPLETE"); 2]);
    assert_eq!(world.stage("staging").expires_at, None, "the sweep does not try again by itself");
    world.pass(3);
    assert_eq!(stacks(&world, "staging"), [Some("CREATE_COMPLETE"); 2]);
    let allowed: String = cause.fix.split("--allow ").nth(1).unwrap().into();
    let id = world.remove_stage(&confirmed("staging", &[&allowed])).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    assert_eq!(stacks(&world, "staging"), [None; 2]);
    assert!(world.calls("s3:DeleteObjects") == 0, "only the buckets of previews are emptied");
}

#[test]
fn the_removal_of_a_permanent_stage_needs_the_approvals_of_its_profile() {
    let mut world = approved_stage();
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    world.until("it waits", |world| world.rollout_by_id(&id).status == "gated");
    world.pass(1);
    assert!(!world.rollout_by_id(&id).ended);
    approve(&mut world, &id);
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    assert_eq!(world.stack("eu-west-1", "staging"), None);
}

#[test]
fn a_deployer_removes_previews_and_only_an_admin_removes_permanent_stages() {
    let mut world = world();
    deployed(&mut world, "branch/main");
    deployed(&mut world, "pr/7");
    let commands = world.api().0;
    grant(&world, &[("ann", "admin"), ("bob", "deployer"), ("eve", "viewer")]);
    let orders = ServiceName::parse("orders").unwrap();
    let remove = |name: &str, removal: &StageRemoval| {
        let caller = block_on(commands.caller(arn(name), format!("{name} removes"))).unwrap();
        block_on(commands.remove_stage(&orders, removal, &caller)).map(|rollout| rollout.id).map_err(code)
    };
    assert_eq!(remove("eve", &removal("pr-7")), Err("FL0410".into()));
    assert_eq!(remove("bob", &confirmed("staging", &[])), Err("FL0410".into()));
    assert!(remove("bob", &removal("pr-7")).is_ok() && remove("ann", &confirmed("staging", &[])).is_ok());
}

#[test]
fn nothing_is_deleted_of_a_stage_of_several_stacks_if_one_may_not_be() {
    let mut world = world();
    // `Net` holds the data, and is deleted last.
    world.layered().stacks_have_bucket(BUCKET, 3).buckets_in("-Net");
    deployed(&mut world, "branch/main");
    let parts = |world: &World| {
        let of = |region| ["Net", "Api"].map(|part| world.stack(region, &format!("staging-{part}")));
        REGIONS.map(of)
    };
    let before = parts(&world);
    assert!(before.iter().flatten().all(Option::is_some), "{before:?}");
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "failed");
    world.until("every rollout ends", |world| world.open_rollouts().is_empty());
    assert_eq!(parts(&world), before);
    assert_eq!(world.calls("cloudformation:DeleteStack"), 0);
    let id = world.remove_stage(&confirmed("staging", &[BUCKET])).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    assert_eq!(parts(&world), [[None; 2]; 2]);
}

#[test]
fn what_has_come_to_a_stack_since_it_was_approved_is_not_deleted() {
    let mut world = approved_stage();
    let id = world.remove_stage(&confirmed("staging", &[BUCKET])).unwrap();
    world.until("it waits", |world| world.rollout_by_id(&id).status == "gated");
    world.stacks_have_bucket(BUCKET, 3);
    approve(&mut world, &id);
    let end = world.end_of_rollout(&id);
    assert_eq!((end.status.as_str(), end.cause.unwrap().code.as_str()), ("failed", "FL0552"));
    assert_eq!(world.stack("eu-west-1", "staging"), Some("CREATE_COMPLETE"));
}

#[test]
fn a_stage_whose_stacks_are_gone_can_be_approved_and_removed() {
    let mut world = approved_stage();
    world.stack_is_deleted("eu-west-1", "staging");
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    world.until("it waits", |world| world.rollout_by_id(&id).status == "gated");
    approve(&mut world, &id);
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    assert!(world.stage("staging").targets.is_empty());
}

#[test]
fn a_removal_that_waits_is_cancelled_or_superseded_and_gives_its_stacks_back() {
    for superseded in [false, true] {
        let mut world = approved_stage();
        let removal = world.remove_stage(&confirmed("staging", &[])).unwrap();
        world.until("it waits", |world| world.rollout_by_id(&removal).status == "gated");
        if superseded {
            world.upload("branch/main", "two");
        } else {
            world.cancel(&removal).unwrap();
        }
        let expected = if superseded { "superseded" } else { "cancelled" };
        assert_eq!(world.end_of_rollout(&removal).status, expected);
        let next = if superseded { None } else { Some(world.upload("branch/main", "two")) };
        world.until("the next waits for approval", |world| {
            world.open_rollouts().iter().any(|id| world.rollout_by_id(id).status == "gated")
        });
        let open = world.open_rollouts();
        approve(&mut world, &open[0]);
        assert_eq!(world.end_of_rollout(&open[0]).status, "succeeded", "{superseded} {next:?}");
        assert_eq!(world.stack("eu-west-1", "staging"), Some("UPDATE_COMPLETE"));
    }
}

#[test]
fn approvals_are_needed_for_what_was_deployed_while_the_removal_was_queued() {
    let mut world = World::with(1, approved_by(1));
    world.behaves("eu-west-1", flotilla_sim::Behaviour::Takes(600_000));
    let version = world.upload("branch/main", "one");
    let id = crate::gates::gated(&mut world, &version);
    approve(&mut world, &id);
    world.until("it executes", |world| world.stack("eu-west-1", "staging") == Some("CREATE_IN_PROGRESS"));
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    world.until("it waits", |world| world.rollout_by_id(&id).status == "gated");
    world.pass(1);
    let gates = world.rollout_by_id(&id).gates.unwrap();
    assert_eq!((gates.approvals_needed, world.stack("eu-west-1", "staging").is_some()), (1, true));
    approve(&mut world, &id);
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    assert_eq!(world.stack("eu-west-1", "staging"), None);
}

#[test]
fn a_removal_that_failed_is_retried_by_whoever_may_remove_the_stage_only() {
    let mut world = world();
    deployed(&mut world, "branch/main");
    world.stacks_have_bucket(BUCKET, 3);
    let id = world.remove_stage(&confirmed("staging", &[])).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "failed");
    let commands = world.api().0;
    grant(&world, &[("ann", "admin"), ("bob", "deployer")]);
    let options =
        RetryOptions { allow: AllowedLosses([BUCKET.to_owned()].into()), ..RetryOptions::default() };
    let rollout = RolloutId::parse(&id).unwrap();
    let retry = |name: &str| {
        let caller = block_on(commands.caller(arn(name), format!("{name} retries"))).unwrap();
        block_on(commands.retry(&rollout, &options, &caller))
            .map(|retried| retried.id.to_string())
            .map_err(code)
    };
    assert_eq!(retry("bob"), Err("FL0410".into()));
    let retried = retry("ann").unwrap();
    assert_eq!(world.end_of_rollout(&retried).status, "succeeded");
    assert_eq!(stacks(&world, "staging"), [None; 2]);
    let page = PageRequest { cursor: None, limit: 100 };
    let events = block_on(world.api().1.events(&RolloutId::parse(&retried).unwrap(), page)).unwrap().items;
    assert_eq!(events[0].detail.as_deref(), Some("may be lost: OrdersData"));
}

#[test]
fn a_preview_is_removed_without_confirmation_and_opens_again_with_the_next_upload() {
    let mut world = world();
    world.stacks_have_bucket("pr-7-data", 3);
    deployed(&mut world, "pr/7");
    let id = world.remove_stage(&removal("pr-7")).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
    assert_eq!(stacks(&world, "pr-7"), [None; 2]);
    deployed(&mut world, "pr/7");
    assert!(world.stage("pr-7").expires_at.is_some());
}

#[test]
fn an_extended_preview_ends_later_and_an_upload_does_not_shorten_that() {
    let mut world = world();
    deployed(&mut world, "pr/7");
    let end = |world: &World| world.stage("pr-7").expires_at.map(|at| at.parse::<Timestamp>().unwrap());
    let first = end(&world);
    world.extend("pr-7", Extension::Hours(1)).unwrap();
    assert_eq!(end(&world), first, "it never ends earlier");
    world.extend("pr-7", Extension::Hours(100)).unwrap();
    let later = end(&world);
    assert!(later > first);
    deployed(&mut world, "pr/7");
    assert_eq!(end(&world), later);
    world.extend("pr-7", Extension::Longest).unwrap();
    assert!(end(&world) > later);
    for hours in [0, 24 * 14 + 1] {
        assert_eq!(code(world.extend("pr-7", Extension::Hours(hours)).unwrap_err()), "FL0313");
    }
    world.jump(24 * 14 + 1);
    world.sweep(SweepLimits::default());
    world.until("it is gone", |world| world.is_gone("pr-7"));
    assert_eq!(code(world.extend("pr-7", Extension::Longest).unwrap_err()), "FL0409");
    deployed(&mut world, "branch/main");
    assert_eq!(code(world.extend("staging", Extension::Longest).unwrap_err()), "FL0409");
}

#[test]
fn the_previews_that_exist_are_listed_with_their_refs_page_by_page() {
    let mut world = world();
    for git_ref in ["pr/1", "pr/2", "pr/3", "branch/main"] {
        deployed(&mut world, git_ref);
    }
    let id = world.remove_stage(&removal("pr-2")).unwrap();
    world.end_of_rollout(&id);
    world.behaves("eu-west-1", flotilla_sim::Behaviour::Takes(600_000));
    world.upload("pr/1", "two");
    world.until("it executes", |world| world.stack("eu-west-1", "pr-1") == Some("UPDATE_IN_PROGRESS"));
    let names = |items: &[PreviewView]| -> Vec<(String, String, Option<String>)> {
        let row = |p: &PreviewView| (p.stage.stage.clone(), p.status.clone(), p.stage.git_ref.clone());
        items.iter().map(row).collect()
    };
    let row = |stage: &str, status: &str, git_ref: &str| (stage.into(), status.into(), Some(git_ref.into()));
    let expected = vec![row("pr-1", "deploying", "pr:1"), row("pr-3", "running", "pr:3")];
    let (all, next) = previews(&world, None, 10, None);
    assert_eq!((names(&all), next), (expected.clone(), None));
    assert_eq!(names(&previews(&world, Some("orders"), 10, None).0), expected);
    assert_eq!(previews(&world, Some("nobody"), 10, None), (Vec::new(), None));
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let (items, next) = previews(&world, None, 1, cursor);
        paged.extend(items);
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(names(&paged), expected);
}
