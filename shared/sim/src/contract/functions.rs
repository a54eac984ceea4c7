//! The functions' contract.

use super::Bench;
use flotilla_domain::Digest;
use flotilla_engine::ports::{FunctionCodeSeen, Functions};
use std::time::Duration;

/// The functions' contract.
///
/// # Panics
/// When Lambda does something else.
pub async fn functions(functions: &dyn Functions, bench: &dyn Bench) {
    let name = format!("{}-function", bench.space());
    let unknown = functions.code(bench.place(), &name).await.expect("an answer");
    assert!(unknown.is_none(), "there is no such function yet: {unknown:?}");
    // Promise 3: what is read back is the digest of the zip, and follows it.
    for code in ["one", "two"] {
        let zip = crate::package(code);
        let digest = Digest::of(&zip);
        bench.make_function(&name, zip.into()).await;
        assert_eq!(settled(functions, bench, &name).await.code_sha256, Some(digest), "code {code}");
    }
    let other = format!("{}-other", bench.space());
    assert!(functions.code(bench.place(), &other).await.expect("an answer").is_none());
}

/// What a function runs, once no update is being applied.
async fn settled(functions: &dyn Functions, bench: &dyn Bench, name: &str) -> FunctionCodeSeen {
    for _ in 0..300 {
        let seen = functions.code(bench.place(), name).await.expect("an answer").expect("the function");
        if !seen.pending {
            return seen;
        }
        bench.pass(Duration::from_millis(100)).await;
    }
    panic!("the function's update does not end");
}
