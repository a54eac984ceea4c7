use super::*;
use crate::deployment::{Access, ChangeSummary, Command, DeploymentKind, DeploymentSpec, Look};
use crate::{DeploymentId, Digest, ReleaseId, RolloutId, ServiceName, StackName, StageName, Target};
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn deployment(kind: DeploymentKind) -> Deployment {
    let (service, stage) = (ServiceName::parse("orders").unwrap(), StageName::parse("staging").unwrap());
    let spec = DeploymentSpec {
        stack: StackName::of(&service, &stage),
        service,
        stage,
        access: Access { role_arn: "r".into(), external_id: "e".into(), service_role_arn: "s".into() },
        kind,
        parameters: Default::default(),
        tags: Default::default(),
        capabilities: Default::default(),
    };
    let id = DeploymentId {
        rollout: RolloutId::derive(at(0), &["rollout"]),
        target: Target::parse("000000000000/eu-central-1").unwrap(),
    };
    Deployment::open(id, spec, at(0))
}

fn deploy() -> Deployment {
    deployment(DeploymentKind::Deploy {
        release: ReleaseId::derive(at(0), &["release"]),
        package: Digest::of(b"package"),
        template: Digest::of(b"template"),
        functions: Vec::new(),
    })
}

fn remove() -> Deployment {
    deployment(DeploymentKind::Remove)
}

fn seen(status: &str) -> Event {
    Event::StackSeen(Some(StackSeen {
        stack_id: "stack-1".into(),
        status: status.into(),
        reason: None,
        owner: None,
    }))
}

fn ready() -> Event {
    let changes = ChangeSummary { modify: 1, ..ChangeSummary::default() };
    Event::PlanReady { stack_id: "stack-1".into(), change_set_id: "cs-1".into(), changes }
}

fn cause() -> Cause {
    Cause::new(Code::RolledBack, "because", "mend it").of("Table")
}

fn gone() -> Event {
    Event::StackSeen(None)
}

/// Applies events one second apart and shows the way through the states.
#[track_caller]
fn way(deployment: Deployment, events: impl IntoIterator<Item = Event>) -> (String, Deployment) {
    let mut names = vec![deployment.state.name()];
    let mut now = 0;
    let end = events.into_iter().fold(deployment, |deployment, event| {
        now += 1;
        let next = deployment.apply(event, at(now)).expect("a legal way");
        names.push(next.state.name());
        next
    });
    (names.join(" "), end)
}

#[test]
fn an_update_goes_straight_through() {
    let events = [
        Event::LeaseTaken,
        seen("UPDATE_COMPLETE"),
        Event::Acted,
        Event::PlanPending,
        ready(),
        Event::Allowed,
        Event::Acted,
        seen("UPDATE_IN_PROGRESS"),
        seen("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        seen("UPDATE_COMPLETE"),
        Event::CodeProven,
    ];
    let (way, end) = way(deploy(), events);
    assert_eq!(
        way,
        "waiting inspecting planning planning planning planned executing executing executing executing verifying succeeded"
    );
    assert_eq!(end.state, State::Succeeded { changed: true });
    assert_eq!(end.attempt, 1);
}

#[test]
fn c01_a_stack_in_review_or_none_gets_a_change_set_of_type_create() {
    for event in [seen("REVIEW_IN_PROGRESS"), gone(), seen("DELETE_COMPLETE")] {
        let (_, end) = way(deploy(), [Event::LeaseTaken, event]);
        assert_eq!(end.state, State::Planning(ChangeSetKind::Create));
        assert_eq!(
            end.due(),
            [Command::CreateChangeSet { name: end.change_set_name(), kind: ChangeSetKind::Create }]
        );
    }
}

#[test]
fn c02_a_stack_that_never_was_stable_is_deleted_by_its_id_and_made_anew() {
    for status in ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"] {
        let (_, clearing) = way(deploy(), [Event::LeaseTaken, seen(status)]);
        assert_eq!(clearing.state, State::Clearing);
        assert!(
            matches!(&clearing.due()[..], [Command::DeleteStack { stack_id, .. }] if stack_id == "stack-1")
        );
        let (names, end) =
            way(clearing, [Event::Acted, seen("DELETE_IN_PROGRESS"), seen("DELETE_COMPLETE"), gone()]);
        assert_eq!(names, "clearing clearing clearing inspecting planning");
        assert_eq!(end.state, State::Planning(ChangeSetKind::Create));
    }
}

#[test]
fn c05_a_rollback_is_explained_before_it_is_reported() {
    let events = [
        Event::LeaseTaken,
        seen("CREATE_COMPLETE"),
        ready(),
        Event::Allowed,
        seen("UPDATE_ROLLBACK_COMPLETE"),
        Event::CauseFound(cause()),
    ];
    let (names, end) = way(deploy(), events);
    assert_eq!(names, "waiting inspecting planning planned executing explaining rolled_back");
    assert_eq!(end.state.cause(), Some(&cause()));
}

#[test]
fn c06_c11_anothers_operation_is_waited_for() {
    for status in crate::stack_status::ALL.iter().filter(|s| standing(s) == Standing::Busy) {
        let (_, end) = way(deploy(), [Event::LeaseTaken, seen(status)]);
        assert_eq!(end.state, State::Inspecting, "{status}");
        assert!(end.due().is_empty());
    }
}

#[test]
fn c15_nothing_to_change_is_verified_and_succeeds_without_change() {
    let events = [
        Event::LeaseTaken,
        seen("CREATE_COMPLETE"),
        Event::PlanEmpty { stack_id: "stack-1".into() },
        Event::CodeProven,
    ];
    let (names, end) = way(deploy(), events);
    assert_eq!(names, "waiting inspecting planning verifying succeeded");
    assert_eq!(end.state, State::Succeeded { changed: false });
}

#[test]
fn c20_a_stale_plan_is_made_again_under_a_new_name_and_not_for_ever() {
    let mut deployment = way(deploy(), [Event::LeaseTaken]).1;
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..Deployment::ATTEMPTS_MAX {
        deployment = way(deployment, [seen("CREATE_COMPLETE")]).1;
        assert!(names.insert(deployment.change_set_name()));
        deployment = way(deployment, [Event::PlanGone]).1;
    }
    assert_eq!(deployment.state.cause().unwrap().code, Code::ChangeSetRefused);
}

#[test]
fn c28_c29_a_stack_that_vanished_or_was_made_anew_ends_the_deployment() {
    let executing = way(deploy(), [Event::LeaseTaken, seen("CREATE_COMPLETE"), ready(), Event::Allowed]).1;
    let other = Event::StackSeen(Some(StackSeen {
        stack_id: "stack-2".into(),
        status: "CREATE_COMPLETE".into(),
        reason: None,
        owner: None,
    }));
    for event in [gone(), seen("DELETE_COMPLETE"), other] {
        let end = executing.clone().apply(event, at(9)).unwrap();
        assert_eq!(end.state.cause().unwrap().code, Code::StackReplaced);
    }
}

#[test]
fn promise_3_other_bytes_in_one_function_fail_the_deployment_and_name_it() {
    let verifying = way(
        deploy(),
        [Event::LeaseTaken, seen("CREATE_COMPLETE"), ready(), Event::Allowed, seen("UPDATE_COMPLETE")],
    )
    .1;
    let mismatch =
        CodeMismatch { function: "Api".into(), expected: Digest::of(b"a"), found: Some(Digest::of(b"b")) };
    let end = verifying.apply(Event::CodeDiffers(vec![mismatch]), at(9)).unwrap();
    let cause = end.state.cause().unwrap();
    assert_eq!((cause.code, cause.resource.as_deref()), (Code::CodeDiffers, Some("Api")));
}

#[test]
fn a_deployment_can_be_called_off_until_it_executes() {
    assert_eq!(way(deploy(), [Event::Declined]).1.state, State::Cancelled);
    let planned = way(deploy(), [Event::LeaseTaken, seen("CREATE_COMPLETE"), ready()]).1;
    assert_eq!(way(planned.clone(), [Event::Declined]).1.state, State::Cancelled);
    let executing = way(planned, [Event::Allowed]).1;
    assert!(executing.apply(Event::Declined, at(9)).is_err());
}

#[test]
fn a_removal_empties_deletes_and_watches_to_the_end() {
    let events = [
        Event::LeaseTaken,
        seen("UPDATE_COMPLETE"),
        Event::Allowed,
        Event::EmptiedPartly,
        Event::Emptied,
        Event::Acted,
        seen("DELETE_IN_PROGRESS"),
        gone(),
    ];
    let (names, end) = way(remove(), events);
    assert_eq!(names, "waiting inspecting planned emptying emptying deleting deleting deleting removed");
    assert!(end.state.is_success());
    assert_eq!(way(remove(), [Event::LeaseTaken, gone()]).1.state, State::Removed);
}

#[test]
fn a_removal_can_be_called_off_before_anything_is_emptied() {
    let planned = way(remove(), [Event::LeaseTaken, seen("UPDATE_COMPLETE")]).1;
    assert_eq!(way(planned, [Event::Declined]).1.state, State::Cancelled);
}

#[test]
fn promise_9_a_stack_of_another_service_is_never_touched() {
    let seen = |service: &str, stage: &str| {
        let owner = Some(StackOwner { service: service.into(), stage: stage.into() });
        Event::StackSeen(Some(StackSeen {
            stack_id: "s".into(),
            status: "CREATE_COMPLETE".into(),
            reason: None,
            owner,
        }))
    };
    for open in [deploy(), remove()] {
        let foreign = way(open.clone(), [Event::LeaseTaken, seen("orders-eu", "staging")]).1;
        assert_eq!(foreign.state.cause().unwrap().code, Code::StackForeign);
        let own = way(open, [Event::LeaseTaken, seen("orders", "staging")]).1;
        assert!(own.state.cause().is_none());
    }
}

#[test]
fn a_settled_status_that_is_older_than_the_execution_is_no_verdict() {
    let executing =
        way(deploy(), [Event::LeaseTaken, seen("UPDATE_COMPLETE"), ready(), Event::Allowed, Event::Acted]).1;
    assert_eq!(way(executing, [Event::ExecutionPending]).1.state, State::Executing);
}

#[test]
fn c08_a_deletion_that_failed_is_explained() {
    let events = [
        Event::LeaseTaken,
        seen("UPDATE_COMPLETE"),
        Event::Allowed,
        Event::Emptied,
        Event::Acted,
        seen("DELETE_FAILED"),
    ];
    assert_eq!(way(remove(), events).1.look(), Some(Look::StackEvents));
}

#[test]
fn a_command_is_due_until_it_is_known_to_be_done() {
    let executing = way(deploy(), [Event::LeaseTaken, seen("CREATE_COMPLETE"), ready(), Event::Allowed]).1;
    let due =
        [Command::ExecuteChangeSet { change_set_id: "cs-1".into(), token: executing.execution_token() }];
    assert_eq!(executing.due(), due);
    assert_eq!(executing.due(), due, "asking does not change the answer");
    assert!(executing.apply(Event::Acted, at(9)).unwrap().due().is_empty());
}

#[test]
fn every_state_has_a_deadline_and_its_end_says_what_to_do() {
    let mut deployment = deploy();
    for event in
        [Event::LeaseTaken, seen("CREATE_COMPLETE"), ready(), Event::Allowed, seen("UPDATE_COMPLETE")]
    {
        assert!(deployment.deadline().unwrap() > deployment.entered_at);
        let late = deployment.clone().apply(Event::DeadlinePassed, at(99)).unwrap();
        assert_eq!(late.state.cause().unwrap().code, Code::DeadlinePassed);
        assert!(!late.state.cause().unwrap().fix.is_empty());
        deployment = deployment.apply(event, at(1)).unwrap();
    }
}

#[test]
fn the_delay_grows_with_age_and_stays_within_what_sqs_takes() {
    let deployment = deploy();
    assert_eq!(deployment.delay_s(at(0)), 1);
    assert_eq!(deployment.delay_s(at(60)), 1);
    assert_eq!(deployment.delay_s(at(400)), 10);
    assert_eq!(deployment.delay_s(at(100_000)), 30);
    assert_eq!(deployment.delay_s(at(-100)), 1);
}

#[test]
fn names_for_cloudformation_keep_its_rules() {
    let deployment = way(deploy(), [Event::LeaseTaken, gone()]).1;
    let name = deployment.change_set_name();
    assert!(name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{name}");
    assert!(deployment.execution_token().len() <= 128);
}

fn any_event() -> impl Strategy<Value = Event> {
    let statuses = prop::sample::select(crate::stack_status::ALL);
    prop_oneof![
        Just(Event::LeaseTaken),
        Just(Event::LeaseHeld),
        statuses.prop_map(seen),
        Just(gone()),
        Just(Event::PlanPending),
        Just(ready()),
        Just(Event::PlanEmpty { stack_id: "stack-1".into() }),
        Just(Event::PlanRefused(cause())),
        Just(Event::PlanGone),
        Just(Event::Allowed),
        Just(Event::Held),
        Just(Event::Declined),
        Just(Event::Acted),
        Just(Event::CauseFound(cause())),
        Just(Event::CodeProven),
        Just(Event::CodePending),
        Just(Event::CodeDiffers(Vec::new())),
        Just(Event::Emptied),
        Just(Event::EmptiedPartly),
        Just(Event::Refused(cause())),
    ]
}

proptest! {
    /// Promise 7, whatever is seen in whatever order: no panic, terminal states stick, nothing is
    /// executed that was not planned, and a terminal state asks for nothing.
    #[test]
    fn promise_7_only_legal_transitions_and_terminal_states_stick(events in prop::collection::vec(any_event(), 0..40), removes: bool) {
        let mut deployment = if removes { remove() } else { deploy() };
        for (second, event) in events.into_iter().enumerate() {
            let before = deployment.clone();
            match deployment.clone().apply(event, at(second as i64)) {
                Ok(next) => {
                    prop_assert!(!before.state.is_terminal());
                    if next.state == State::Executing {
                        prop_assert!(next.change_set_id.is_some() && !next.removes());
                    }
                    prop_assert!(next.attempt <= Deployment::ATTEMPTS_MAX + 1);
                    deployment = next;
                }
                Err(_) => prop_assert_eq!(&before, &deployment),
            }
            if deployment.state.is_terminal() {
                prop_assert!(deployment.due().is_empty() && deployment.look().is_none() && deployment.deadline().is_none());
            } else {
                prop_assert!(deployment.look().is_some() && deployment.deadline().is_some());
            }
        }
    }
}
