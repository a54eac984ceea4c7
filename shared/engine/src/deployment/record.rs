//! Reads and sets the weight of a region's DNS record.

use crate::deployment::DeploymentController;
use crate::ports::{ErrorKind, Place, PortError};
use flotilla_domain::Cause;
use flotilla_domain::deployment::{Deployment, Event, RecordSeen, WeightedRecord};
use std::collections::BTreeMap;

impl DeploymentController {
    /// Reads the weight before a drain, and checks that the region may be drained.
    pub(super) async fn weight(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let Some(record) = &deployment.spec.record else {
            return Ok(Event::WeightSeen { weight: 0, ttl_s: 0 });
        };
        let seen = match self.seen(place, record).await? {
            Ok(seen) => seen,
            Err(cause) => return Ok(Event::Refused(cause)),
        };
        Ok(match record.check_before_drain(&seen, deployment.spec.was_drained) {
            Ok(()) => Event::WeightSeen { weight: seen.weight, ttl_s: seen.ttl_s },
            Err(cause) => Event::Refused(cause),
        })
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
        Ok(match record.check_drained(&seen) {
            Ok(()) => Event::WeightSet { change },
            Err(cause) => Event::Refused(cause),
        })
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
        let wanted = match record.next_weight(seen.weight, percent, deployment.drain.as_ref()) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Ok(done),
            Err(cause) => return Ok(Event::Refused(cause)),
        };
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
        Ok(seen.ok_or_else(|| record.not_found()))
    }
}

/// The record was changed between two calls: the next step reads it again.
fn changed_meanwhile() -> PortError {
    let text = "the record was changed meanwhile";
    PortError::new(ErrorKind::Transient, "route53:ChangeResourceRecordSets", text)
}
