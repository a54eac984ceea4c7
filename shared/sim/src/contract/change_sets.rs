//! The contract of CloudFormation's change sets.

use super::scene::Scene;
use super::{Bench, Fate, Quirk};
use flotilla_domain::deployment::state::ChangeSetKind::{Create, Update};
use flotilla_domain::plan::{ChangeAction, Replacement};
use flotilla_engine::ports::{ChangeSetObserved, ChangeSetStatus, ErrorKind, Executed, Stacks};

/// The contract of change sets.
///
/// # Panics
/// If CloudFormation violates it.
pub async fn change_sets(stacks: &dyn Stacks, bench: &dyn Bench) {
    what_is_unknown_is_none_or_stale(&Scene::new(stacks, bench, "unknown")).await;
    the_first_change_set_makes_a_stack_under_review(&Scene::new(stacks, bench, "review")).await;
    a_stack_under_review_keeps_its_id(&Scene::new(stacks, bench, "again")).await;
    executing_one_ends_the_others(&Scene::new(stacks, bench, "others")).await;
    no_change_is_told_from_a_refusal(&Scene::new(stacks, bench, "empty")).await;
    a_change_set_that_fails_tells_why(&Scene::new(stacks, bench, "failed")).await;
    a_stack_that_lives_is_not_created(&Scene::new(stacks, bench, "living")).await;
    a_plan_nobody_executes_can_be_removed(&Scene::new(stacks, bench, "removed")).await;
    mending_what_needs_no_mending_is_no_error(&Scene::new(stacks, bench, "mended")).await;
    nothing_begins_while_an_operation_runs(&Scene::new(stacks, bench, "running")).await;
}

async fn what_is_unknown_is_none_or_stale(scene: &Scene<'_>) {
    assert_eq!(scene.change_set("none").await, None, "neither stack nor change set is there");
    let place = scene.bench.place();
    let executed = scene.stacks.execute(place, &scene.stack, &scene.unknown_id("changeSet"), "t").await;
    assert_eq!(executed, Ok(Executed::Stale));
    let template = scene.template("unknown").await;
    let refused = scene.ask(Update, "none", template).await.expect_err("there is nothing to update");
    assert_eq!(refused.kind, ErrorKind::Permanent, "{refused}");
    assert!(scene.look(scene.stack.as_str()).await.is_none(), "a refusal makes no stack");
}

async fn the_first_change_set_makes_a_stack_under_review(scene: &Scene<'_>) {
    let template = scene.template("review").await;
    let plan = scene.plan(Create, "first", template).await;
    assert_eq!(plan.status, ChangeSetStatus::Ready);
    let told: Vec<_> =
        plan.changes.iter().map(|change| (change.logical_id.as_str(), change.action)).collect();
    assert_eq!((told, plan.complete), (vec![("App", ChangeAction::Add)], true), "one resource is added");
    let stack = scene.look(scene.stack.as_str()).await.expect("the stack");
    // C01
    assert_eq!((stack.status.as_str(), &stack.stack_id), ("REVIEW_IN_PROGRESS", &plan.stack_id));
    let by_id = scene.look(&stack.stack_id).await.expect("the stack");
    assert_eq!((by_id.status, by_id.stack_id), (stack.status, stack.stack_id.clone()));
    // C14: a repetition is not an error and creates nothing.
    scene.ask(Create, "first", template).await.expect("it is there already");
    let again = scene.change_set("first").await.expect("the change set");
    assert_eq!((&again.id, &again.stack_id), (&plan.id, &plan.stack_id));
    let by_id = scene.change_set(&plan.id).await.expect("it is found by its id too");
    assert_eq!((by_id.id, by_id.status), (plan.id.clone(), ChangeSetStatus::Ready));
    // A stack in review can be deleted, and its change sets with it.
    scene.delete(&plan.stack_id, "delete").await;
    scene.until_gone(&plan.stack_id).await;
    assert!(scene.change_set("first").await.is_none_or(|seen| seen.status == ChangeSetStatus::Obsolete));
    assert_eq!(scene.execute(&plan, "late").await, Executed::Stale, "c28");
}

async fn a_stack_under_review_keeps_its_id(scene: &Scene<'_>) {
    let (one, two) = (scene.template("again one").await, scene.template("again two").await);
    let first = scene.plan(Create, "first", one).await;
    let second = scene.plan(Create, "second", two).await;
    scene.bench.quirks().check(
        Quirk::ReviewedStackIsReplaced,
        first.stack_id == second.stack_id,
        "c01: another change set is for the same stack",
    );
    assert_eq!(scene.execute(&second, "second").await, Executed::Started);
    scene.until(&second.stack_id, "CREATE_COMPLETE").await;
}

/// How often the stack was changed by the operation of this token.
async fn begun(scene: &Scene<'_>, stack_id: &str, token: &str) -> usize {
    let events = scene.events(stack_id).await.expect("events");
    let begins = |status: &str| matches!(status, "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS");
    let ours = events.iter().filter(|e| e.is_stack && e.token.as_deref() == Some(token));
    ours.filter(|event| begins(&event.status)).count()
}

/// Checks the plan of an update: the resource, its type, and the changed property.
fn changes_are_told(scene: &Scene<'_>, plan: &ChangeSetObserved) {
    let [change] = &plan.changes[..] else { panic!("one function has another code: {:?}", plan.changes) };
    assert_eq!((change.logical_id.as_str(), change.action), ("App", ChangeAction::Modify));
    assert_eq!(
        (change.resource_type.as_str(), change.replacement),
        ("AWS::Lambda::Function", Replacement::Never)
    );
    assert!(change.physical_id.is_some(), "the function is there");
    assert!(change.properties.iter().all(|property| property.path.starts_with("Code")), "{change:?}");
    let key = |value: &Option<String>| value.as_deref().is_some_and(|key| key.starts_with("assets/"));
    let keys = change.properties.iter().filter(|property| key(&property.before) && key(&property.after));
    let quirks = scene.bench.quirks();
    quirks.check(
        Quirk::PropertyValuesAreNotTold,
        keys.count() == 1,
        "its key in the bucket, before and after",
    );
}

/// Promise 2.
async fn executing_one_ends_the_others(scene: &Scene<'_>) {
    let first = scene.template("others one").await;
    let stack = scene.deploy(Create, "create", first, "CREATE_COMPLETE").await;
    let (two, three) = (scene.template("others two").await, scene.template("others three").await);
    let chosen = scene.plan(Update, "chosen", two).await;
    let other = scene.plan(Update, "other", three).await;
    assert_eq!([&chosen.status, &other.status], [&ChangeSetStatus::Ready; 2]);
    changes_are_told(scene, &chosen);
    assert_eq!(scene.execute(&chosen, "token").await, Executed::Started);
    // C12, C13: requested again, during and after the execution, it is not executed again.
    scene.execute(&chosen, "token").await;
    scene.until(&stack.stack_id, "UPDATE_COMPLETE").await;
    scene.execute(&chosen, "token").await;
    scene.execute(&chosen, "other-token").await;
    let now = scene.look(&stack.stack_id).await.expect("the stack");
    assert_eq!(now.status, "UPDATE_COMPLETE", "nothing has begun");
    assert_eq!(begun(scene, &stack.stack_id, "token").await, 1);
    assert_eq!(begun(scene, &stack.stack_id, "other-token").await, 0);
    let unusable = |seen: Option<ChangeSetObserved>| {
        seen.is_none_or(|s| matches!(s.status, ChangeSetStatus::Executed | ChangeSetStatus::Obsolete))
    };
    assert!(unusable(scene.change_set("chosen").await));
    // C20: the other change sets are deleted with it.
    let left = scene.change_set("other").await;
    assert!(unusable(left.clone()), "{left:?}");
    assert_eq!(scene.execute(&other, "third").await, Executed::Stale);
    let now = scene.look(&stack.stack_id).await.expect("the stack");
    assert_eq!(now.status, "UPDATE_COMPLETE", "nothing has begun");
}

async fn no_change_is_told_from_a_refusal(scene: &Scene<'_>) {
    let template = scene.template("empty").await;
    let stack = scene.deploy(Create, "create", template, "CREATE_COMPLETE").await;
    let plan = scene.plan(Update, "same", template).await;
    assert_eq!((plan.status.clone(), &plan.stack_id), (ChangeSetStatus::Empty, &stack.stack_id), "c15");
    assert_eq!(scene.execute(&plan, "same").await, Executed::Stale);
    let now = scene.look(&stack.stack_id).await.expect("the stack");
    assert_eq!(now.status, "CREATE_COMPLETE", "nothing has begun");
}

/// C17.
async fn a_change_set_that_fails_tells_why(scene: &Scene<'_>) {
    let template = scene.place("failed", Fate::Refuses).await;
    if scene.bench.quirks().have(Quirk::PlansDoNotFail) {
        let asked = scene.ask(Create, "failed", template).await;
        let failed =
            scene.change_set("failed").await.filter(|s| matches!(s.status, ChangeSetStatus::Failed(_)));
        scene.bench.quirks().check(
            Quirk::PlansDoNotFail,
            asked.is_ok() && failed.is_some(),
            "a template with an unknown macro makes a change set that fails",
        );
        return;
    }
    let plan = scene.plan(Create, "failed", template).await;
    let ChangeSetStatus::Failed(reason) = &plan.status else { panic!("it has not failed: {plan:?}") };
    assert!(!reason.is_empty());
    assert_eq!(scene.execute(&plan, "failed").await, Executed::Stale);
    let stack = scene.look(&plan.stack_id).await.expect("the stack");
    assert_eq!(stack.status, "REVIEW_IN_PROGRESS", "nothing has begun");
    scene.delete(&plan.stack_id, "delete").await;
    scene.until_gone(&plan.stack_id).await;
    scene.bench.fate(Fate::Works).await;
}

async fn a_stack_that_lives_is_not_created(scene: &Scene<'_>) {
    let (one, two) = (scene.template("living one").await, scene.template("living two").await);
    let stack = scene.deploy(Create, "create", one, "CREATE_COMPLETE").await;
    let asked = scene.ask(Create, "once-more", two).await;
    // "Stack [..] already exists and cannot be created again with the changeSet [..]", a ValidationError.
    scene.bench.quirks().check(
        Quirk::CreateOverLivingStackIsTaken,
        asked.as_ref().is_err_and(|error| error.kind == ErrorKind::Permanent),
        "a stack that lives is not created again",
    );
    assert_eq!(scene.change_set("once-more").await, None, "whatever is answered, nothing is made");
    let now = scene.look(scene.stack.as_str()).await.expect("the stack");
    assert_eq!((now.status.as_str(), now.stack_id), ("CREATE_COMPLETE", stack.stack_id));
}

/// C10, C11: promise 1.
async fn nothing_begins_while_an_operation_runs(scene: &Scene<'_>) {
    let quirks = scene.bench.quirks();
    let (one, two) = (scene.template("running one").await, scene.template("running two").await);
    let stack = scene.deploy(Create, "create", one, "CREATE_COMPLETE").await;
    let slow = scene.place("running slow", Fate::RollsBack).await;
    let plan = scene.plan(Update, "slow", slow).await;
    assert_eq!(scene.execute(&plan, "slow").await, Executed::Started);
    let asked = scene.ask(Update, "meanwhile", two).await;
    let running = scene.look(&stack.stack_id).await.expect("the stack").status;
    assert!(running.ends_with("_IN_PROGRESS"), "{running}: it ended too early to prove anything");
    quirks.check(Quirk::RunningStackIsUpdated, asked.is_err(), "nothing is planned while an operation runs");
    if let Err(error) = &asked {
        quirks.check(
            Quirk::RunningStackRefusesForGood,
            error.kind == ErrorKind::Transient,
            "later it may work",
        );
    }
    scene.until(&stack.stack_id, "UPDATE_ROLLBACK_COMPLETE").await;
    scene.bench.fate(Fate::Works).await;
}

async fn a_plan_nobody_executes_can_be_removed(scene: &Scene<'_>) {
    let (place, stack) = (scene.bench.place(), scene.stack.as_str());
    let template = scene.template("removed").await;
    let plan = scene.plan(Create, "first", template).await;
    let has = async || scene.stacks.has_change_sets(place, stack).await.expect("a look");
    assert!(has().await);
    for _ in 0..2 {
        scene.stacks.delete_change_set(place, stack, "first").await.expect("that it is gone is no error");
    }
    assert_eq!(scene.change_set("first").await, None);
    assert!(!has().await);
    assert_eq!(scene.execute(&plan, "late").await, Executed::Stale);
    scene.delete(&plan.stack_id, "delete").await;
}

async fn mending_what_needs_no_mending_is_no_error(scene: &Scene<'_>) {
    let place = scene.bench.place();
    let template = scene.template("mended").await;
    let stack = scene.deploy(Create, "first", template, "CREATE_COMPLETE").await;
    let id = stack.stack_id.as_str();
    assert_eq!(scene.stacks.cancel_update(place, id, "cancel").await, Ok(false), "nothing runs");
    let skip = ["App".to_owned()].into();
    scene.stacks.continue_rollback(place, id, "continue", &skip).await.expect("it is not stuck");
    scene.stacks.roll_back(place, id, "roll-back").await.expect("it has not failed");
    let after = scene.look(id).await.expect("the stack");
    assert_eq!(
        (after.status.as_str(), after.stack_id.as_str()),
        ("CREATE_COMPLETE", id),
        "it is what it was"
    );
    let nobody = scene.stacks.importers(place, "nothing-exports-this").await;
    assert_eq!(nobody, Ok(Vec::new()));
    scene.delete(id, "delete").await;
}
