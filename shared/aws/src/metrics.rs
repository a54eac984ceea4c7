//! CloudWatch metrics of functions.

use crate::Sessions;
use crate::classify::classify;
use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, StatusCode};
use flotilla_domain::Timestamp;
use flotilla_domain::analysis::Counts;
use flotilla_engine::ports::{ErrorKind, Metrics, Place, PortError, VersionsMeasured};
use std::collections::HashMap;
use std::ops::Range;

const OPERATION: &str = "cloudwatch:GetMetricData";
/// Queries of one call (API reference, `GetMetricData`).
const QUERIES_MAX: usize = 500;
/// Pages of a call, of up to 100,800 values each.
const PAGES_MAX: usize = 10;
/// Seconds that a value counts. Values of longer periods could begin before the time that is asked for.
const PERIOD_S: i32 = 60;

/// CloudWatch.
#[derive(Debug, Clone)]
pub struct CloudWatchMetrics {
    sessions: Sessions,
}

impl CloudWatchMetrics {
    /// CloudWatch, through these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

/// What is counted of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Invocations,
    Errors,
    Slow(u32),
    /// Not counted, but computed of each minute.
    P99,
}

impl Counted {
    fn metric(self) -> &'static str {
        match self {
            Self::Invocations => "Invocations",
            Self::Errors => "Errors",
            Self::Slow(_) | Self::P99 => "Duration",
        }
    }

    /// The statistic: a sum, or how many values are above a limit ("Trimmed count", Amazon CloudWatch User Guide, "Statistics definitions").
    fn statistic(self) -> String {
        match self {
            Self::Invocations | Self::Errors => "Sum".into(),
            Self::Slow(ms) => format!("TC({ms}:)"),
            Self::P99 => "p99".into(),
        }
    }
}

/// The query of one number. The dimensions are those that Lambda gives the invocations of a version by an alias (AWS Lambda Developer Guide,
/// "Types of metrics for Lambda functions").
fn query(id: String, versions: &VersionsMeasured, version: &str, counted: Counted) -> MetricDataQuery {
    let (function, alias) = versions.names();
    let dimension = |name: &str, value: String| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name(counted.metric())
        .dimensions(dimension("FunctionName", function.to_owned()))
        .dimensions(dimension("Resource", format!("{function}:{alias}")))
        .dimensions(dimension("ExecutedVersion", version.to_owned()));
    let stat = MetricStat::builder().metric(metric.build()).period(PERIOD_S).stat(counted.statistic());
    MetricDataQuery::builder().id(id).metric_stat(stat.build()).build()
}

/// The values of queries, by their ids.
type Values = HashMap<String, Vec<f64>>;

/// Reads the values of at most [`QUERIES_MAX`] queries.
async fn read_some(
    client: &Client,
    queries: &[MetricDataQuery],
    (from, until): (DateTime, DateTime),
    values: &mut Values,
) -> Result<(), PortError> {
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let request = client.get_metric_data().set_metric_data_queries(Some(queries.to_vec()));
        let request = request.start_time(from).end_time(until).set_next_token(next);
        let page = request.send().await.map_err(|e| classify(OPERATION, e))?;
        for result in page.metric_data_results() {
            if matches!(result.status_code(), Some(StatusCode::InternalError | StatusCode::Forbidden)) {
                let why =
                    result.messages().first().and_then(|message| message.value()).unwrap_or("no reason");
                return Err(PortError::new(ErrorKind::Transient, OPERATION, why));
            }
            let known = values.entry(result.id().unwrap_or_default().to_owned()).or_default();
            known.extend_from_slice(result.values());
        }
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(());
        }
    }
    // What is missing would look like invocations that did not fail.
    Err(PortError::new(ErrorKind::Transient, OPERATION, "CloudWatch returned too many pages"))
}

impl CloudWatchMetrics {
    async fn read(
        &self,
        place: &Place,
        queries: &[MetricDataQuery],
        within: Range<Timestamp>,
    ) -> Result<Values, PortError> {
        let client = Client::new(&self.sessions.config(place).await);
        let at = |time: Timestamp| DateTime::from_secs(time.as_second());
        let mut values = Values::new();
        for some in queries.chunks(QUERIES_MAX) {
            read_some(&client, some, (at(within.start), at(within.end)), &mut values).await?;
        }
        Ok(values)
    }
}

#[async_trait]
impl Metrics for CloudWatchMetrics {
    async fn counts(
        &self,
        place: &Place,
        versions: &[VersionsMeasured],
        within: Range<Timestamp>,
    ) -> Result<Vec<(Counts, Counts)>, PortError> {
        let mut queries = Vec::new();
        for (n, versions) in versions.iter().enumerate() {
            let slow = versions.slow;
            for (which, version, slow_ms) in [
                ("new", &versions.new, slow.map(|slow| slow.new_ms)),
                ("stable", &versions.stable, slow.map(|slow| slow.stable_ms)),
            ] {
                let counted = [Counted::Invocations, Counted::Errors].into_iter();
                for counted in counted.chain(slow_ms.map(Counted::Slow)) {
                    queries.push(query(id(n, which, counted), versions, version, counted));
                }
            }
        }
        let found = self.read(place, &queries, within).await?;
        let sum = |n, which, counted| {
            found.get(&id(n, which, counted)).map_or(0, |values| whole(values.iter().sum()))
        };
        let of = |n, which| Counts {
            invocations: sum(n, which, Counted::Invocations),
            errors: sum(n, which, Counted::Errors),
            slow: sum(n, which, Counted::Slow(0)),
        };
        Ok((0..versions.len()).map(|n| (of(n, "new"), of(n, "stable"))).collect())
    }

    async fn stable_p99s(
        &self,
        place: &Place,
        versions: &[VersionsMeasured],
        within: Range<Timestamp>,
    ) -> Result<Vec<Option<u32>>, PortError> {
        let of = |(n, versions): (usize, &VersionsMeasured)| {
            query(id(n, "stable", Counted::P99), versions, &versions.stable, Counted::P99)
        };
        let queries: Vec<MetricDataQuery> = versions.iter().enumerate().map(of).collect();
        let mut found = self.read(place, &queries, within).await?;
        let median = |n| {
            let mut values =
                found.remove(&id(n, "stable", Counted::P99)).filter(|values| !values.is_empty())?;
            values.sort_by(f64::total_cmp);
            Some(u32::try_from(whole(values[values.len() / 2])).unwrap_or(u32::MAX).max(1))
        };
        Ok((0..versions.len()).map(median).collect())
    }
}

/// A value that is not negative, rounded.
fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and a cast saturates"
    )]
    let whole = value.round().max(0.0) as u64;
    whole
}

/// The id of a query: it begins with a lower-case letter.
fn id(n: usize, which: &str, counted: Counted) -> String {
    format!("{which}_{n}_{}", counted.metric())
}
