//! Functions that are invoked: once each, and what their answers mean.

use crate::script::{Reply, Script, place, reply};
use flotilla_aws::LambdaFunctions;
use flotilla_engine::ports::{ErrorKind, Functions, Invoked, PortError};
use serde_json::json;

async fn invoke(reply: Reply) -> (Result<Invoked, PortError>, Script) {
    let script = Script::new([reply]);
    let functions = LambdaFunctions::new(script.sessions());
    let done = functions.invoke(&place("eu-west-1"), "orders-verify", &json!({"stage": "production"})).await;
    (done, script)
}

fn refusal(status: u16, code: &str) -> Reply {
    reply(status, r#"{"message": "no"}"#).header("x-amzn-errortype", code)
}

#[tokio::test]
async fn a_function_gets_the_payload_and_its_reply_is_kept_in_one_line() {
    let (done, script) = invoke(reply(200, "{\"healthy\": true,\n\"checks\": 3}")).await;
    let expected = Invoked { ok: true, reply: "{\"healthy\": true, \"checks\": 3}".into() };
    assert_eq!(done, Ok(expected));
    let call = script.only_call();
    assert!(call.uri.contains("lambda.eu-west-1.") && call.uri.contains("/functions/orders-verify/"));
    assert_eq!(call.header("x-amz-invocation-type"), Some("RequestResponse"));
    assert_eq!(call.body, r#"{"stage":"production"}"#);
}

#[tokio::test]
async fn a_long_reply_is_cut() {
    let (done, _) = invoke(reply(200, "x".repeat(5_000))).await;
    assert_eq!(done.unwrap().reply.len(), 2_048);
}

#[tokio::test]
async fn a_function_that_fails_has_answered() {
    let body = r#"{"errorMessage": "no orders table"}"#;
    let (done, _) = invoke(reply(200, body).header("x-amz-function-error", "Unhandled")).await;
    assert_eq!(done, Ok(Invoked { ok: false, reply: body.into() }));
}

#[tokio::test]
async fn a_call_that_fails_is_made_once_and_says_whether_it_may_pass() {
    for (status, code, kind) in [
        (404, "ResourceNotFoundException", ErrorKind::Missing),
        (403, "AccessDeniedException", ErrorKind::Denied),
        (429, "TooManyRequestsException", ErrorKind::Throttled),
        (409, "ResourceConflictException", ErrorKind::Transient),
        (502, "ResourceNotReadyException", ErrorKind::Transient),
        (500, "ServiceException", ErrorKind::Transient),
    ] {
        let (done, script) = invoke(refusal(status, code)).await;
        assert_eq!(done.unwrap_err().kind, kind, "{code}");
        script.only_call();
    }
}
