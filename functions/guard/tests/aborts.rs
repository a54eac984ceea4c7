//! A crash of the process ends one invocation and never becomes a reply. The binary runs as on Lambda, against a
//! runtime API that this test serves.

#![allow(clippy::disallowed_methods, reason = "a real process takes real time")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The outcome of an invocation.
#[derive(Debug)]
enum Outcome {
    /// It returned a reply.
    Answered(Value),
    /// The process ended without a reply.
    Died(ExitStatus),
    /// The process caught a panic, which only test builds do.
    Failed,
}

/// Serves one request of the runtime API. Returns the outcome of the invocation if the request reports one.
fn serve(mut stream: TcpStream, event: &Value) -> Option<Outcome> {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).expect("a request");
    let request = line.clone();
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
        if let Some((name, value)) =
            line.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let (status, payload) = match request.contains("/invocation/next") {
        true => ("200 OK", event.to_string()),
        false => ("202 Accepted", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nlambda-runtime-aws-request-id: one\r\nlambda-runtime-deadline-ms: 4000000000000\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:1:function:guard\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        payload.len()
    );
    // A process that has ended no longer reads the response.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(payload.as_bytes()));
    match (request.contains("/response"), request.contains("/error")) {
        (true, _) => Some(Outcome::Answered(serde_json::from_slice(&body).expect("JSON"))),
        (_, true) => Some(Outcome::Failed),
        _ => None,
    }
}

fn start(api: &TcpListener) -> Child {
    Command::new(env!("CARGO_BIN_EXE_guard"))
        .env("AWS_LAMBDA_RUNTIME_API", api.local_addr().expect("an address").to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "guard")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary")
}

const TOPIC: &str = r#"{"Resources":{"T":{"Type":"AWS::SNS::Topic"}}}"#;

/// Invokes the function once.
fn invoke(rules: &str, template: &str) -> Outcome {
    let api = TcpListener::bind("127.0.0.1:0").expect("a port");
    api.set_nonblocking(true).expect("a listener");
    let mut function = start(&api);
    let event = json!({"rules": rules, "template": template});
    let deadline = Instant::now() + Duration::from_secs(60);
    let outcome = loop {
        assert!(Instant::now() < deadline, "it neither answers nor ends");
        match api.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("a stream");
                if let Some(outcome) = serve(stream, &event) {
                    break outcome;
                }
            }
            Err(_) => match function.try_wait().expect("its status") {
                Some(status) => break Outcome::Died(status),
                None => std::thread::sleep(Duration::from_millis(5)),
            },
        }
    };
    // It may already have ended.
    let _ = function.kill();
    function.wait().expect("its end");
    outcome
}

#[test]
fn an_invocation_is_answered() {
    let outcome = invoke("rule none { Resources.*[ Type == 'AWS::SNS::Topic' ] empty }", TOPIC);
    let Outcome::Answered(answer) = outcome else { panic!("{outcome:?}") };
    assert_eq!(answer["broken"]["count"], 1);
    assert_eq!(answer["broken"]["first"][0]["resource"], "T");
}

#[test]
fn a_rule_that_refers_to_itself_only_ends_its_invocation() {
    let outcome = invoke("let x = %x\nrule a { %x exists }", TOPIC);
    let Outcome::Died(status) = outcome else { panic!("{outcome:?}") };
    assert!(!status.success(), "{status}");
}

#[test]
fn rules_nested_too_deeply_only_end_their_invocation() {
    let blocks = format!(
        "rule a {{ {} Resources exists {} }}",
        "when Resources exists { ".repeat(2_000),
        "}".repeat(2_000)
    );
    let lists = format!("rule a {{ Resources.*.Type == {}1{} }}", "[".repeat(20_000), "]".repeat(20_000));
    for hostile in [blocks, lists] {
        let outcome = invoke(&hostile, TOPIC);
        assert!(matches!(outcome, Outcome::Died(_)), "{outcome:?}");
    }
}

#[test]
fn an_expression_that_runs_away_is_stopped_and_never_an_answer() {
    // Catastrophic for an engine that backtracks without a limit.
    let template = json!({"Resources": {"T": {"Type": format!("{}!", "a".repeat(5_000))}}}).to_string();
    let outcome = invoke("rule a { Resources.*.Type == /^(a|aa|(?=b)b)+$/ }", &template);
    assert!(matches!(outcome, Outcome::Died(_) | Outcome::Failed), "{outcome:?}");
}
