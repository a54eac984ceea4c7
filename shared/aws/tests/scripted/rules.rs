//! The guard function: what it is sent, and what its answers and its ends mean.

use crate::script::{Reply, Script, reply, settings};
use flotilla_aws::{GuardPolicies, Settings};
use flotilla_domain::Digest;
use flotilla_domain::gate::Violation;
use flotilla_engine::ports::{ErrorKind, Evaluation, Policies, PortError};

const RULES: &str = "rule a { Resources exists }";

fn policies(script: &Script) -> GuardPolicies {
    let settings = Settings { guard_function: "flotilla-guard".into(), ..settings() };
    GuardPolicies::new(&script.config(), &settings)
}

async fn dry_run_rules(reply: Reply) -> (Result<Evaluation, PortError>, Script) {
    let script = Script::new([reply]);
    (policies(&script).dry_run_rules(RULES).await, script)
}

#[tokio::test]
async fn a_template_is_read_from_the_ingest_bucket_and_sent_with_the_rules() {
    let template = r#"{"Resources":{"A":{"Type":"AWS::IAM::User"}}}"#;
    let broken =
        r#"{"broken":{"count":3,"first":[{"rule":"a","resource":"A","path":"Resources.A","message":"no"}]}}"#;
    let script = Script::new([
        reply(200, template).header("content-length", template.len().to_string()),
        reply(200, broken),
    ]);
    let digest = Digest::of(template.as_bytes());
    let rule = Violation {
        rule: "a".into(),
        template: None,
        resource: Some("A".into()),
        path: "Resources.A".into(),
        message: "no".into(),
    };
    let judged = policies(&script).evaluate(RULES, &digest).await;
    assert_eq!(judged, Ok(Evaluation::Violated { first: vec![rule], count: 3 }));
    let calls = script.calls();
    assert!(calls[0].uri.contains(&format!("/templates/{digest}.json")), "{}", calls[0].uri);
    assert!(calls[1].uri.contains("/functions/flotilla-guard/invocations"), "{}", calls[1].uri);
    let sent: serde_json::Value = serde_json::from_str(&calls[1].body).unwrap();
    assert_eq!((sent["rules"].as_str(), sent["template"].as_str()), (Some(RULES), Some(template)));
}

#[tokio::test]
async fn every_answer_is_read() {
    for (body, expected) in [
        (r#""holds""#, Evaluation::Passed),
        (r#"{"invalid":{"line":3,"why":"no"}}"#, Evaluation::Invalid { line: Some(3), why: "no".into() }),
        (r#"{"invalid":{"line":null,"why":"no"}}"#, Evaluation::Invalid { line: None, why: "no".into() }),
        (r#"{"unfit":{"why":"no"}}"#, Evaluation::Unfit { why: "no".into() }),
    ] {
        assert_eq!(dry_run_rules(reply(200, body)).await.0, Ok(expected), "{body}");
    }
    for nonsense in ["", "null", "{}", r#""passes""#] {
        let (tried, _) = dry_run_rules(reply(200, nonsense)).await;
        assert_eq!(tried.unwrap_err().kind, ErrorKind::Permanent, "{nonsense:?} was taken for an answer");
    }
}

#[tokio::test]
async fn a_crash_and_a_timeout_are_told_without_what_differs_from_one_to_the_next() {
    for (message, expected) in [
        (
            "RequestId: 7c1 Error: Runtime exited with error: signal: aborted",
            "Runtime exited with error: signal: aborted",
        ),
        ("2027-01-15T08:00:00Z 7c1 Task timed out after 10.00 seconds", "Task timed out after 10.00 seconds"),
        ("out of luck", "out of luck"),
    ] {
        let body = serde_json::json!({"errorMessage": message, "errorType": "Runtime.ExitError"}).to_string();
        let (tried, script) =
            dry_run_rules(reply(200, body).header("x-amz-function-error", "Unhandled")).await;
        assert_eq!(tried, Ok(Evaluation::Crashed { why: expected.into() }));
        script.only_call();
    }
}

#[tokio::test]
async fn a_call_that_fails_is_made_once_and_says_whether_it_may_pass() {
    for (status, code, kind) in [
        (404, "ResourceNotFoundException", ErrorKind::Missing),
        (403, "AccessDeniedException", ErrorKind::Denied),
        (429, "TooManyRequestsException", ErrorKind::Throttled),
        (500, "ServiceException", ErrorKind::Transient),
    ] {
        let refusal = reply(status, r#"{"message": "no"}"#).header("x-amzn-errortype", code);
        let (tried, script) = dry_run_rules(refusal).await;
        assert_eq!(tried.unwrap_err().kind, kind, "{code}");
        script.only_call();
    }
    let script = Script::new([reply(404, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")]);
    let gone = policies(&script).evaluate(RULES, &Digest::of(b"t")).await.unwrap_err();
    assert_eq!((gone.kind, gone.operation), (ErrorKind::Missing, "s3:GetObject"));
}
