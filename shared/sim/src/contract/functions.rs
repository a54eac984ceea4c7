//! The contract of the functions port.

use super::Bench;
use flotilla_domain::Digest;
use flotilla_engine::ports::{ErrorKind, FunctionCodeObserved, Functions, PortError};
use serde_json::json;
use std::time::Duration;

/// The contract of the functions port.
///
/// # Panics
/// If Lambda violates it.
pub async fn functions(functions: &dyn Functions, bench: &dyn Bench) {
    let name = format!("{}-function", bench.space());
    let unknown = functions.code(bench.place(), &name).await.expect("an answer");
    assert!(unknown.is_none(), "there is no such function yet: {unknown:?}");
    // Promise 3: the value that is read back is the digest of the zip, and changes with it.
    for code in ["one", "two"] {
        let zip = crate::package(code);
        let digest = Digest::of(&zip);
        bench.make_function(&name, zip.into()).await;
        assert_eq!(settled(functions, bench, &name).await.code_sha256, Some(digest), "code {code}");
    }
    let other = format!("{}-other", bench.space());
    assert!(functions.code(bench.place(), &other).await.expect("an answer").is_none());
    what_is_invoked_answers_or_fails(functions, bench).await;
}

async fn what_is_invoked_answers_or_fails(functions: &dyn Functions, bench: &dyn Bench) {
    let payload = json!({"service": "orders"});
    let [good, bad, none] = ["good", "bad", "none"].map(|name| format!("{}-{name}", bench.space()));
    bench.make_verifier(&good, true, "all is well").await;
    bench.make_verifier(&bad, false, "it is broken").await;
    let invoked = functions.invoke(bench.place(), &good, &payload).await.expect("an answer");
    assert_eq!((invoked.ok, invoked.reply.as_str()), (true, "\"all is well\""));
    let invoked = functions.invoke(bench.place(), &bad, &payload).await.expect("an answer");
    assert!(!invoked.ok && invoked.reply.contains("it is broken"), "a failure is an answer: {invoked:?}");
    let missing = functions.invoke(bench.place(), &none, &payload).await;
    assert!(matches!(missing, Err(PortError { kind: ErrorKind::Missing, .. })), "{missing:?}");
}

/// The code of a function, once no update is being applied.
async fn settled(functions: &dyn Functions, bench: &dyn Bench, name: &str) -> FunctionCodeObserved {
    for _ in 0..300 {
        let seen = functions.code(bench.place(), name).await.expect("an answer").expect("the function");
        if !seen.pending {
            return seen;
        }
        bench.pass(Duration::from_millis(100)).await;
    }
    panic!("the function's update does not end");
}
