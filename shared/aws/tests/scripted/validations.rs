//! What CloudFormation's early validation and its hooks say of a change set.

use crate::script::{Script, answer, place, settings};
use flotilla_aws::CloudFormationStacks;
use flotilla_domain::StackName;
use flotilla_engine::ports::{Stacks, Validation};

fn event(fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
    format!("<member><EventId>e</EventId>{fields}</member>")
}

async fn said(pages: &[String]) -> (Vec<Validation>, Script) {
    of(pages, Some("arn:cs")).await
}

/// The findings of a change set, or of the newest operation of the stack.
async fn of(pages: &[String], change_set: Option<&str>) -> (Vec<Validation>, Script) {
    let script = Script::new(pages.iter().enumerate().map(|(n, events)| {
        let next = if n + 1 < pages.len() { "<NextToken>more</NextToken>" } else { "" };
        answer("DescribeEvents", &format!("<OperationEvents>{events}</OperationEvents>{next}"))
    }));
    let stacks = CloudFormationStacks::new(script.sessions(), &settings());
    let said = stacks.validations(&place("eu-west-1"), "orders-staging", change_set).await.unwrap();
    (said, script)
}

fn validation(mode: &str, status: &str, id: &str) -> String {
    event(&[
        ("EventType", "VALIDATION_ERROR"),
        ("LogicalResourceId", id),
        ("ValidationFailureMode", mode),
        ("ValidationName", "PROPERTY_VALIDATION"),
        ("ValidationStatus", status),
        ("ValidationStatusReason", "#/Timeout is greater than 900"),
        ("ValidationPath", "/Properties/Timeout"),
    ])
}

#[tokio::test]
async fn c18_every_validation_that_failed_is_told_from_every_page() {
    let pages = [
        validation("FAIL", "FAILED", "One") + &validation("FAIL", "SKIPPED", "Skipped"),
        validation("FAIL", "FAILED", "Two"),
    ];
    let (said, script) = said(&pages).await;
    let text =
        |id: &str| format!("{id} /Properties/Timeout (PROPERTY_VALIDATION): #/Timeout is greater than 900");
    let failed = |id: &str| Validation { failed: true, text: text(id) };
    assert_eq!(said, [failed("One"), failed("Two")]);
    let calls = script.calls();
    assert_eq!((calls.len(), calls[0].parameter("ChangeSetName").as_deref()), (2, Some("arn:cs")));
    assert_eq!(calls[1].parameter("NextToken").as_deref(), Some("more"));
}

#[tokio::test]
async fn c18_a_stacks_findings_are_those_of_its_newest_operation() {
    let of_operation = |id: &str, resource: &str| {
        validation("FAIL", "FAILED", resource)
            .replace("<EventId>e</EventId>", &format!("<EventId>e</EventId><OperationId>{id}</OperationId>"))
    };
    let pages = [of_operation("new", "One") + &of_operation("old", "Before"), of_operation("old", "Older")];
    let (said, script) = of(&pages, None).await;
    assert_eq!(said.len(), 1);
    assert!(said[0].text.starts_with("One "), "{said:?}");
    assert_eq!(script.calls()[0].parameter("ChangeSetName"), None);
}

#[tokio::test]
async fn c18_a_hook_that_failed_is_told_with_its_type_and_reason() {
    let hook = |status: &str, mode: &str| {
        event(&[
            ("LogicalResourceId", "Bucket"),
            ("HookType", "Acme::S3::Encrypted"),
            ("HookStatus", status),
            ("HookStatusReason", "the bucket is not encrypted"),
            ("HookFailureMode", mode),
        ])
    };
    let text = "Bucket (Acme::S3::Encrypted): the bucket is not encrypted";
    for (status, mode, failed) in [
        ("HOOK_COMPLETE_FAILED", "FAIL", Some(true)),
        ("HOOK_FAILED", "FAIL", Some(true)),
        ("HOOK_COMPLETE_FAILED", "WARN", Some(false)),
        ("HOOK_COMPLETE_SUCCEEDED", "FAIL", None),
        ("HOOK_IN_PROGRESS", "FAIL", None),
    ] {
        let expected: Vec<_> =
            failed.into_iter().map(|failed| Validation { failed, text: text.into() }).collect();
        assert_eq!(said(&[hook(status, mode)]).await.0, expected, "{status} {mode}");
    }
}

#[tokio::test]
async fn c19_a_validation_that_only_warns_is_told_and_does_not_fail() {
    let (said, _) = said(&[validation("WARN", "FAILED", "One")]).await;
    assert_eq!(said.len(), 1);
    assert!(!said[0].failed && said[0].text.starts_with("One /Properties/Timeout"), "{said:?}");
}

#[tokio::test]
async fn c19_a_hint_of_warnings_on_a_change_set_that_can_be_executed_is_noticed() {
    for (status, reason, warned) in [
        ("CREATE_COMPLETE", "Change set validated with warnings", true),
        ("CREATE_COMPLETE", "", false),
        ("FAILED", "The following validation warnings were found", false),
    ] {
        let body = format!(
            "<Status>{status}</Status><ExecutionStatus>AVAILABLE</ExecutionStatus><StatusReason>{reason}</StatusReason>"
        );
        let script = Script::new([answer("DescribeChangeSet", &body)]);
        let stacks = CloudFormationStacks::new(script.sessions(), &settings());
        let stack = StackName::parse("orders-staging").unwrap();
        let seen = stacks.describe_change_set(&place("eu-west-1"), &stack, "x").await.unwrap().unwrap();
        assert_eq!(seen.has_warnings, warned, "{status} {reason}");
    }
}

#[tokio::test]
async fn c18_pages_without_end_are_not_read_without_end() {
    let pages: Vec<String> = (0..20).map(|_| validation("FAIL", "FAILED", "One")).collect();
    let (said, script) = said(&pages).await;
    assert_eq!((said.len(), script.calls().len()), (5, 5));
}
