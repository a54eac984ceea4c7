//! Executions, and what is done while and after they run.

use crate::script::{Reply, Script, answer, place, refusal, reply, settings};
use flotilla_aws::CloudFormationStacks;
use flotilla_domain::StackName;
use flotilla_engine::ports::{ErrorKind, Executed, PortError, Stacks};
use std::collections::BTreeSet;

const STACK: &str = "arn:aws:cloudformation:eu-west-1:444455556666:stack/orders-staging/1";

fn stacks(script: &Script) -> CloudFormationStacks {
    CloudFormationStacks::new(script.sessions(), &settings())
}

async fn execute(replies: impl IntoIterator<Item = Reply>) -> (Result<Executed, PortError>, Script) {
    let script = Script::new(replies);
    let stack = StackName::parse("orders-staging").unwrap();
    let done = stacks(&script).execute(&place("eu-west-1"), &stack, "arn:cs", "flotilla-abc-1-x").await;
    (done, script)
}

fn change_set(execution: &str) -> Reply {
    answer(
        "DescribeChangeSet",
        &format!("<Status>CREATE_COMPLETE</Status><ExecutionStatus>{execution}</ExecutionStatus>"),
    )
}

#[tokio::test]
async fn c12_an_execution_carries_its_token_and_says_that_it_is_to_be_rolled_back() {
    let (done, script) = execute([answer("ExecuteChangeSet", "")]).await;
    assert_eq!(done, Ok(Executed::Started));
    let call = script.only_call();
    assert_eq!(call.parameter("ClientRequestToken").as_deref(), Some("flotilla-abc-1-x"));
    assert_eq!(call.parameter("ChangeSetName").as_deref(), Some("arn:cs"));
    assert_eq!(call.parameter("DisableRollback").as_deref(), Some("false"));
}

#[tokio::test]
async fn c12_an_execution_whose_reply_is_an_error_is_not_sent_again_by_the_sdk() {
    for status in [500, 503] {
        let (done, script) = execute([reply(status, "")]).await;
        assert_eq!(done.unwrap_err().kind, ErrorKind::Transient);
        script.only_call();
    }
}

#[tokio::test]
async fn c13_a_token_that_is_known_means_that_it_has_started() {
    let text = "Token already exists: flotilla-abc-1-x";
    let (done, script) = execute([refusal("TokenAlreadyExistsException", text)]).await;
    assert_eq!(done, Ok(Executed::Started));
    script.only_call();
}

#[tokio::test]
async fn c20_a_change_set_of_another_status_has_started_or_is_stale() {
    let refused =
        || refusal("InvalidChangeSetStatus", "ChangeSet [arn:cs] cannot be executed in its current status");
    for (execution, means) in [
        ("EXECUTE_IN_PROGRESS", Executed::Started),
        ("EXECUTE_COMPLETE", Executed::Started),
        ("EXECUTE_FAILED", Executed::Started),
        ("OBSOLETE", Executed::Stale),
        ("UNAVAILABLE", Executed::Stale),
    ] {
        assert_eq!(execute([refused(), change_set(execution)]).await.0, Ok(means), "{execution}");
    }
    let gone = || refusal("ChangeSetNotFound", "ChangeSet [arn:cs] does not exist");
    assert_eq!(execute([refused(), gone()]).await.0, Ok(Executed::Stale));
    assert_eq!(execute([gone()]).await.0, Ok(Executed::Stale));
}

#[tokio::test]
async fn c21_an_execution_that_is_throttled_is_made_once_and_may_pass() {
    let (done, script) = execute([refusal("Throttling", "Rate exceeded")]).await;
    assert_eq!(done.unwrap_err().kind, ErrorKind::Throttled);
    script.only_call();
}

fn stack(status: &str) -> Reply {
    let stack = format!(
        "<StackId>{STACK}</StackId><StackName>orders-staging</StackName>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus>"
    );
    answer("DescribeStacks", &format!("<Stacks><member>{stack}</member></Stacks>"))
}

#[tokio::test]
async fn c04_a_rollback_is_continued_with_the_resources_that_an_operator_named_and_no_other() {
    let skipped: BTreeSet<String> = ["Queue".into(), "Nested.Table".into()].into();
    for (skip, first, second) in
        [(BTreeSet::new(), None, None), (skipped, Some("Nested.Table"), Some("Queue"))]
    {
        let script = Script::new([answer("ContinueUpdateRollback", "")]);
        stacks(&script).continue_rollback(&place("eu-west-1"), STACK, "token", &skip).await.unwrap();
        let call = script.only_call();
        assert_eq!(call.parameter("ResourcesToSkip.member.1").as_deref(), first);
        assert_eq!(call.parameter("ResourcesToSkip.member.2").as_deref(), second);
        assert_eq!(call.parameter("StackName").as_deref(), Some(STACK));
        assert_eq!(call.parameter("ClientRequestToken").as_deref(), Some("token"));
    }
}

#[tokio::test]
async fn c04_c13_a_rollback_that_has_been_continued_before_is_no_error() {
    let refused = || refusal("ValidationError", "Stack [x] is not in UPDATE_ROLLBACK_FAILED state");
    for (replies, ok) in [
        (vec![refusal("TokenAlreadyExistsException", "known")], true),
        (vec![refused(), stack("UPDATE_ROLLBACK_COMPLETE")], true),
        (vec![refused(), stack("UPDATE_ROLLBACK_FAILED")], false),
    ] {
        let script = Script::new(replies);
        let done = stacks(&script).continue_rollback(&place("eu-west-1"), STACK, "t", &BTreeSet::new()).await;
        assert_eq!(done.is_ok(), ok, "{done:?}");
    }
}

#[tokio::test]
async fn c03_c13_a_failed_update_is_rolled_back_and_twice_is_no_error() {
    let refused = || refusal("ValidationError", "Stack [x] is in a state that does not allow RollbackStack");
    for (replies, ok) in [
        (vec![answer("RollbackStack", "<StackId>x</StackId>")], true),
        (vec![refusal("TokenAlreadyExistsException", "known")], true),
        (vec![refused(), stack("ROLLBACK_IN_PROGRESS")], true),
        (vec![refused(), stack("UPDATE_FAILED")], false),
    ] {
        let script = Script::new(replies);
        let done = stacks(&script).roll_back(&place("eu-west-1"), STACK, "token").await;
        assert_eq!(done.is_ok(), ok, "{done:?}");
        assert_eq!(script.calls()[0].parameter("ClientRequestToken").as_deref(), Some("token"));
    }
}

#[tokio::test]
async fn an_update_that_has_ended_need_not_be_cancelled() {
    let text = "CancelUpdateStack cannot be called from current stack status";
    for (reply, ok) in [
        (answer("CancelUpdateStack", ""), true),
        (refusal("TokenAlreadyExistsException", "known"), true),
        (refusal("ValidationError", text), true),
        (refusal("AccessDenied", "no"), false),
    ] {
        let script = Script::new([reply]);
        let done = stacks(&script).cancel_update(&place("eu-west-1"), STACK, "token").await;
        assert_eq!(done.is_ok(), ok, "{done:?}");
        assert_eq!(script.only_call().parameter("ClientRequestToken").as_deref(), Some("token"));
    }
}

/// Events report what rolled an update back. They come in pages, newest first.
#[tokio::test]
async fn c26_c27_events_come_in_pages_newest_first_and_say_whose_they_are() {
    let event = |id: &str, physical: &str, status: &str, more: &str| {
        format!(
            "<member><EventId>{id}</EventId><StackId>{STACK}</StackId><StackName>orders-staging</StackName>\
             <LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId>\
             <ResourceType>T</ResourceType><Timestamp>2026-01-01T00:00:00Z</Timestamp>\
             <ResourceStatus>{status}</ResourceStatus>{more}</member>"
        )
    };
    let token = "<ClientRequestToken>flotilla-1</ClientRequestToken>";
    let reason = "<ResourceStatusReason>Resource creation cancelled</ResourceStatusReason>";
    let newest = event("orders-staging", STACK, "UPDATE_ROLLBACK_IN_PROGRESS", token);
    let older = event("Queue", "", "CREATE_FAILED", reason);
    let page = format!("<StackEvents>{newest}{older}</StackEvents><NextToken>2</NextToken>");
    let script = Script::new([
        answer("DescribeStackEvents", &page),
        answer("DescribeStackEvents", "<StackEvents></StackEvents>"),
    ]);
    let stacks = stacks(&script);
    let page = stacks.events(&place("eu-west-1"), STACK, None).await.unwrap();
    let ids: Vec<&str> = page.events.iter().map(|event| event.logical_id.as_str()).collect();
    assert_eq!((ids, page.next.as_deref()), (vec!["orders-staging", "Queue"], Some("2")));
    assert_eq!((page.events[0].is_stack, page.events[0].token.as_deref()), (true, Some("flotilla-1")));
    assert_eq!(
        (page.events[1].is_stack, &page.events[1].physical_id, &page.events[1].token),
        (false, &None, &None)
    );
    assert_eq!(page.events[1].reason.as_deref(), Some("Resource creation cancelled"));
    // A page is asked for one at a time: how many there may be is the caller's to bound.
    assert_eq!(stacks.events(&place("eu-west-1"), STACK, Some("2")).await.unwrap().next, None);
    let calls = script.calls();
    assert_eq!((calls.len(), calls[1].parameter("NextToken").as_deref()), (2, Some("2")));
    assert_eq!(calls[0].parameter("StackName").as_deref(), Some(STACK));
}
