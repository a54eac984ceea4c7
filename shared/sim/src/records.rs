//! Route 53: weighted records, whose changes take a while until all name servers have them.

use crate::checker::records::gives;
use crate::dns::Record;
use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::deployment::{RecordSeen, WeightedRecord};
use flotilla_engine::ports::{ErrorKind, Place, PortError, WeightedRecords};

/// The fake.
pub struct SimRecords(pub Shared);

fn key(record: &WeightedRecord) -> (String, String) {
    (record.zone.clone(), record.name.clone())
}

#[async_trait]
impl WeightedRecords for SimRecords {
    async fn find(&self, _: &Place, record: &WeightedRecord) -> Result<Option<RecordSeen>, PortError> {
        let find = |state: &mut State| {
            let Some(group) = state.dns.records.get(&key(record)) else { return Ok(None) };
            let others = group.iter().filter(|(id, _)| **id != record.set_identifier);
            let others = others.map(|(_, other)| u64::from(other.weight)).sum();
            let seen = group.get(&record.set_identifier);
            Ok(seen.map(|seen| RecordSeen { weight: seen.weight, ttl_s: seen.ttl_s, others }))
        };
        self.0.call("route53:ListResourceRecordSets", None, find).await
    }

    async fn set_weight(
        &self,
        place: &Place,
        record: &WeightedRecord,
        from: u8,
        to: u8,
    ) -> Result<Option<String>, PortError> {
        let set = |state: &mut State| {
            let (now_ms, takes_ms) = (state.now_ms, 1_000 + state.rng.below(59_000));
            let group = state.dns.records.entry(key(record)).or_default();
            let Some(known) = group.get(&record.set_identifier).filter(|known| known.weight == from) else {
                return Ok(None);
            };
            let changed = Record { weight: to, since_ms: now_ms, ..*known };
            group.insert(record.set_identifier.clone(), changed);
            let breach = gives(state, &place.site, record, to);
            state.stacks.breaches.extend(breach);
            let synced_at_ms = now_ms + i64::try_from(takes_ms).unwrap_or(0);
            Ok(Some(state.dns.change(synced_at_ms)))
        };
        self.0.call("route53:ChangeResourceRecordSets", None, set).await
    }

    async fn is_in_sync(&self, _: &Place, change: &str) -> Result<bool, PortError> {
        const OPERATION: &str = "route53:GetChange";
        let read = |state: &mut State| match state.dns.changes.get(change) {
            Some(synced_at_ms) => Ok(state.now_ms >= *synced_at_ms),
            None => Err(PortError::new(ErrorKind::Missing, OPERATION, "NoSuchChange")),
        };
        self.0.call(OPERATION, None, read).await
    }
}
