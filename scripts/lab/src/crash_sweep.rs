//! The crash sweep: runs the same rollout to three regions repeatedly, each time with a fault at another AWS call.
//! Each run must end as it does without a fault.

use crate::emulator::{ACCOUNT, Emulator, kill, program};
use crate::error::{Doing, LabError};
use crate::points::{Call, Kind, Point, Spoil};
use crate::proxy::Proxy;
use crate::samples::zip;
use crate::world::HOME;
use crate::{World, config, report};
use aws_sdk_cloudformation::types::{ResourceStatus, StackEvent};
use aws_sdk_sqs::types::QueueAttributeName;
use flotilla_contract::config::ConfigFile;
use flotilla_contract::{ProfileConfig, RolloutView, TrafficConfig, TrafficStepConfig};
use flotilla_domain::Digest;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The regions of the rollouts.
pub const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-southeast-2"];
const SERVICE: &str = "app";
/// The service whose traffic is shifted, and the stage of its rollouts.
const CANARY: (&str, &str) = ("canary", "production");
const ALIAS: &str = "live";
const QUEUES: [&str; 3] = ["flotilla-intake", "flotilla-replicate", "flotilla-tick"];
/// Visibility timeout of the queues, in seconds. On AWS it is as long as the function may run; here it is short,
/// because a run waits for it after a crash.
const VISIBILITY_S: u32 = 2;
/// Interval of the sweep after the fault. On AWS it is a minute.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// How far ahead the sweep looks for due items, in seconds: longer than the grace period of any item.
const SWEEP_AHEAD_S: u32 = 120;
/// A rollout that takes longer is considered stuck.
const RUN_MAX: Duration = Duration::from_secs(90);
/// Messages that are still in a queue after this time are considered endless.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// A successful run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The AWS calls of the run.
    pub calls: Vec<Call>,
    /// Whether the call of the fault was made. The calls vary a little from run to run.
    pub reached: bool,
    /// Duration of the run.
    pub took: Duration,
}

/// Flotilla on an emulator, with the proxy between the functions and the emulator.
pub struct CrashLab {
    world: World,
    proxy: Proxy,
    runs: u32,
}

impl CrashLab {
    /// Starts the emulator and deploys the stage for updates once.
    ///
    /// # Errors
    /// The first step that failed.
    pub async fn start() -> Result<Self, LabError> {
        let proxy = Proxy::start().await?;
        let emulator = Emulator::start(&program()?, Some(&proxy.endpoint())).await?;
        proxy.forward_to(&emulator);
        let args = ["--step-timeout-s", "10", "--ingest-timeout-s", "10"];
        let world = World::install(emulator, &REGIONS, &args, true).await?;
        world.allow("lambda:ListAliases").await?;
        world.apply(&services()).await?;
        let sqs = aws_sdk_sqs::Client::new(&world.config(HOME));
        for queue in QUEUES {
            let url = queue_url(&sqs, queue).await?;
            let set = sqs.set_queue_attributes().queue_url(url);
            let set = set.attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_S.to_string());
            set.send().await.doing("shortening a queue's visibility timeout")?;
        }
        let mut lab = Self { world, proxy, runs: 0 };
        // What later runs update.
        for kind in [Kind::Update, Kind::Canary] {
            lab.run(kind, None).await?;
        }
        Ok(lab)
    }

    /// The calls of a rollout without a fault.
    ///
    /// # Errors
    /// The rollout does not end as it should.
    pub async fn calls(&mut self, kind: Kind) -> Result<Vec<Call>, LabError> {
        Ok(self.run(kind, None).await?.calls)
    }

    /// Runs one rollout with a fault and checks that it ends as it should.
    ///
    /// # Errors
    /// The first difference. The lab cannot be used for another run after an error.
    pub async fn run_point(&mut self, point: &Point) -> Result<Run, LabError> {
        self.run(point.kind, Some(point.spoil.clone())).await
    }

    async fn run(&mut self, kind: Kind, spoil: Option<Spoil>) -> Result<Run, LabError> {
        self.runs += 1;
        let (package, code) = package(self.runs)?;
        let main = "branch/main".to_owned();
        let (service, git_ref, stage) = match kind {
            Kind::Create => (SERVICE, format!("pr/{}", self.runs), format!("pr-{}", self.runs)),
            Kind::Update => (SERVICE, main, "staging".to_owned()),
            Kind::Canary => (CANARY.0, main, CANARY.1.to_owned()),
        };
        let stack = format!("{service}-{stage}");
        let mut before = BTreeMap::new();
        for region in REGIONS {
            before.insert(region, self.executions(region, &stack).await?);
        }
        // Each run starts with new processes, so that it includes the calls of a cold start.
        self.end_functions();
        self.proxy.arm(spoil);
        let began = Instant::now();
        let key = format!("incoming/{service}/{git_ref}/{}.zip", self.runs);
        let version = self.world.upload(&key, package).await?;
        let rollout = self.end_of(service, &version).await?;
        self.drain().await?;
        let took = began.elapsed();
        let seen = self.proxy.seen();
        if rollout.status != "succeeded" {
            return Err(LabError(format!("the rollout is {}: {rollout:#?}", rollout.status)));
        }
        // A deployment that lost the record of its execution plans again and then finds no changes.
        if let Some(forgotten) = rollout.deployments.iter().find(|d| d.changed != Some(true)) {
            return Err(LabError(format!(
                "a deployment changed its stack and did not record it: {forgotten:#?}"
            )));
        }
        for region in REGIONS {
            let executed = self.executions(region, &stack).await?.saturating_sub(before[region]);
            // What a canary's first rollout creates gets everything at once.
            let expected = if kind == Kind::Canary && before[region] > 0 { 2 } else { 1 };
            if executed != expected {
                return Err(LabError(format!("{executed} change sets were executed in {region}")));
            }
            let runs = report::read_back(&self.world, ACCOUNT, region, &stack).await?;
            if runs.values().ne([&code]) {
                return Err(LabError(format!("{region} runs {runs:?}, expected {code}")));
            }
            if kind == Kind::Canary {
                self.check_alias(region, &stack).await?;
            }
        }
        match seen.failure {
            Some(failure) => Err(LabError(failure)),
            None => Ok(Run { calls: seen.calls, reached: seen.reached, took }),
        }
    }

    /// Waits until the rollout of an upload has ended. After the fault the sweep runs regularly: it finds a tick that
    /// was never sent.
    async fn end_of(&self, service: &str, version: &str) -> Result<RolloutView, LabError> {
        let began = Instant::now();
        let (mut swept, mut rollout) = (began, None::<String>);
        let mut last = String::new();
        while began.elapsed() < RUN_MAX {
            if self.proxy.seen().reached && swept.elapsed() >= SWEEP_EVERY {
                self.world.sweep(json!({"ahead_s": SWEEP_AHEAD_S})).await?;
                swept = Instant::now();
            }
            let patience = Duration::from_millis(500);
            match &rollout {
                None => match self.world.verdict(Some(service), version, patience).await {
                    Ok(upload) if upload.refusal.is_some() => {
                        return Err(LabError(format!("the upload was refused: {:#?}", upload.refusal)));
                    }
                    Ok(upload) => rollout = upload.rollout,
                    Err(error) => last = error.to_string(),
                },
                Some(id) => match self.world.end_of(id, patience).await {
                    Ok(view) => return Ok(view),
                    Err(error) => last = error.to_string(),
                },
            }
        }
        Err(LabError(format!("the rollout did not end within {RUN_MAX:?}: {last}")))
    }

    /// Waits until the queues are empty: messages that are redelivered after the end must not change anything.
    async fn drain(&self) -> Result<(), LabError> {
        use QueueAttributeName as Name;
        let counts = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let sqs = aws_sdk_sqs::Client::new(&self.world.config(HOME));
        let began = Instant::now();
        loop {
            let (mut left, mut dead) = (0, 0);
            for queue in QUEUES {
                for (name, sum) in
                    [(queue.to_owned(), &mut left), (format!("{queue}-dead-letters"), &mut dead)]
                {
                    let asked = sqs.get_queue_attributes().queue_url(queue_url(&sqs, &name).await?);
                    let asked = asked.set_attribute_names(Some(counts.to_vec())).send().await;
                    let attributes = asked.doing("counting messages")?.attributes.unwrap_or_default();
                    *sum += attributes.values().filter_map(|text| text.parse::<u32>().ok()).sum::<u32>();
                }
            }
            if dead > 0 {
                return Err(LabError(format!("{dead} messages are dead letters")));
            }
            if left == 0 {
                return Ok(());
            }
            if began.elapsed() > DRAIN_MAX {
                return Err(LabError(format!("{left} messages are still in the queues after {DRAIN_MAX:?}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Checks that the alias of the stack's function names its newest version alone: no weight is left behind.
    async fn check_alias(&self, region: &str, stack: &str) -> Result<(), LabError> {
        let lambda = aws_sdk_lambda::Client::new(&self.world.config(region));
        let functions = lambda.list_functions().send().await.doing("listing functions")?;
        let names = functions.functions().iter().filter_map(|function| function.function_name());
        let name = names.filter(|name| name.starts_with(stack)).max().unwrap_or_default();
        let alias =
            lambda.get_alias().function_name(name).name(ALIAS).send().await.doing("reading an alias")?;
        let versions = lambda.list_versions_by_function().function_name(name).send().await;
        let versions = versions.doing("listing versions")?;
        let numbers = versions.versions().iter().filter_map(|version| version.version()?.parse::<u64>().ok());
        let newest = numbers.max().map(|number| number.to_string());
        let weights = alias.routing_config().and_then(|routing| routing.additional_version_weights());
        if alias.function_version() != newest.as_deref() || weights.is_some_and(|weights| !weights.is_empty())
        {
            let what = format!("in {region} the newest version is {newest:?}, and the alias is {alias:?}");
            return Err(LabError(what));
        }
        Ok(())
    }

    /// The number of change sets executed on a stack, from its events.
    async fn executions(&self, region: &str, stack: &str) -> Result<usize, LabError> {
        let cfn = aws_sdk_cloudformation::Client::new(&self.world.config(region));
        let mut pages = cfn.describe_stack_events().stack_name(stack).into_paginator().items().send();
        let mut count = 0;
        while let Some(event) = pages.next().await {
            match event {
                Ok(event) => count += usize::from(begins_execution(&event)),
                Err(error) => {
                    let text = flotilla_cli::error_text(&error);
                    if text.contains("does not exist") {
                        return Ok(0);
                    }
                    return Err(LabError(format!("reading the events of {stack}: {text}")));
                }
            }
        }
        Ok(count)
    }

    fn end_functions(&self) {
        for process in self.world.emulator.function_processes() {
            let settings = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            let settings = String::from_utf8_lossy(&settings);
            let is = |name: &str| settings.contains(&format!("AWS_LAMBDA_FUNCTION_NAME=flotilla-{name}\0"));
            if crate::proxy::COUNTED.into_iter().any(is) {
                kill(process);
            }
        }
    }
}

/// The service that is created and updated, and the one whose traffic is shifted.
fn services() -> ConfigFile {
    let regions = REGIONS.map(str::to_owned);
    let mut config = config::for_service(ACCOUNT, SERVICE, "staging", &regions);
    let step = |percent| TrafficStepConfig { percent, lasts: "0s".into(), requests: None };
    let steps = vec![step(5), step(50)];
    let traffic = TrafficConfig { steps, ..TrafficConfig::default() };
    let shifting = ProfileConfig { traffic: Some(traffic), ..config.profiles["demo"].clone() };
    let mut canary = config::for_service(ACCOUNT, CANARY.0, CANARY.1, &regions).services.remove(CANARY.0);
    for service in canary.iter_mut() {
        service.alias = Some(ALIAS.into());
        service.rules.truncate(1);
        service.rules.iter_mut().for_each(|rule| rule.profile = CANARY.0.into());
    }
    config.services.extend(canary.map(|service| (CANARY.0.to_owned(), service)));
    config.profiles.insert(CANARY.0.into(), shifting);
    config
}

fn begins_execution(event: &StackEvent) -> bool {
    let of_stack = event.physical_resource_id() == event.stack_id();
    let begins = [ResourceStatus::CreateInProgress, ResourceStatus::UpdateInProgress];
    of_stack && event.resource_status().is_some_and(|status| begins.contains(status))
}

async fn queue_url(sqs: &aws_sdk_sqs::Client, queue: &str) -> Result<String, LabError> {
    let found = sqs.get_queue_url().queue_name(queue).send().await.doing("finding a queue")?;
    Ok(found.queue_url.unwrap_or_default())
}

/// A package with one function, different for each run, and the digest of the function's code.
fn package(run: u32) -> Result<(Vec<u8>, String), LabError> {
    let code = zip(&[("app.py", format!("def handler(event, context):\n    return {run}\n").into_bytes())])?;
    let template = json!({"Resources": {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}},
        "App": {"Type": "AWS::Lambda::Function", "Properties": {
            "Handler": "app.handler", "Runtime": "python3.12", "Code": "app.zip",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }});
    let digest = Digest::of(&code).to_string();
    let package = zip(&[
        ("flotilla.json", br#"{"flotilla": 1, "template": "template.json"}"#.to_vec()),
        ("template.json", template.to_string().into_bytes()),
        ("app.zip", code),
    ])?;
    Ok((package, digest))
}
