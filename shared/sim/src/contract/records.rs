//! The contract of the port of weighted records.

use super::Bench;
use flotilla_domain::deployment::{RecordSeen, WeightedRecord};
use flotilla_engine::ports::WeightedRecords;
use std::time::Duration;

/// The contract of the port of weighted records.
///
/// # Panics
/// If Route 53 violates it.
pub async fn records(records: &dyn WeightedRecords, bench: &dyn Bench) {
    let (place, name) = (bench.place(), format!("{}.example.com", bench.space()));
    let zone = bench.make_records(&name, &[("here", 100), ("there", 60)]).await;
    let record = |set_identifier: &str| WeightedRecord {
        zone: zone.clone(),
        name: name.clone(),
        record_type: "CNAME".into(),
        set_identifier: set_identifier.into(),
        weight: 100,
    };
    let (here, there) = (record("here"), record("there"));
    let seen = async |record: &WeightedRecord| records.find(place, record).await.expect("an answer");
    assert_eq!(seen(&here).await, Some(RecordSeen { weight: 100, ttl_s: 60, others: 60 }));
    assert_eq!(seen(&there).await, Some(RecordSeen { weight: 60, ttl_s: 60, others: 100 }));
    assert_eq!(seen(&record("nowhere")).await, None);

    let set = async |from, to| records.set_weight(place, &here, from, to).await.expect("an answer");
    let change = set(100, 0).await.expect("a change");
    assert_eq!(seen(&here).await, Some(RecordSeen { weight: 0, ttl_s: 60, others: 60 }), "only the weight");
    assert_eq!(set(100, 0).await, None, "it has another weight by now");
    assert_eq!(seen(&there).await.map(|seen| seen.others), Some(0));
    let mut in_sync = false;
    for _ in 0..120 {
        in_sync = records.is_in_sync(place, &change).await.expect("an answer");
        if in_sync {
            break;
        }
        bench.pass(Duration::from_secs(1)).await;
    }
    assert!(in_sync, "all name servers have it within two minutes");
    assert!(set(0, 50).await.is_some());
    assert_eq!(seen(&here).await.map(|seen| seen.weight), Some(50));
}
