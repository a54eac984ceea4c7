//! The probes' contract.

use super::Bench;
use flotilla_engine::ports::{HttpSeen, Probes};

/// The probes' contract.
///
/// # Panics
/// When the network does something else.
pub async fn probes(probes: &dyn Probes, bench: &dyn Bench) {
    let get = async |url: &str| probes.get(url).await.expect("an answer");
    for status in [200, 302, 404, 503] {
        let url = bench.serve(status, "one\ntwo").await;
        let seen = HttpSeen::Answered { status, excerpt: "one two".into() };
        assert_eq!(get(&url).await, seen, "every status is an answer, and no redirect is followed");
        assert_eq!(get(&url).await, seen, "as often as one asks");
    }
    let long = bench.serve(200, &"x".repeat(100_000)).await;
    assert_eq!(get(&long).await, HttpSeen::Answered { status: 200, excerpt: "x".repeat(300) });
    let nobody = get("https://nobody.invalid/").await;
    assert!(matches!(nobody, HttpSeen::Unreachable(_)), "who does not answer may do so later: {nobody:?}");
}
