//! The contract of the port of API mappings.

use super::Bench;
use flotilla_engine::ports::{ApiMappings, ErrorKind, PortError};

/// The contract of the port of API mappings.
///
/// # Panics
/// If API Gateway violates it.
pub async fn api_mappings(mappings: &dyn ApiMappings, bench: &dyn Bench) {
    let (place, domain) = (bench.place(), format!("{}.example.com", bench.space()));
    let kind = |error: PortError| error.kind;
    let nowhere = mappings.find(place, &domain, "").await.map_err(kind);
    assert_eq!(nowhere, Err(ErrorKind::Missing), "the domain does not exist");
    bench.make_domain(&domain).await;
    let [blue, green] = [bench.make_api("blue").await, bench.make_api("green").await];

    // A domain has one mapping of each path; the whole domain is the path without a name.
    for path in ["", "orders", "orders/v1"] {
        assert_eq!(mappings.find(place, &domain, path).await.expect("an answer"), None, "{path:?}");
        mappings.create(place, &domain, path, &blue).await.expect("a mapping");
        let again = mappings.create(place, &domain, path, &green).await.map_err(kind);
        assert_eq!(again, Err(ErrorKind::Transient), "{path:?} exists");
        let seen = mappings.find(place, &domain, path).await.expect("an answer").expect("the mapping");
        assert_eq!(seen.points_at, blue, "{path:?}");
    }

    let orders = mappings.find(place, &domain, "orders").await.expect("an answer").expect("the mapping");
    for to in [&green, &green, &blue, &green] {
        mappings.update(place, &domain, &orders.id, to).await.expect("it may be repeated");
        let seen = mappings.find(place, &domain, "orders").await.expect("an answer").expect("the mapping");
        assert_eq!((&seen.id, &seen.points_at), (&orders.id, to));
    }
    let whole = mappings.find(place, &domain, "").await.expect("an answer").expect("the mapping");
    assert_eq!(whole.points_at, blue, "the others stay");

    for _ in 0..2 {
        mappings.delete(place, &domain, &orders.id).await.expect("it may be repeated");
        assert_eq!(mappings.find(place, &domain, "orders").await.expect("an answer"), None);
    }
    let gone = mappings.update(place, &domain, &orders.id, &blue).await.map_err(kind);
    assert_eq!(gone, Err(ErrorKind::Missing), "it was deleted");
}
