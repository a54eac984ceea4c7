//! CloudWatch alarms of one account-region.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::AlarmState;
use std::collections::{BTreeMap, BTreeSet};

/// CloudWatch.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// The states of metric and composite alarms, by name. An alarm that does not exist is absent.
    async fn states(
        &self,
        place: &Place,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, AlarmState>, PortError>;
}
