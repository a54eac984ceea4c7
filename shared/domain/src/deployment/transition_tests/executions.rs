//! From the plan to the proof.

use super::*;

#[test]
fn an_update_goes_straight_through() {
    let events = [
        taken(),
        seen("UPDATE_COMPLETE"),
        Event::Acted,
        Event::PlanPending,
        ready(),
        Event::Allowed,
        Event::Acted,
        op("UPDATE_IN_PROGRESS"),
        op("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        op("UPDATE_COMPLETE"),
        Event::CodeProven { versions: Default::default(), api: None },
    ];
    let (way, end) = way(deploy(), events);
    assert_eq!(
        way,
        "waiting inspecting planning planning planning planned executing executing executing executing verifying succeeded"
    );
    assert_eq!(end.state, State::Succeeded { changed: true });
    assert_eq!((end.attempt, end.operations), (1, 1));
    assert!(end.notes.is_empty());
}

#[test]
fn c04_c05_a_rollback_is_explained_before_it_is_reported() {
    let (names, end) = way(executing(), [op("UPDATE_ROLLBACK_COMPLETE"), Event::CauseFound(cause())]);
    assert_eq!(names, "executing explaining rolled_back");
    assert_eq!(end.state, State::RolledBack(cause()));

    let stuck = [op("UPDATE_ROLLBACK_FAILED"), Event::CauseFound(cause()), Event::Acted];
    let (names, unwinding) = way(executing(), stuck);
    assert_eq!(names, "executing explaining unwinding unwinding");
    let mended = way(unwinding.clone(), [op("UPDATE_ROLLBACK_COMPLETE")]).1;
    assert_eq!(mended.state, State::RolledBack(cause()), "the cause is that of the update");
    let later = Cause::new(Code::StackStuck, "Queue cannot be restored", "skip it");
    let end = way(unwinding, [op("UPDATE_ROLLBACK_FAILED"), Event::CauseFound(later)]).1;
    let end = end.state.cause().unwrap();
    assert_eq!((end.code, end.fix.as_str()), (Code::StackStuck, "skip it"));
    assert!(end.message.contains("Queue cannot be restored") && end.message.contains("because"));
}

#[test]
fn c03_each_way_in_which_an_operation_fails_has_its_reaction() {
    for (status, then) in [
        ("ROLLBACK_COMPLETE", AfterCause::RolledBack),
        ("UPDATE_ROLLBACK_COMPLETE", AfterCause::RolledBack),
        ("UPDATE_COMPLETE", AfterCause::RolledBack),
        ("UPDATE_ROLLBACK_FAILED", AfterCause::StackRollback),
        ("UPDATE_FAILED", AfterCause::StackRollback),
        ("CREATE_FAILED", AfterCause::Fail),
        ("ROLLBACK_FAILED", AfterCause::Fail),
        ("DELETE_FAILED", AfterCause::Fail),
        ("IMPORT_ROLLBACK_FAILED", AfterCause::Fail),
    ] {
        let end = way(executing(), [op_as(status, Outcome::Failed)]).1;
        assert_eq!(end.state, State::FindingCause { status: status.into(), then, before: None });
    }
    let update_failed = way(executing(), [op("UPDATE_FAILED"), Event::CauseFound(cause())]).1;
    assert_eq!(
        update_failed.state,
        State::RollingBackStack { how: StackRollback::RollBack, cause: Some(cause()) }
    );
    let continued = way(executing(), [op("UPDATE_ROLLBACK_FAILED"), Event::CauseFound(cause())]).1;
    assert_eq!(
        continued.state,
        State::RollingBackStack { how: StackRollback::ContinueRollback, cause: Some(cause()) }
    );
}

#[test]
fn c07_resources_that_stay_behind_are_noted_and_no_failure() {
    let reason = Some("Update successful. One or more resources could not be deleted.".to_owned());
    let stack = Some(StackObserved { reason, ..stack("stack-1", "UPDATE_COMPLETE") });
    let end = way(executing(), [Event::OperationObserved { stack, outcome: Outcome::Completed }]).1;
    assert_eq!(end.state, State::Verifying { changed: true });
    assert!(end.notes[0].contains("could not be deleted"));
}

#[test]
fn c11_the_outcome_of_other_operation_is_never_taken_for_ours() {
    let (_, end) = way(executing(), [op_as("UPDATE_COMPLETE", Outcome::Pending)]);
    assert_eq!(end.state, State::Executing, "ours has not ended");
    let (_, end) = way(executing(), [op_as("UPDATE_COMPLETE", Outcome::Failed)]);
    assert_eq!(end.state.name(), "explaining", "ours failed, theirs came after it");
    let (_, end) = way(executing(), [op_as("UPDATE_ROLLBACK_COMPLETE", Outcome::Completed)]);
    assert_eq!(end.state.name(), "verifying", "ours succeeded, theirs failed after it");
    let (_, end) = way(executing(), [op_as("UPDATE_IN_PROGRESS", Outcome::Completed)]);
    assert_eq!(end.state, State::Executing, "theirs is running");
}

#[test]
fn without_a_trace_of_ours_the_status_decides() {
    for (status, state) in [
        ("UPDATE_COMPLETE", "verifying"),
        ("CREATE_COMPLETE", "verifying"),
        ("IMPORT_COMPLETE", "explaining"),
        ("UPDATE_ROLLBACK_COMPLETE", "explaining"),
        ("UPDATE_ROLLBACK_FAILED", "explaining"),
        ("REVIEW_IN_PROGRESS", "executing"),
        ("SOMETHING_NEW", "executing"),
    ] {
        let end = way(executing(), [op_as(status, Outcome::Unseen)]).1;
        assert_eq!(end.state.name(), state, "{status}");
    }
}

#[test]
fn c28_c29_a_stack_that_vanished_or_was_made_anew_ends_the_deployment() {
    let other = Event::OperationObserved {
        stack: Some(stack("stack-2", "CREATE_COMPLETE")),
        outcome: Outcome::Completed,
    };
    for event in [op_gone(), op_as("DELETE_COMPLETE", Outcome::Unseen), other] {
        assert_eq!(code_of(&way(executing(), [event.clone()]).1), Code::StackReplaced);
        let unwinding = way(deploy(), [taken(), seen("UPDATE_ROLLBACK_FAILED"), Event::Acted]).1;
        assert_eq!(code_of(&way(unwinding, [event]).1), Code::StackReplaced);
    }
}

#[test]
fn a_running_update_is_stopped_once_and_its_rollback_names_who_asked() {
    let asked =
        way(executing(), [Event::StopAsked { by: "ann".into() }, Event::StopAsked { by: "bob".into() }]).1;
    assert!(matches!(asked.due(), Some(Command::CancelUpdate { stack_id, .. }) if stack_id == "stack-1"));
    let sent = way(asked, [Event::Acted]).1;
    assert!(sent.due().is_none());
    let end = way(sent.clone(), [op("UPDATE_ROLLBACK_IN_PROGRESS"), op("UPDATE_ROLLBACK_COMPLETE")]).1;
    assert_eq!(code_of(&end), Code::Stopped);
    assert!(end.state.cause().unwrap().message.contains("ann"));
    let too_late = way(sent, [op("UPDATE_COMPLETE")]).1;
    assert_eq!(too_late.state, State::Verifying { changed: true });
}

#[test]
fn a_stop_that_came_too_late_is_not_the_cause_of_a_failure() {
    let asked = way(executing(), [Event::StopAsked { by: "ann".into() }, Event::NothingToStop]).1;
    assert!(asked.due().is_none(), "it is not asked again");
    let end = way(asked, [op("UPDATE_ROLLBACK_COMPLETE"), Event::CauseFound(cause())]).1;
    assert_eq!(end.state, State::RolledBack(cause()));
}

#[test]
fn a_rollback_that_left_no_trace_yet_may_still_begin() {
    let unwinding = way(deploy(), [taken(), seen("UPDATE_ROLLBACK_FAILED"), Event::Acted]).1;
    let unseen = op_as("UPDATE_ROLLBACK_FAILED", Outcome::Unseen);
    let fresh = way(unwinding, [unseen.clone()]).1;
    assert_eq!(fresh.state.name(), "unwinding");
    assert_eq!(fresh.apply(unseen, at(600)).unwrap().state.name(), "explaining");
}

#[test]
fn only_an_execution_that_ended_tells_how_long_one_takes() {
    let stale = executing().apply(Event::PlanGone, at(500)).unwrap();
    assert_eq!(stale.expected_s, None);
    let ended = executing().apply(op("UPDATE_COMPLETE"), at(35)).unwrap();
    assert_eq!(ended.expected_s, Some(30));
}

#[test]
fn a_stop_that_is_asked_for_before_the_execution_is_sent_after_it() {
    let planned = way(deploy(), [taken(), seen("UPDATE_COMPLETE"), ready()]).1;
    let stopped = way(planned, [Event::StopAsked { by: "ann".into() }, Event::Allowed]).1;
    assert!(matches!(stopped.due(), Some(Command::ExecuteChangeSet { .. })));
    let begun = way(stopped, [Event::Acted]).1;
    assert!(matches!(begun.due(), Some(Command::CancelUpdate { .. })));
}

#[test]
fn promise_3_other_bytes_in_one_function_fail_the_deployment_and_name_it() {
    let verifying = way(executing(), [op("UPDATE_COMPLETE"), Event::CodePending]).1;
    let mismatch =
        CodeMismatch { function: "Api".into(), expected: Digest::of(b"a"), found: Some(Digest::of(b"b")) };
    let end = verifying.apply(Event::CodeDiffers(vec![mismatch]), at(9)).unwrap();
    let cause = end.state.cause().unwrap();
    assert_eq!((cause.code, cause.resource.as_deref()), (Code::CodeDiffers, Some("Api")));
}

#[test]
fn a_command_is_due_until_it_is_known_to_be_done() {
    let executing = way(deploy(), [taken(), seen("CREATE_COMPLETE"), ready(), Event::Allowed]).1;
    let due =
        Some(Command::ExecuteChangeSet { change_set_id: "cs-1".into(), token: executing.operation_token() });
    assert_eq!(executing.due(), due);
    assert_eq!(executing.due(), due, "asking does not change the answer");
    assert!(executing.apply(Event::Acted, at(9)).unwrap().due().is_none());
}

#[test]
fn each_operation_has_a_token_of_its_own() {
    let first = way(deploy(), [taken(), seen("UPDATE_ROLLBACK_FAILED")]).1;
    let then = [Event::Acted, op("UPDATE_ROLLBACK_COMPLETE"), seen("UPDATE_ROLLBACK_COMPLETE"), ready()];
    let second = way(way(first.clone(), then).1, [Event::Allowed]).1;
    assert_ne!(first.operation_token(), second.operation_token());
}

#[test]
fn only_an_update_that_was_stopped_and_is_rolled_back_ends_as_stopped() {
    let stopped = |status: &str| {
        let deployment = Deployment { stop: Stop::Sent("ann".into()), ..executing() };
        way(deployment, [op_as(status, Outcome::Failed)]).1.state
    };
    assert!(
        matches!(stopped("UPDATE_ROLLBACK_COMPLETE"), State::RolledBack(cause) if cause.code == Code::Stopped)
    );
    assert!(matches!(
        stopped("UPDATE_ROLLBACK_FAILED"),
        State::FindingCause { then: AfterCause::StackRollback, .. }
    ));
}

#[test]
fn outputs_are_kept_as_long_as_there_is_room() {
    let outputs = |value: usize| {
        let large = ("A".to_owned(), "x".repeat(value));
        let stack = StackObserved {
            outputs: [large, ("B".to_owned(), "y".to_owned())].into(),
            ..stack("stack-1", "UPDATE_COMPLETE")
        };
        let event = Event::OperationObserved { stack: Some(stack), outcome: Outcome::Completed };
        way(executing(), [event]).1.outputs.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(outputs(Deployment::OUTPUTS_BYTES_MAX - 3), ["A", "B"]);
    assert_eq!(outputs(Deployment::OUTPUTS_BYTES_MAX - 2), ["A"], "one byte of the other is too much");
    assert_eq!(outputs(Deployment::OUTPUTS_BYTES_MAX), ["B"], "what is too large leaves room for others");
}

#[test]
fn a_note_is_kept_once_and_only_some_are() {
    let mut deployment = executing();
    deployment.note("the same".into());
    deployment.note("the same".into());
    assert_eq!(deployment.notes, ["the same"]);
    (0..2 * Deployment::NOTES_MAX).for_each(|n| deployment.note(format!("note {n}")));
    assert_eq!(deployment.notes.len(), Deployment::NOTES_MAX);
}
