//! What gates ask: CloudWatch's alarms, and services by HTTPS. All of it is as somebody has set it.

use crate::state::Shared;
use async_trait::async_trait;
use flotilla_domain::AlarmState;
use flotilla_engine::ports::{Alarms, HttpSeen, Place, PortError, Probes};
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

/// The fake network: who has not been given an answer does not answer.
pub struct SimProbes(pub Shared);

#[async_trait]
impl Probes for SimProbes {
    async fn get(&self, url: &str) -> Result<HttpSeen, PortError> {
        let nobody = || HttpSeen::Unreachable("nobody is there".into());
        self.0
            .call("https:GET", None, |state| Ok(state.answers.get(url).cloned().unwrap_or_else(nobody)))
            .await
    }
}
