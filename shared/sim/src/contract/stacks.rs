//! The contract of CloudFormation's stacks.

use super::scene::{Scene, is_gone};
use super::{Bench, Fate, Quirk};
use flotilla_domain::deployment::stack_event::StackEvent;
use flotilla_domain::deployment::state::ChangeSetKind::{Create, Update};
use flotilla_engine::ports::{ErrorKind, Stacks};

/// The contract of stacks.
///
/// # Panics
/// If CloudFormation violates it.
pub async fn stacks(stacks: &dyn Stacks, bench: &dyn Bench) {
    what_never_was_is_none(&Scene::new(stacks, bench, "never")).await;
    a_stack_lives_and_goes(&Scene::new(stacks, bench, "life")).await;
    a_new_stack_of_an_old_name_is_another(&Scene::new(stacks, bench, "name")).await;
    a_creation_that_fails_can_only_be_deleted(&Scene::new(stacks, bench, "first")).await;
    an_update_that_fails_is_rolled_back(&Scene::new(stacks, bench, "back")).await;
}

async fn what_never_was_is_none(scene: &Scene<'_>) {
    let id = scene.unknown_id("stack");
    for stack in [scene.stack.as_str(), &id] {
        assert_eq!(scene.look(stack).await, None);
    }
    scene.delete(&id, "delete").await;
    let told = (scene.events(&id).await, scene.resources(&id).await);
    scene.bench.quirks().check(
        Quirk::UnknownStackHasEvents,
        told.0.is_err_and(|e| e.kind == ErrorKind::Permanent) && told.1.is_err(),
        "a stack that never was has neither events nor resources",
    );
}

/// Checks that events are newest first and end with the operation's begin. Returns the operation's events.
fn of_operation(events: &[StackEvent], token: &str) -> Vec<StackEvent> {
    let begin = events.iter().position(|event| event.begins(Some(token)) && event.token.is_some());
    let begin = begin.unwrap_or_else(|| panic!("nothing begins {token}: {events:#?}"));
    let ours = &events[..=begin];
    // C26: reading may stop at the first event of the operation's own token.
    assert!(events[begin + 1..].iter().all(|e| e.token.as_deref() != Some(token)), "{events:#?}");
    assert!(ours.iter().all(|event| event.token.as_deref() == Some(token)), "{ours:#?}");
    ours.to_vec()
}

/// Whether the newest event reports that the stack has this final status.
fn ends(events: &[StackEvent], status: &str) -> bool {
    events.first().is_some_and(|newest| newest.is_stack && newest.status == status)
}

async fn a_stack_lives_and_goes(scene: &Scene<'_>) {
    let quirks = scene.bench.quirks();
    let (one, two) = (scene.template("life one").await, scene.template("life two").await);
    let made = scene.deploy(Create, "create", one, "CREATE_COMPLETE").await;
    let owner = made.owner.as_ref().map(|owner| (owner.service.as_str(), owner.stage.as_str()));
    let expected = Some((scene.bench.space(), "contract"));
    quirks.check(Quirk::StackTagsAreLost, owner == expected, "the stack's tags say whose it is");
    let by_name = scene.look(scene.stack.as_str()).await.expect("the stack");
    assert_eq!(by_name.stack_id, made.stack_id);
    let created = of_operation(&scene.events(&made.stack_id).await.expect("events"), "create");
    quirks.check(Quirk::EventsLackTheEnd, ends(&created, "CREATE_COMPLETE"), "the newest event is first");

    let resources = scene.resources(&made.stack_id).await.expect("resources");
    let [app] = resources.as_slice() else { panic!("there is one resource: {resources:?}") };
    assert_eq!((app.logical_id.as_str(), app.resource_type.as_str()), ("App", "AWS::Lambda::Function"));
    assert!(!app.physical_id.is_empty());
    let outputs = |code: &str| {
        [("Code".to_owned(), code.to_owned()), ("AppName".to_owned(), app.physical_id.clone())].into()
    };
    assert_eq!(made.outputs, outputs("life one"));

    let updated = scene.deploy(Update, "update", two, "UPDATE_COMPLETE").await;
    assert_eq!(updated.stack_id, made.stack_id, "an update keeps the id");
    assert_eq!(updated.outputs, outputs("life two"), "outputs follow the template");
    let events = scene.events(&made.stack_id).await.expect("events");
    of_operation(&events, "update");
    assert!(events.iter().any(|event| event.begins(Some("create"))), "older events stay");

    scene.delete(&made.stack_id, "delete").await;
    scene.delete(&made.stack_id, "delete").await;
    scene.until_gone(&made.stack_id).await;
    scene.delete(&made.stack_id, "delete").await;
    assert_eq!(scene.look(scene.stack.as_str()).await, None, "a name is free again");
    // C28: its events can still be read by its id.
    let events = scene.events(&made.stack_id).await;
    quirks.check(
        Quirk::EventsOfTheGoneAreLost,
        events.is_ok_and(|events| ends(&events, "DELETE_COMPLETE")),
        "a deleted stack is described by its id",
    );
}

/// C29.
async fn a_new_stack_of_an_old_name_is_another(scene: &Scene<'_>) {
    let template = scene.template("name").await;
    let old = scene.deploy(Create, "old", template, "CREATE_COMPLETE").await;
    scene.delete(&old.stack_id, "delete-old").await;
    scene.until_gone(&old.stack_id).await;
    let new = scene.deploy(Create, "new", template, "CREATE_COMPLETE").await;
    assert_ne!(new.stack_id, old.stack_id);
    let seen = scene.look(&old.stack_id).await;
    assert!(is_gone(seen.as_ref()), "the old id is not the new stack: {seen:?}");
    scene.delete(&old.stack_id, "delete-again").await;
    let now = scene.look(scene.stack.as_str()).await.expect("the stack");
    assert_eq!((now.status.as_str(), now.stack_id), ("CREATE_COMPLETE", new.stack_id), "it is let alone");
}

/// C02.
async fn a_creation_that_fails_can_only_be_deleted(scene: &Scene<'_>) {
    let quirks = scene.bench.quirks();
    let broken = scene.place("first broken", Fate::RollsBack).await;
    let failed = scene.deploy(Create, "broken", broken, "ROLLBACK_COMPLETE").await;
    let events = of_operation(&scene.events(&failed.stack_id).await.expect("events"), "broken");
    let cause = events.iter().rev().find(|event| !event.is_stack && event.status.ends_with("_FAILED"));
    let cause = cause.unwrap_or_else(|| panic!("nothing has failed: {events:#?}"));
    assert!(cause.reason.as_ref().is_some_and(|reason| !reason.is_empty()), "{cause:?}");
    quirks.check(
        Quirk::FailedCreationIsToldAsUpdate,
        cause.status == "CREATE_FAILED",
        "what could not be created failed to be created",
    );
    quirks.check(Quirk::EventsLackTheEnd, ends(&events, "ROLLBACK_COMPLETE"), "the newest event is first");
    let good = scene.template("first good").await;
    let asked = scene.ask(Update, "update", good).await;
    quirks.check(
        Quirk::RolledBackStackIsUpdated,
        asked.is_err_and(|error| error.kind == ErrorKind::Permanent),
        "a stack that never was stable cannot be updated",
    );
    scene.delete(&failed.stack_id, "delete").await;
    scene.until_gone(&failed.stack_id).await;
    let good = scene.deploy(Create, "good", good, "CREATE_COMPLETE").await;
    assert_ne!(good.stack_id, failed.stack_id);
}

/// C05.
async fn an_update_that_fails_is_rolled_back(scene: &Scene<'_>) {
    let good = scene.template("back good").await;
    let stack = scene.deploy(Create, "create", good, "CREATE_COMPLETE").await;
    let broken = scene.place("back broken", Fate::RollsBack).await;
    scene.deploy(Update, "broken", broken, "UPDATE_ROLLBACK_COMPLETE").await;
    let events = of_operation(&scene.events(&stack.stack_id).await.expect("events"), "broken");
    let cause = events.iter().find(|e| !e.is_stack && e.status.ends_with("_FAILED") && e.reason.is_some());
    assert!(cause.is_some(), "{events:#?}");
    // The next update is allowed.
    let next = scene.template("back next").await;
    let updated = scene.deploy(Update, "next", next, "UPDATE_COMPLETE").await;
    assert_eq!(updated.stack_id, stack.stack_id);
}
