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
}

impl Counted {
    fn metric(self) -> &'static str {
        match self {
            Self::Invocations => "Invocations",
            Self::Errors => "Errors",
            Self::Slow(_) => "Duration",
        }
    }

    /// The statistic: a sum, or how many values are above a limit ("Trimmed count", Amazon CloudWatch User Guide, "Statistics definitions").
    fn statistic(self) -> String {
        match self {
            Self::Invocations | Self::Errors => "Sum".into(),
            Self::Slow(ms) => format!("TC({ms}:)"),
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

/// The values of at most [`QUERIES_MAX`] queries, by their ids.
async fn values(
    client: &Client,
    queries: &[MetricDataQuery],
    (from, until): (DateTime, DateTime),
    values: &mut HashMap<String, u64>,
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
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counts are positive, and a cast saturates"
            )]
            let sum = result.values().iter().sum::<f64>().round().max(0.0) as u64;
            *values.entry(result.id().unwrap_or_default().to_owned()).or_default() += sum;
        }
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(());
        }
    }
    // What is missing would look like invocations that did not fail.
    Err(PortError::new(ErrorKind::Transient, OPERATION, "CloudWatch returned too many pages"))
}

#[async_trait]
impl Metrics for CloudWatchMetrics {
    async fn counts(
        &self,
        place: &Place,
        versions: &[VersionsMeasured],
        within: Range<Timestamp>,
        slow_ms: Option<u32>,
    ) -> Result<Vec<(Counts, Counts)>, PortError> {
        let client = Client::new(&self.sessions.config(place).await);
        let counted: Vec<Counted> =
            [Counted::Invocations, Counted::Errors].into_iter().chain(slow_ms.map(Counted::Slow)).collect();
        let mut queries = Vec::new();
        for (n, versions) in versions.iter().enumerate() {
            for (which, version) in [("new", &versions.new), ("stable", &versions.stable)] {
                for counted in &counted {
                    let id = id(n, which, *counted);
                    queries.push(query(id, versions, version, *counted));
                }
            }
        }
        let span =
            (DateTime::from_secs(within.start.as_second()), DateTime::from_secs(within.end.as_second()));
        let mut found = HashMap::new();
        for some in queries.chunks(QUERIES_MAX) {
            values(&client, some, span, &mut found).await?;
        }
        let value = |n, which, counted| found.get(&id(n, which, counted)).copied().unwrap_or(0);
        let of = |n, which| Counts {
            invocations: value(n, which, Counted::Invocations),
            errors: value(n, which, Counted::Errors),
            slow: slow_ms.map_or(0, |ms| value(n, which, Counted::Slow(ms))),
        };
        Ok((0..versions.len()).map(|n| (of(n, "new"), of(n, "stable"))).collect())
    }
}

/// The id of a query: it begins with a lower-case letter.
fn id(n: usize, which: &str, counted: Counted) -> String {
    format!("{which}_{n}_{}", counted.metric())
}
