//! From the lease to the plan.

use super::*;

#[test]
fn c01_a_stack_in_review_or_none_gets_a_change_set_of_type_create() {
    for event in [seen("REVIEW_IN_PROGRESS"), gone(), seen("DELETE_COMPLETE")] {
        let (_, end) = way(deploy(), [taken(), event]);
        assert_eq!(end.state, State::Planning(ChangeSetKind::Create));
        let name = end.change_set_name();
        assert_eq!(end.due(), Some(Command::CreateChangeSet { name, kind: ChangeSetKind::Create }));
    }
}

#[test]
fn c02_a_stack_that_never_was_stable_is_deleted_by_its_id_and_made_anew() {
    for status in ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"] {
        let (_, clearing) = way(deploy(), [taken(), seen(status)]);
        assert_eq!(clearing.state, State::DeletingFailedStack(Effort::First));
        assert!(
            matches!(clearing.due(), Some(Command::DeleteStack { stack_id, .. }) if stack_id == "stack-1")
        );
        let (names, end) = way(
            clearing,
            [Event::Acted, op("DELETE_IN_PROGRESS"), op_as("DELETE_COMPLETE", Outcome::Unseen), gone()],
        );
        assert_eq!(names, "clearing clearing clearing inspecting planning");
        assert_eq!(end.state, State::Planning(ChangeSetKind::Create));
    }
}

#[test]
fn c02_a_policy_may_forbid_to_make_a_stack_anew() {
    let policy = StackPolicy { recreate_failed: false, ..StackPolicy::default() };
    let end = way(deploy_by(policy), [taken(), seen("ROLLBACK_COMPLETE")]).1;
    assert_eq!(code_of(&end), Code::StackStuck);
    assert_eq!(end.operations, 0, "nothing was touched");
}

#[test]
fn c03_a_failed_update_is_rolled_back_before_the_next_one() {
    let (_, unwinding) = way(deploy(), [taken(), seen("UPDATE_FAILED")]);
    assert!(matches!(unwinding.due(), Some(Command::RollBackStack { how: StackRollback::RollBack, .. })));
    let (names, _) = way(
        unwinding.clone(),
        [
            Event::Acted,
            op("UPDATE_ROLLBACK_IN_PROGRESS"),
            op("UPDATE_ROLLBACK_COMPLETE"),
            seen("UPDATE_ROLLBACK_COMPLETE"),
        ],
    );
    assert_eq!(names, "unwinding unwinding unwinding inspecting planning");
    let deleted = way(unwinding, [Event::Acted, op_gone()]).1;
    assert_eq!(deleted.state, State::Inspecting, "RollbackStack deletes a stack without a stable state");
}

#[test]
fn c04_a_stuck_rollback_is_continued_before_the_next_update() {
    let (_, unwinding) = way(deploy(), [taken(), seen("UPDATE_ROLLBACK_FAILED")]);
    assert!(matches!(
        unwinding.due(),
        Some(Command::RollBackStack { how: StackRollback::ContinueRollback, .. })
    ));
    let (names, _) = way(
        unwinding.clone(),
        [Event::Acted, op("UPDATE_ROLLBACK_COMPLETE"), seen("UPDATE_ROLLBACK_COMPLETE")],
    );
    assert_eq!(names, "unwinding unwinding inspecting planning");
    let (names, end) =
        way(unwinding, [Event::Acted, op("UPDATE_ROLLBACK_FAILED"), Event::CauseFound(cause())]);
    assert_eq!(names, "unwinding unwinding explaining failed");
    assert_eq!(code_of(&end), Code::RolledBack);
}

#[test]
fn c04_a_stack_that_never_comes_to_rest_is_given_up() {
    let mut deployment = way(deploy(), [taken()]).1;
    for _ in 0..Deployment::OPERATIONS_MAX {
        deployment =
            way(deployment, [seen("UPDATE_ROLLBACK_FAILED"), Event::Acted, op("UPDATE_ROLLBACK_COMPLETE")]).1;
    }
    let end = way(deployment, [seen("UPDATE_ROLLBACK_FAILED")]).1;
    assert_eq!(code_of(&end), Code::StackStuck);
    assert_eq!(end.operations, Deployment::OPERATIONS_MAX);
}

#[test]
fn c06_c10_c11_other_operation_is_waited_for() {
    for status in crate::deployment::stack_status::ALL.iter().filter(|s| standing(s) == Standing::Busy) {
        let (_, end) = way(deploy(), [taken(), seen(status)]);
        assert_eq!(end.state, State::Inspecting, "{status}");
        assert!(end.due().is_none());
        let late = end.apply(Event::DeadlinePassed, at(99)).unwrap();
        assert_eq!(code_of(&late), Code::DeadlinePassed);
    }
}

#[test]
fn c08_a_half_deleted_stack_is_cleared_for_a_preview_and_left_to_an_operator_otherwise() {
    assert_eq!(code_of(&way(deploy(), [taken(), seen("DELETE_FAILED")]).1), Code::StackStuck);
    let policy = StackPolicy { force_delete: true, ..StackPolicy::default() };
    let (names, end) = way(
        deploy_by(policy),
        [
            taken(),
            seen("DELETE_FAILED"),
            Event::Acted,
            op("DELETE_FAILED"),
            Event::Acted,
            op("DELETE_FAILED"),
        ],
    );
    assert_eq!(names, "waiting inspecting clearing clearing clearing clearing clearing");
    assert_eq!(end.state, State::DeletingFailedStack(Effort::Force));
}

#[test]
fn c10_an_import_that_got_stuck_is_its_owners() {
    let end = way(deploy(), [taken(), seen("IMPORT_ROLLBACK_FAILED")]).1;
    assert_eq!((code_of(&end), end.operations), (Code::StackStuck, 0));
}

#[test]
fn c15_c16_nothing_to_change_is_verified_and_leaves_no_change_set_behind() {
    let events = [
        taken(),
        seen("CREATE_COMPLETE"),
        Event::Acted,
        Event::PlanEmpty { stack_id: "stack-1".into() },
        Event::Acted,
        Event::CodeProven { versions: Default::default(), api: None },
    ];
    let (names, end) = way(deploy(), events);
    assert_eq!(names, "waiting inspecting planning planning discarding verifying succeeded");
    assert_eq!(end.state, State::Succeeded { changed: false });
}

#[test]
fn c17_a_refused_change_set_is_removed_before_the_failure_is_told() {
    let (_, end) = way(deploy(), [taken(), gone(), Event::Acted, Event::PlanRefused(cause())]);
    assert_eq!(end.due(), Some(Command::DiscardPlan { name: end.change_set_name() }));
    assert_eq!(way(end.clone(), [Event::Acted]).1.state, State::Failed(cause()));
    assert_eq!(
        way(end, [Event::Refused(Cause::new(Code::AccessDenied, "no", "x"))]).1.state,
        State::Failed(cause())
    );
    for refused in [Event::PlanRefused(cause()), Event::Refused(cause())] {
        let at_once = way(deploy(), [taken(), gone(), refused]).1;
        assert_eq!(at_once.state.name(), "discarding", "an earlier request may have created it");
    }
}

#[test]
fn c19_validation_warnings_are_shown_and_the_policy_decides() {
    let warned = || Event::PlanReady(Plan { warnings: vec!["Bucket: name in use".into()], ..plan() });
    let shown = way(deploy(), [taken(), seen("CREATE_COMPLETE"), warned()]).1;
    assert_eq!(shown.state, State::Planned);
    assert!(shown.notes[0].contains("Bucket: name in use"));
    let policy = StackPolicy { refuse_warnings: true, ..StackPolicy::default() };
    let refused = way(deploy_by(policy), [taken(), seen("CREATE_COMPLETE"), warned(), Event::Acted]).1;
    assert_eq!(code_of(&refused), Code::ValidationWarned);
}

#[test]
fn c20_a_stale_plan_is_made_again_under_a_new_name_and_not_for_ever() {
    let mut deployment = way(deploy(), [taken()]).1;
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..Deployment::ATTEMPTS_MAX {
        deployment = way(deployment, [seen("CREATE_COMPLETE")]).1;
        assert!(names.insert(deployment.change_set_name()));
        deployment = way(deployment, [Event::PlanGone]).1;
    }
    assert_eq!(code_of(&deployment), Code::ChangeSetRefused);
}

#[test]
fn c33_drift_is_reverted_and_shown_or_waits_for_an_operators_word() {
    let drifted = || Event::PlanReady(Plan { reverted: vec!["App.Timeout".into()], ..plan() });
    let by = |drift| deploy_by(StackPolicy { drift, ..StackPolicy::default() });
    let reverted = way(by(Drift::Revert), [taken(), seen("CREATE_COMPLETE"), drifted()]).1;
    assert_eq!(reverted.state, State::Planned);
    assert!(reverted.notes[0].contains("App.Timeout"));
    let refused = way(by(Drift::Refuse), [taken(), seen("CREATE_COMPLETE"), drifted(), Event::Acted]).1;
    let cause = refused.state.cause().unwrap();
    assert_eq!((cause.code, cause.resource.as_deref()), (Code::DriftFound, Some("App")));
    assert_eq!(refused.operations, 0);
    let without = way(by(Drift::Refuse), [taken(), seen("CREATE_COMPLETE"), ready()]).1;
    assert_eq!(without.state, State::Planned);
}

#[test]
fn a_deployment_can_be_called_off_until_it_executes() {
    assert_eq!(way(deploy(), [Event::Declined]).1.state, State::Cancelled);
    assert_eq!(way(deploy(), [taken(), Event::Declined]).1.state, State::Cancelled);
    let planned = way(deploy(), [taken(), seen("CREATE_COMPLETE"), ready()]).1;
    let (names, end) = way(planned.clone(), [Event::Declined, Event::Acted]);
    assert_eq!(names, "planned discarding cancelled");
    assert_eq!(end.state, State::Cancelled);
    let executing = way(planned, [Event::Allowed]).1;
    assert!(executing.apply(Event::Declined, at(9)).is_err());
}

#[test]
fn a_plan_that_waits_for_long_is_made_anew_and_in_the_end_given_up_and_removed() {
    let planned = way(deploy(), [taken(), seen("CREATE_COMPLETE"), ready(), Event::MustWait]).1;
    let anew = [
        Event::DeadlinePassed,
        Event::Acted,
        seen("CREATE_COMPLETE"),
        Event::Acted,
        ready(),
        Event::MustWait,
    ];
    let (states, again) = way(planned.clone(), anew);
    assert_eq!(states, "planned discarding inspecting planning planning planned planned");
    assert_ne!(again.change_set_name(), planned.change_set_name());
    let planned = Deployment { attempt: Deployment::ATTEMPTS_MAX, ..planned };
    let late = planned.apply(Event::DeadlinePassed, at(9)).unwrap();
    assert_eq!(late.due(), Some(Command::DiscardPlan { name: late.change_set_name() }));
    assert_eq!(code_of(&way(late.clone(), [Event::Acted]).1), Code::DeadlinePassed);
    assert_eq!(code_of(&way(late, [Event::DeadlinePassed]).1), Code::DeadlinePassed);
}

#[test]
fn promise_9_a_stack_of_another_service_is_never_touched() {
    let seen = |service: &str, stage_name: &str| {
        let owner = Some(StackOwner { service: service.into(), stage: stage_name.into() });
        Event::StackObserved(Some(StackObserved { owner, ..stack("s", "CREATE_COMPLETE") }))
    };
    for open in [deploy(), remove()] {
        for foreign in [seen("orders-eu", "staging"), seen("orders", "production")] {
            let end = way(open.clone(), [taken(), foreign]).1;
            assert_eq!(code_of(&end), Code::StackForeign);
        }
        let own = way(open, [taken(), seen("orders", "staging")]).1;
        assert!(own.state.cause().is_none());
    }
}

#[test]
fn a_lease_that_is_held_is_waited_for_and_one_that_is_lost_ends_the_deployment() {
    let waiting = way(deploy(), [Event::LeaseHeld]).1;
    assert_eq!(waiting.state, State::Waiting);
    let holding = way(waiting, [Event::LeaseTaken { fence: 9, expected_s: Some(30) }]).1;
    assert_eq!((holding.fence, holding.expected_s), (9, Some(30)));
    assert_eq!(code_of(&way(holding, [Event::LeaseLost]).1), Code::LeaseLost);
}

#[test]
fn names_for_cloudformation_keep_its_rules_and_tell_the_turns_apart() {
    let forward = way(deploy(), [taken(), gone()]).1;
    let mut back = forward.clone();
    back.id.direction = Direction::Rollback;
    for name in [forward.change_set_name(), back.change_set_name(), back.operation_token()] {
        assert!(name.len() <= 120 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{name}");
    }
    assert_ne!(forward.change_set_name(), back.change_set_name());
}

#[test]
fn what_is_discarded_for_too_long_goes_where_it_was_to_go() {
    let then = State::Failed(cause());
    let discarding = Deployment { state: State::DiscardingChangeSet(Box::new(then.clone())), ..executing() };
    assert_eq!(way(discarding, [Event::DeadlinePassed]).1.state, then);
}

#[test]
fn one_that_waits_for_its_rollout_looks_again_in_steps_of_a_tenth_of_its_age() {
    let planned = way(deploy(), [taken(), seen("UPDATE_COMPLETE"), Event::Acted, ready()]).1;
    assert_eq!(planned.state, State::Planned);
    let delays = [0, 100, 1_000, 100_000].map(|age_s| planned.delay_s(at(4 + age_s)));
    assert_eq!(delays, [1, 10, 100, 300]);
}

#[test]
fn when_the_gates_are_broken_open_what_alarms_would_roll_back_is_planned_again_without_them() {
    let planned = |alarms: &[&str]| {
        let mut deployment = deploy();
        deployment.spec.alarms = alarms.iter().map(|name| (*name).to_owned()).collect();
        way(deployment, [taken(), seen("UPDATE_COMPLETE"), Event::Acted, ready()]).1
    };
    let watched = planned(&["errors"]);
    assert!(watched.is_watched());
    let (names, again) =
        way(watched.clone(), [Event::AllowedUnwatched, Event::Acted, seen("UPDATE_COMPLETE")]);
    assert_eq!(names, "planned discarding inspecting planning");
    assert!(!again.is_watched());
    let (names, _) = way(again, [Event::Acted, ready(), Event::AllowedUnwatched]);
    assert_eq!(names, "planning planning planned executing");
    let tired = Deployment { attempt: Deployment::ATTEMPTS_MAX, ..watched.clone() };
    for (deployment, why) in [
        (planned(&[]), "it has no alarms"),
        (Deployment { creates: true, ..watched }, "a new stack has no triggers"),
        (tired, "it has no attempts left"),
    ] {
        assert_eq!(way(deployment, [Event::AllowedUnwatched]).1.state, State::Executing, "{why}");
    }
}
