//! Reads and sets the weight of a region's DNS record.

use crate::deployment::DeploymentController;
use crate::ports::{ErrorKind, Place, PortError, RecordSeen};
use flotilla_domain::deployment::{Deployment, Event, WeightedRecord};
use flotilla_domain::{Cause, Code};
use std::collections::BTreeMap;

impl DeploymentController {
    /// Gives the record the weight 0, if it has its whole weight, and another region has any.
    pub(super) async fn drain(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let Some(record) = &deployment.spec.record else {
            return Ok(Event::WeightSet { change: None, ttl_s: 0 });
        };
        let seen = match self.seen(place, record).await? {
            Ok(seen) => seen,
            Err(cause) => return Ok(Event::Refused(cause)),
        };
        // It was drained before: by this step, whose reply was lost, or by a rollout that failed.
        if seen.weight == 0 {
            return Ok(Event::WeightSet { change: None, ttl_s: seen.ttl_s });
        }
        if seen.weight != record.weight {
            return Ok(Event::Refused(other_weight(record, seen.weight)));
        }
        if seen.others == 0 {
            let what = format!(
                "no other region has traffic: all other records of {} have the weight 0",
                record.name
            );
            let fix = "give another region its traffic back first: flotilla status shows where a rollout has failed";
            return Ok(Event::Refused(unexpected(what, fix)));
        }
        match self.records.set_weight(place, record, seen.weight, 0).await? {
            change @ Some(_) => Ok(Event::WeightSet { change, ttl_s: seen.ttl_s }),
            None => Err(changed_meanwhile()),
        }
    }

    /// Gives the record this share of its weight. One that has a weight that no step has is left alone.
    pub(super) async fn weigh(
        &self,
        record: &WeightedRecord,
        place: &Place,
        percent: u8,
    ) -> Result<Event, PortError> {
        let done = Event::TrafficShifted(BTreeMap::new());
        let seen = match self.seen(place, record).await? {
            Ok(seen) => seen,
            Err(cause) => return Ok(Event::Refused(cause)),
        };
        let wanted = record.at(percent);
        if seen.weight == wanted {
            return Ok(done);
        }
        if seen.weight > record.weight {
            return Ok(Event::Refused(other_weight(record, seen.weight)));
        }
        match self.records.set_weight(place, record, seen.weight, wanted).await? {
            Some(_) => Ok(done),
            None => Err(changed_meanwhile()),
        }
    }

    /// Whether all name servers have the change of the drain.
    pub(super) async fn record_synced(
        &self,
        deployment: &Deployment,
        place: &Place,
    ) -> Result<Event, PortError> {
        let change = deployment.drain.as_ref().and_then(|drain| drain.change.as_ref());
        let is_known = deployment.drain.as_ref().is_some_and(|drain| drain.synced_at.is_some());
        Ok(match change {
            Some(change) if !is_known && !self.records.is_in_sync(place, change).await? => {
                Event::RecordPending
            }
            _ => Event::RecordInSync,
        })
    }

    /// Whether the region is drained already, by a rollout that failed before.
    pub(super) async fn was_drained(
        &self,
        deployment: &Deployment,
        place: &Place,
    ) -> Result<bool, PortError> {
        match &deployment.spec.record {
            Some(record) if deployment.drain.is_none() => {
                let seen = self.records.find(place, record).await?;
                Ok(seen.is_some_and(|seen| seen.weight == 0))
            }
            _ => Ok(false),
        }
    }

    async fn seen(
        &self,
        place: &Place,
        record: &WeightedRecord,
    ) -> Result<Result<RecordSeen, Cause>, PortError> {
        let seen = match self.records.find(place, record).await {
            Err(error) if error.kind == ErrorKind::Missing => None,
            seen => seen?,
        };
        Ok(seen.ok_or_else(|| {
            let fix = "create it with this set identifier and the weight of the profile's traffic";
            unexpected(format!("there is no weighted record {record}"), fix)
        }))
    }
}

fn unexpected(what: String, fix: &str) -> Cause {
    Cause::new(Code::RecordUnexpected, what, fix)
}

fn other_weight(record: &WeightedRecord, weight: u8) -> Cause {
    let what = format!("the record {record} has the weight {weight}, and the profile says {}", record.weight);
    unexpected(what, "give it that weight, or change weight in the profile's traffic")
}

/// The record was changed between two calls: the next step reads it again.
fn changed_meanwhile() -> PortError {
    let text = "the record was changed meanwhile";
    PortError::new(ErrorKind::Transient, "route53:ChangeResourceRecordSets", text)
}
