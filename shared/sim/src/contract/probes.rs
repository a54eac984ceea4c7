//! The contract of the probes port.

use super::Bench;
use flotilla_engine::ports::{HttpObserved, Probes};

/// The contract of the probes port.
///
/// # Panics
/// If the network violates it.
pub async fn probes(probes: &dyn Probes, bench: &dyn Bench) {
    let get = async |url: &str| probes.get(url).await.expect("an answer");
    for status in [200, 302, 404, 503] {
        let url = bench.serve(status, "one\ntwo").await;
        let seen = HttpObserved::Answered { status, excerpt: "one two".into() };
        assert_eq!(get(&url).await, seen, "every status is an answer, and no redirect is followed");
        assert_eq!(get(&url).await, seen, "as often as one asks");
    }
    let long = bench.serve(200, &"x".repeat(100_000)).await;
    assert_eq!(get(&long).await, HttpObserved::Answered { status: 200, excerpt: "x".repeat(300) });
    let nobody = get("https://nobody.invalid/").await;
    assert!(
        matches!(nobody, HttpObserved::Unreachable(_)),
        "who does not answer may do so later: {nobody:?}"
    );
}
