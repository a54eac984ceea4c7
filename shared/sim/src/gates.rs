//! What gates ask: CloudWatch's alarms. All of it is as somebody has set it.

use crate::state::Shared;
use async_trait::async_trait;
use flotilla_domain::AlarmState;
use flotilla_engine::ports::{Alarms, Place, PortError};
use std::collections::{BTreeMap, BTreeSet};

/// The fake CloudWatch.
pub struct SimAlarms(pub Shared);

#[async_trait]
impl Alarms for SimAlarms {
    async fn states(
        &self,
        place: &Place,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, AlarmState>, PortError> {
        self.0
            .call("cloudwatch:DescribeAlarms", Some(&place.site), |state| {
                let known = names.iter().filter_map(|name| {
                    let found = state.alarms.get(&(place.site.clone(), name.clone()));
                    found.map(|found| (name.clone(), *found))
                });
                Ok(known.collect())
            })
            .await
    }
}
