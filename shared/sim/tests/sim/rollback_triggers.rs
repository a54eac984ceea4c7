//! Rollback triggers in the simulated CloudFormation.

use flotilla_domain::deployment::ChangeSetKind;
use flotilla_domain::release::package::template_key;
use flotilla_domain::{AlarmState, Digest, StackName};
use flotilla_engine::ports::{ChangeSetRequest, RollbackTriggers, Stacks};
use flotilla_sim::SimBench;
use flotilla_sim::contract::Bench;
use futures::executor::block_on;
use std::time::Duration;

/// What becomes of a new stack for which this alarm is named, ten minutes after it was begun with five
/// minutes of watching.
fn end(before: Option<AlarmState>, during: Option<AlarmState>) -> String {
    block_on(async {
        let bench = SimBench::default();
        let (stacks, stack) = (bench.stacks(), StackName::parse("orders").expect("a name"));
        let template = Digest::of(b"{}");
        bench.place_object(&template_key(&template), "{}".into()).await;
        let triggers = RollbackTriggers {
            alarm_arns: vec!["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:errors".into()],
            monitoring_min: 5,
            ..RollbackTriggers::default()
        };
        let request = ChangeSetRequest {
            stack: stack.clone(),
            name: "plan".into(),
            kind: ChangeSetKind::Create,
            template,
            parameters: [].into(),
            tags: [].into(),
            capabilities: [].into(),
            express: false,
            revert_drift: false,
            rollback: Some(triggers),
        };
        let place = bench.place();
        stacks.create_change_set(place, &request).await.expect("a change set");
        if let Some(state) = before {
            bench.set_alarm("errors", false, state).await;
        }
        let plan = stacks.describe_change_set(place, &stack, "plan").await.expect("an answer").expect("it");
        stacks.execute(place, &stack, &plan.id, "token").await.expect("an execution");
        bench.pass(Duration::from_secs(240)).await;
        let status = async || stacks.describe(place, "orders").await.expect("an answer").expect("it").status;
        assert_eq!(status().await, "CREATE_IN_PROGRESS", "it is watched for five minutes");
        if let Some(state) = during {
            bench.set_alarm("errors", false, state).await;
        }
        bench.pass(Duration::from_secs(360)).await;
        status().await
    })
}

#[test]
fn an_alarm_that_goes_off_while_it_is_watched_rolls_the_stack_back() {
    assert_eq!(end(Some(AlarmState::Ok), None), "CREATE_COMPLETE");
    assert_eq!(end(Some(AlarmState::InsufficientData), None), "CREATE_COMPLETE");
    assert_eq!(end(Some(AlarmState::Ok), Some(AlarmState::Alarm)), "ROLLBACK_COMPLETE");
    assert_eq!(end(None, None), "ROLLBACK_COMPLETE", "an alarm that is not there fails the operation");
}
