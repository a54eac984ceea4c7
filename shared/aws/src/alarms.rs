//! CloudWatch alarms.

use crate::Sessions;
use crate::classify::classify;
use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use flotilla_domain::AlarmState;
use flotilla_engine::ports::{Alarms, ErrorKind, Place, PortError};
use std::collections::{BTreeMap, BTreeSet};

const OPERATION: &str = "cloudwatch:DescribeAlarms";
/// Names in one call, and alarms on one page (API reference, `DescribeAlarms`).
const NAMES_MAX: usize = 100;
/// Most pages for a hundred alarms.
const PAGES_MAX: usize = 5;

/// CloudWatch.
#[derive(Debug, Clone)]
pub struct CloudWatchAlarms {
    sessions: Sessions,
}

impl CloudWatchAlarms {
    /// CloudWatch, through these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

fn state(value: Option<&StateValue>) -> AlarmState {
    match value {
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::Alarm) => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    }
}

/// Adds the states of at most a hundred alarms.
async fn describe(
    client: &Client,
    names: &[String],
    states: &mut BTreeMap<String, AlarmState>,
) -> Result<(), PortError> {
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let request = client
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            // CloudWatch omits composite alarms unless they are requested.
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(100);
        let page = request.set_next_token(next).send().await.map_err(|e| classify(OPERATION, e))?;
        let metric = page.metric_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_value()));
        let composite = page.composite_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_value()));
        for (name, value) in metric.chain(composite) {
            states.insert(name.unwrap_or_default().to_owned(), state(value));
        }
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(());
        }
    }
    // An alarm on a later page would look like one that does not exist.
    Err(PortError::new(ErrorKind::Transient, OPERATION, "CloudWatch returned too many pages"))
}

#[async_trait]
impl Alarms for CloudWatchAlarms {
    async fn states(
        &self,
        place: &Place,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, AlarmState>, PortError> {
        let client = Client::new(&self.sessions.config(place).await);
        let names: Vec<String> = names.iter().cloned().collect();
        let mut states = BTreeMap::new();
        // A call without names would return all alarms.
        for names in names.chunks(NAMES_MAX) {
            describe(&client, names, &mut states).await?;
        }
        Ok(states)
    }
}
