//! Reads and sets the weight of a region's DNS record.

use crate::deployment::DeploymentController;
use crate::ports::{ErrorKind, Place, PortError, RecordSeen};
use flotilla_domain::deployment::{Deployment, Event, WeightedRecord};
use flotilla_domain::{Cause, Code};
use std::collections::BTreeMap;

/// The longest TTL that a drain waits for, in seconds: an hour.
const TTL_S_MAX: u32 = 3_600;

impl DeploymentController {
    /// Reads the weight before a drain. It has to be that of the profile, or 0 if a rollout has left it so, and another region must have
    /// traffic.
    pub(super) async fn weight(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let Some(record) = &deployment.spec.record else {
            return Ok(Event::WeightSeen { weight: 0, ttl_s: 0 });
        };
        let seen = match self.seen(place, record).await? {
            Ok(seen) => seen,
            Err(cause) => return Ok(Event::Refused(cause)),
        };
        let RecordSeen { weight, ttl_s, others } = seen;
        let was_left = weight == 0 && deployment.spec.was_drained;
        if weight != record.weight && !was_left {
            return Ok(Event::Refused(other_weight(record, weight)));
        }
        if others == 0 && !was_left {
            return Ok(Event::Refused(last_region(record)));
        }
        if ttl_s > TTL_S_MAX {
            let what =
                format!("the record {record} has a TTL of {ttl_s} seconds, which each drain would wait for");
            return Ok(Event::Refused(unexpected(
                what,
                "give it a TTL of an hour at most, such as 60 seconds",
            )));
        }
        Ok(Event::WeightSeen { weight, ttl_s })
    }

    /// Gives the record the weight 0. If others have done so at the same time, and no region has any, it gets its weight back.
    pub(super) async fn drain(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let Some(record) = &deployment.spec.record else { return Ok(Event::WeightSet { change: None }) };
        let before = deployment.drain.as_ref().map_or(record.weight, |drain| drain.before);
        let change = self.records.set_weight(place, record, before, 0).await?;
        let seen = match self.seen(place, record).await? {
            Ok(seen) => seen,
            Err(cause) => return Ok(Event::Refused(cause)),
        };
        if seen.weight != 0 {
            return Ok(Event::Refused(other_weight(record, seen.weight)));
        }
        if seen.others == 0 {
            return Ok(Event::Refused(last_region(record)));
        }
        Ok(Event::WeightSet { change })
    }

    /// Gives the record this share of its weight. One that has another weight than it was given last is left alone.
    pub(super) async fn weigh(
        &self,
        (deployment, record): (&Deployment, &WeightedRecord),
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
        let (given, wanted_last) =
            deployment.drain.as_ref().map_or((0, 0), |drain| (drain.weight, drain.wanted));
        if ![given, wanted_last].contains(&seen.weight) {
            let what = format!("the record {record} has the weight {}, and was given {given}", seen.weight);
            let fix = "find out who changed it, give it the weight of the profile's traffic, then retry the rollout";
            return Ok(Event::Refused(unexpected(what, fix)));
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

fn last_region(record: &WeightedRecord) -> Cause {
    let what = format!("no other region has traffic: all other records of {} have the weight 0", record.name);
    let fix = "give another region its traffic back first: flotilla status shows where a rollout has failed";
    unexpected(what, fix)
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
