//! What holds in every state.

use super::*;
use proptest::prelude::*;

#[test]
fn every_state_has_a_deadline_and_its_end_says_what_to_do() {
    let mut deployment = deploy();
    for event in
        [taken(), seen("CREATE_COMPLETE"), ready(), Event::Allowed, op("UPDATE_COMPLETE"), Event::CodePending]
    {
        assert!(deployment.deadline().unwrap() > deployment.entered_at);
        let late = deployment.clone().apply(Event::DeadlinePassed, at(99)).unwrap();
        let late = if late.state.is_terminal() { late } else { way(late, [Event::Acted]).1 };
        if deployment.state == State::Planned {
            assert_eq!(late.state, State::Inspecting, "its rollout limits how long it waits");
            deployment = deployment.apply(event, at(1)).unwrap();
            continue;
        }
        assert_eq!(code_of(&late), Code::DeadlinePassed);
        assert!(!late.state.cause().unwrap().fix.is_empty());
        deployment = deployment.apply(event, at(1)).unwrap();
    }
}

#[test]
fn operations_have_the_long_deadlines_and_reads_the_short_ones() {
    let hours = |deployment: &Deployment| {
        deployment.deadline().unwrap().duration_since(deployment.entered_at).as_hours()
    };
    assert_eq!(hours(&executing()), 12, "c31: the deletion of a function in a VPC takes half an hour");
    assert_eq!(hours(&deleting(StackPolicy::default())), 12);
    assert_eq!(hours(&deploy()), 168);
    assert_eq!(hours(&way(deploy(), [taken()]).1), 3);
    assert_eq!(hours(&way(executing(), [op("UPDATE_COMPLETE")]).1), 0);
    assert_eq!(hours(&way(remove(), [taken(), seen("UPDATE_COMPLETE"), Event::Allowed]).1), 6);
}

#[test]
fn the_delay_grows_with_age_and_stays_bounded() {
    let deployment = deploy();
    let delays: Vec<u32> = [-100, 0, 9, 20, 400, 600, 100_000].map(|s| deployment.delay_s(at(s))).into();
    assert_eq!(delays, [1, 1, 1, 2, 40, 60, 60]);
}

#[test]
fn an_operation_is_looked_at_when_it_should_end() {
    let mut executing = executing();
    executing.expected_s = Some(200);
    let entered = executing.entered_at;
    let delay = |age_s: i64| executing.delay_s(entered + jiff::SignedDuration::from_secs(age_s));
    assert_eq!(delay(0), 180, "shortly before");
    assert_eq!(delay(170), 10);
    assert_eq!(delay(180), 10, "then every twentieth of it");
    assert_eq!(delay(290), 10);
    assert_eq!(delay(400), 40, "and when it takes far longer, as any other wait");
    executing.expected_s = Some(100_000);
    assert_eq!(executing.delay_s(entered), 900, "q08: what SQS takes");
    executing.expected_s = Some(0);
    assert_eq!(executing.delay_s(entered), 1);
    let mut verifying = way(executing, [op("UPDATE_COMPLETE")]).1;
    verifying.expected_s = Some(200);
    assert_eq!(verifying.delay_s(verifying.entered_at), 1, "only operations take as long as operations");
}

fn any_event() -> impl Strategy<Value = Event> {
    let statuses = || prop::sample::select(crate::deployment::stack_status::ALL);
    let outcomes =
        prop::sample::select(&[Outcome::Pending, Outcome::Completed, Outcome::Failed, Outcome::Unseen][..]);
    prop_oneof![
        Just(taken()),
        Just(Event::LeaseHeld),
        Just(Event::LeaseLost),
        statuses().prop_map(seen),
        (statuses(), outcomes).prop_map(|(status, outcome)| op_as(status, outcome)),
        Just(gone()),
        Just(op_gone()),
        Just(Event::PlanPending),
        Just(Event::AllowedUnwatched),
        Just(ready()),
        Just(Event::PlanEmpty { stack_id: "stack-1".into() }),
        Just(Event::PlanRefused(cause())),
        Just(Event::PlanGone),
        Just(Event::Allowed),
        Just(Event::MustWait),
        Just(Event::Declined),
        Just(Event::StopAsked { by: "ann".into() }),
        Just(Event::Acted),
        Just(Event::CauseFound(cause())),
        Just(Event::CodeProven { versions: Default::default(), api: None }),
        Just(Event::CodePending),
        Just(Event::CodeDiffers(Vec::new())),
        Just(Event::Emptied),
        Just(Event::EmptiedPartly),
        Just(Event::LeftoversObserved(vec!["Bucket".into()])),
        Just(Event::Refused(cause())),
    ]
}

proptest! {
    /// Promise 7, for all events in any order: no panic, terminal states are final, nothing is executed without a
    /// plan, and a terminal state has no command.
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
                    prop_assert!(next.operations <= Deployment::OPERATIONS_MAX);
                    deployment = next;
                }
                Err(_) => prop_assert_eq!(&before, &deployment),
            }
            if deployment.state.is_terminal() {
                prop_assert!(deployment.due().is_none() && deployment.observation().is_none() && deployment.deadline().is_none());
            } else {
                prop_assert!(deployment.observation().is_some() || deployment.due().is_some());
                prop_assert!(deployment.deadline().is_some());
            }
        }
    }
}
