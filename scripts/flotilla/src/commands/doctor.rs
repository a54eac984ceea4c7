//! `flotilla doctor`: checks what an installation needs, and names the command that repairs each finding. It only reads.

use super::concurrency::{self, Limits};
use super::install::CONTROL_PLANE;
use super::prepare::{ACCOUNT, REGIONAL, account_of, region};
use super::stacks::{StackState, state};
use crate::api::Api;
use crate::args::{Concurrency, Global};
use crate::error::{CliError, Exit};
use crate::{error_text, home, show};
use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::StateValue;
use console::style;
use flotilla_contract::HealthView;
use flotilla_domain::Region;
use futures::future::join_all;
use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

/// A check: what was checked, what was found, and what to do if that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(check: &str, found: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Ok, found: found.into(), fix: None }
    }

    fn warning(check: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    fn failed(check: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Failed, found: found.into(), fix: Some(fix.into()) }
    }
}

/// An alarm of the control plane that is not OK.
#[derive(Debug, Clone)]
struct RaisedAlarm {
    name: String,
    description: String,
}

/// What was read of an installation.
struct Observed {
    prefix: String,
    control_plane: Option<StackState>,
    roles: Option<StackState>,
    /// The regional stacks that exist.
    regions: Vec<(Region, StackState)>,
    /// The regions that could not be read, and why.
    unreadable: Vec<(Region, String)>,
    /// The number of alarms, and those that are raised.
    alarms: (usize, Vec<RaisedAlarm>),
    limits: Limits,
    /// Why the API does not answer.
    api: Result<(), String>,
}

pub async fn run(global: &Global) -> Result<Exit, CliError> {
    let config = home::load(global).await?;
    let account = account_of(&config).await?;
    let home = home::region_of(&config);
    let observed = observe(global, &config).await?;
    let mut findings = vec![Finding::ok("credentials", format!("account {account}, region {home}"))];
    findings.extend(examine(&observed, &home));
    if global.json {
        show::json(&findings);
    } else {
        print(&findings);
    }
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Failed);
    Ok(if failed { Exit::Failure } else { Exit::Success })
}

fn print(findings: &[Finding]) {
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let verdict = match finding.verdict {
                Verdict::Ok => style("ok").green(),
                Verdict::Warning => style("warning").yellow(),
                Verdict::Failed => style("failed").red(),
            };
            vec![verdict.to_string(), finding.check.clone(), finding.found.clone()]
        })
        .collect();
    show::table(&rows);
    for finding in findings {
        if let Some(fix) = &finding.fix {
            println!("fix: {}: {fix}", finding.check);
        }
    }
}

/// Reads everything, in as few calls as there are stacks.
async fn observe(global: &Global, config: &SdkConfig) -> Result<Observed, CliError> {
    let prefix = &global.prefix;
    let control_plane = state(config, &home::control_plane_stack(prefix), CONTROL_PLANE).await?;
    let roles = state(config, &format!("{prefix}-account"), ACCOUNT).await?;
    let home_region = region(&home::region_of(config))?;
    let candidates = Region::all().filter(|region| region.partition() == home_region.partition());
    let regions = join_all(candidates.map(|region| async move {
        let config = home::in_region(config, region.as_str());
        let found = state(&config, &format!("{prefix}-regional"), REGIONAL).await;
        (region, found)
    }));
    let (mut prepared, mut unreadable) = (Vec::new(), Vec::new());
    for (region, found) in regions.await {
        match found {
            Ok(found) => prepared.extend(found.map(|found| (region, found))),
            Err(error) if home::not_enabled(&error) => {}
            Err(error) => unreadable.push((region, error.to_string())),
        }
    }
    let api = match control_plane.as_ref().and_then(|stack| stack.outputs.get("ApiUrl")) {
        Some(url) => match Api::at(url, config.clone()) {
            Ok(api) => api.get::<HealthView>("/v1/health").await.map(drop).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
        None => Err("the control plane's stack has no API".to_owned()),
    };
    Ok(Observed {
        prefix: prefix.clone(),
        control_plane,
        roles,
        regions: prepared,
        unreadable,
        alarms: alarms(config, prefix).await?,
        limits: concurrency::limits(config).await?,
        api,
    })
}

/// The number of the control plane's alarms, and those that are raised.
async fn alarms(config: &SdkConfig, prefix: &str) -> Result<(usize, Vec<RaisedAlarm>), CliError> {
    let client = aws_sdk_cloudwatch::Client::new(config);
    let found =
        client.describe_alarms().alarm_name_prefix(format!("{prefix}-")).max_records(100).send().await;
    let found = found.map_err(|e| {
        CliError::failed("cannot read the alarms (cloudwatch:DescribeAlarms)", error_text(&e))
    })?;
    let alarms = found.metric_alarms();
    let raised = alarms.iter().filter(|alarm| alarm.state_value() == Some(&StateValue::Alarm));
    let raised = raised.map(|alarm| RaisedAlarm {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        description: alarm.alarm_description().unwrap_or_default().to_owned(),
    });
    Ok((alarms.len(), raised.collect()))
}

/// What there is to say about an installation.
fn examine(observed: &Observed, home: &str) -> Vec<Finding> {
    let regions = observed.regions.iter().map(|(region, _)| region.as_str());
    let regions: Vec<&str> = regions.collect();
    let regions = if regions.is_empty() { "REGIONS".to_owned() } else { regions.join(",") };
    let install = format!("flotilla install --regions {regions}");
    let Some(control_plane) = &observed.control_plane else {
        let found = format!("there is no stack {} in {home}", home::control_plane_stack(&observed.prefix));
        let fix = format!("run {install}, or set --region and --prefix of your control plane");
        return vec![Finding::failed("control plane", found, fix)];
    };
    let mut findings = vec![stack("control plane", Some(control_plane), &install)];
    findings.push(stack("roles of the account", observed.roles.as_ref(), &install));
    if observed.regions.is_empty() {
        findings.push(Finding::failed("regions", "no region is prepared", format!("run {install}")));
    }
    findings.extend(
        observed
            .regions
            .iter()
            .map(|(region, state)| stack(&format!("region {region}"), Some(state), &install)),
    );
    findings.extend(observed.unreadable.iter().map(|(region, error)| {
        let fix = "use credentials that may read the stacks of every enabled region";
        Finding::warning(&format!("region {region}"), error, fix)
    }));
    findings.push(match &observed.api {
        Ok(()) => Finding::ok("API", "answers"),
        Err(error) => {
            Finding::failed("API", error, "read the log of the api function, then the message above")
        }
    });
    findings.push(concurrency(control_plane, observed.limits, &install));
    let (count, raised) = &observed.alarms;
    findings.extend(raised.iter().map(|alarm| {
        Finding::failed(&format!("alarm {}", alarm.name), "is in ALARM", alarm.description.trim())
    }));
    if raised.is_empty() {
        findings.push(Finding::ok("alarms", format!("{count}, none is in ALARM")));
    }
    if control_plane.parameters.get("AlarmTopicArn").is_none_or(String::is_empty) {
        let fix = format!("run {install} --alarm-topic ARN");
        findings.push(Finding::warning("topic of the alarms", "none: nobody is notified", fix));
    }
    findings
}

fn stack(check: &str, state: Option<&StackState>, install: &str) -> Finding {
    match state {
        None => Finding::failed(check, "there is no stack", format!("run {install}")),
        Some(state) if !state.settled => {
            Finding::failed(check, &state.status, format!("run {install}, which repairs it"))
        }
        Some(state) if !state.current => {
            let found = format!("{}, from another version's template", state.status);
            Finding::warning(
                check,
                found,
                format!("run {install} with the command of the version that you want"),
            )
        }
        Some(state) => Finding::ok(check, &state.status),
    }
}

fn concurrency(control_plane: &StackState, limits: Limits, install: &str) -> Finding {
    let parameter = |name: &str| control_plane.parameters.get(name).is_some_and(|value| value == "true");
    let taken = match (parameter("ReserveConcurrency"), parameter("LowConcurrency")) {
        (true, _) => Concurrency::Reserved,
        (_, true) => Concurrency::Low,
        _ => Concurrency::Shared,
    };
    let found = format!("{taken}; the account's limit is {}", limits.limit);
    match taken {
        Concurrency::Low if concurrency::decide(limits) != Concurrency::Low => Finding::warning(
            "concurrency",
            found,
            format!("run {install} --concurrency auto: the limit allows more"),
        ),
        _ => Finding::ok("concurrency", found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled() -> StackState {
        StackState {
            status: "UPDATE_COMPLETE".into(),
            settled: true,
            current: true,
            parameters: [("AlarmTopicArn".to_owned(), "arn".to_owned())].into(),
            outputs: [].into(),
        }
    }

    fn installation() -> Observed {
        Observed {
            prefix: "flotilla".into(),
            control_plane: Some(settled()),
            roles: Some(settled()),
            regions: vec![(Region::parse("eu-central-1").unwrap(), settled())],
            unreadable: Vec::new(),
            alarms: (12, Vec::new()),
            limits: Limits { limit: 1_000, unreserved: 979 },
            api: Ok(()),
        }
    }

    /// The checks that are not OK, with their fixes.
    fn findings(observed: &Observed) -> Vec<(Verdict, String, String)> {
        let findings = examine(observed, "eu-central-1").into_iter();
        let findings = findings.filter(|finding| finding.verdict != Verdict::Ok);
        findings.map(|finding| (finding.verdict, finding.check, finding.fix.unwrap())).collect()
    }

    #[test]
    fn an_installation_that_is_as_it_should_be_has_no_findings() {
        assert_eq!(findings(&installation()), []);
    }

    #[test]
    fn each_finding_names_the_command_that_repairs_it() {
        type Change = fn(&mut Observed);
        let cases: [(Change, Verdict, &str, &str); 10] = [
            (
                |o| o.unreadable = vec![(Region::parse("us-east-1").unwrap(), "AccessDenied".into())],
                Verdict::Warning,
                "region us-east-1",
                "credentials that may read",
            ),
            (|o| o.control_plane = None, Verdict::Failed, "control plane", "--prefix of your"),
            (
                |o| o.roles = None,
                Verdict::Failed,
                "roles of the account",
                "flotilla install --regions eu-central-1",
            ),
            (|o| o.regions.clear(), Verdict::Failed, "regions", "flotilla install --regions REGIONS"),
            (|o| o.regions[0].1.settled = false, Verdict::Failed, "region eu-central-1", "which repairs it"),
            (
                |o| o.roles.as_mut().unwrap().current = false,
                Verdict::Warning,
                "roles of the account",
                "of the version",
            ),
            (|o| o.api = Err("no reply".into()), Verdict::Failed, "API", "log of the api function"),
            (
                |o| {
                    let name = ("LowConcurrency".to_owned(), "true".to_owned());
                    o.control_plane.as_mut().unwrap().parameters.extend([name]);
                },
                Verdict::Warning,
                "concurrency",
                "--concurrency auto",
            ),
            (
                |o| {
                    let (name, description) = ("flotilla-oldest-due".into(), "Check the tick queue.".into());
                    o.alarms.1 = vec![RaisedAlarm { name, description }];
                },
                Verdict::Failed,
                "alarm flotilla-oldest-due",
                "Check the tick queue.",
            ),
            (
                |o| o.control_plane.as_mut().unwrap().parameters.clear(),
                Verdict::Warning,
                "topic of the alarms",
                "--alarm-topic ARN",
            ),
        ];
        for (change, verdict, check, fix) in cases {
            let mut observed = installation();
            change(&mut observed);
            let found = findings(&observed);
            assert!(
                matches!(&found[..], [(v, c, f)] if *v == verdict && c == check && f.contains(fix)),
                "{check}: {found:?}"
            );
        }
    }
}
