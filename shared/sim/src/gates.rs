//! The fakes that gates read: CloudWatch's alarms, and services by HTTPS. Tests set their state.

use crate::state::Shared;
use async_trait::async_trait;
use flotilla_domain::AlarmState;
use flotilla_engine::ports::{Alarms, HttpObserved, Place, PortError, Probes};
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

/// The fake network: URLs without a configured response are unreachable.
pub struct SimProbes(pub Shared);

#[async_trait]
impl Probes for SimProbes {
    async fn get(&self, url: &str) -> Result<HttpObserved, PortError> {
        let nobody = || HttpObserved::Unreachable("nobody is there".into());
        self.0
            .call("https:GET", None, |state| Ok(state.answers.get(url).cloned().unwrap_or_else(nobody)))
            .await
    }
}
