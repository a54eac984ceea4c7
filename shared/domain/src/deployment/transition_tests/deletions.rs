//! Removals.

use super::*;

#[test]
fn a_removal_empties_deletes_and_watches_to_the_end() {
    let events = [
        taken(),
        seen("UPDATE_COMPLETE"),
        Event::Allowed,
        Event::EmptiedPartly,
        Event::Emptied,
        Event::Acted,
        op("DELETE_IN_PROGRESS"),
        op_gone(),
    ];
    let (names, end) = way(remove(), events);
    assert_eq!(names, "waiting inspecting planned emptying emptying deleting deleting deleting removed");
    assert!(end.state.is_success());
    for absent in [gone(), seen("DELETE_COMPLETE")] {
        assert_eq!(way(remove(), [taken(), absent]).1.state, State::Removed);
    }
}

#[test]
fn whatever_the_stack_is_but_busy_it_can_be_removed() {
    for status in crate::deployment::stack_status::ALL {
        let end = way(remove(), [taken(), seen(status)]).1.state;
        match standing(status) {
            Standing::Busy => assert_eq!(end, State::Inspecting, "{status}"),
            Standing::Gone => assert_eq!(end, State::Removed),
            _ => assert_eq!(end, State::Planned, "{status}"),
        }
    }
}

#[test]
fn a_removal_can_be_called_off_before_anything_is_emptied() {
    let planned = way(remove(), [taken(), seen("UPDATE_COMPLETE")]).1;
    assert_eq!(way(planned, [Event::Declined]).1.state, State::Cancelled);
}

#[test]
fn c08_a_deletion_is_retried_then_leaves_behind_what_resists_and_says_so() {
    let failed = op("DELETE_FAILED");
    let again = way(deleting(StackPolicy::default()), [failed.clone()]).1;
    assert_eq!(again.state, State::Deleting(Effort::Again));
    assert!(again.due().is_some());
    let salvaging = way(again, [Event::Acted, failed.clone()]).1;
    assert_eq!(salvaging.observation(), Some(Observation::Leftovers));
    let retaining = way(salvaging, [Event::LeftoversObserved(vec!["Bucket".into(), "Eni".into()])]).1;
    let Some(Command::DeleteStack { effort, .. }) = retaining.due() else { panic!("it deletes") };
    assert_eq!(effort, Effort::Retain(vec!["Bucket".into(), "Eni".into()]));
    let end = way(retaining, [Event::Acted, op_gone()]).1;
    assert_eq!(end.state, State::Removed);
    assert!(end.notes[0].contains("Bucket, Eni"));
}

#[test]
fn c08_force_is_for_those_whose_policy_allows_it() {
    let stuck = |force_delete| {
        let policy = StackPolicy { force_delete, ..StackPolicy::default() };
        let retaining = way(
            deleting(policy),
            [
                op("DELETE_FAILED"),
                Event::Acted,
                op("DELETE_FAILED"),
                Event::LeftoversObserved(vec!["Bucket".into()]),
                Event::Acted,
                op("DELETE_FAILED"),
            ],
        );
        retaining.1
    };
    assert_eq!(stuck(true).state, State::Deleting(Effort::Force));
    let explained = way(stuck(true), [Event::Acted, op("DELETE_FAILED")]).1;
    assert_eq!(explained.observation(), Some(Observation::StackEvents));
    assert_eq!(stuck(false).observation(), Some(Observation::StackEvents));
    let nothing = way(
        deleting(StackPolicy::default()),
        [op("DELETE_FAILED"), Event::Acted, op("DELETE_FAILED"), Event::LeftoversObserved(Vec::new())],
    );
    assert_eq!(nothing.1.observation(), Some(Observation::StackEvents));
}

#[test]
fn c09_a_deletion_that_cloudformation_gave_up_is_no_longer_waited_for() {
    let refused = op_as("UPDATE_COMPLETE", Outcome::Completed);
    let end = way(deleting(StackPolicy::default()), [refused]).1;
    assert_eq!(end.observation(), Some(Observation::StackEvents));
    let unseen = op_as("UPDATE_COMPLETE", Outcome::Unseen);
    let fresh = way(deleting(StackPolicy::default()), [unseen.clone()]).1;
    assert_eq!(fresh.state, State::Deleting(Effort::First), "it may not have begun yet");
    let late = fresh.apply(unseen, at(600)).unwrap();
    assert_eq!(late.observation(), Some(Observation::StackEvents));
}

#[test]
fn a_leftover_that_resists_is_tried_twice() {
    let clearing = way(deploy(), [taken(), seen("ROLLBACK_FAILED"), Event::Acted]).1;
    let (names, end) =
        way(clearing, [op("DELETE_FAILED"), Event::Acted, op("DELETE_FAILED"), Event::CauseFound(cause())]);
    assert_eq!(names, "clearing clearing clearing explaining failed");
    assert_eq!(end.operations, 2);
}

#[test]
fn a_status_that_is_older_than_the_deletion_is_no_verdict() {
    let deleting = deleting(StackPolicy::default());
    for status in ["UPDATE_COMPLETE", "DELETE_FAILED"] {
        let same = way(deleting.clone(), [op_as(status, Outcome::Pending)]).1;
        assert_eq!(same.state, State::Deleting(Effort::First));
    }
}
