//! The crash sweep: one rollout to three regions again and again, each time with another of its AWS calls
//! spoiled. Every run must end as if nothing had happened.

use crate::emulator::{ACCOUNT, Emulator, kill, program};
use crate::error::{Doing, LabError};
use crate::points::{Call, Kind, Point, Spoil};
use crate::proxy::Proxy;
use crate::samples::zip;
use crate::world::HOME;
use crate::{World, config, report};
use aws_sdk_cloudformation::types::{ResourceStatus, StackEvent};
use aws_sdk_sqs::types::QueueAttributeName;
use flotilla_contract::RolloutView;
use flotilla_domain::Digest;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Where the rollouts go.
pub const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-southeast-2"];
const SERVICE: &str = "app";
const QUEUES: [&str; 3] = ["flotilla-intake", "flotilla-replicate", "flotilla-tick"];
/// How long a message stays away after a crash, in seconds. On AWS it is as long as the function may take;
/// here it is all that a run waits for.
const VISIBILITY_S: u32 = 2;
/// How often the sweep runs once a call was spoiled; on AWS it is a minute.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// How far the sweep looks ahead: further than any item's grace.
const SWEEP_AHEAD_S: u32 = 120;
/// A rollout that has not ended by then hangs.
const RUN_MAX: Duration = Duration::from_secs(90);
/// Messages that have not ended by then go round for ever.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// A run that ended well.
#[derive(Debug, Clone)]
pub struct Run {
    /// The calls it made.
    pub calls: Vec<Call>,
    /// Whether the call that was to be spoiled has come: which ones do varies a little.
    pub reached: bool,
    /// How long it took.
    pub took: Duration,
}

/// Flotilla on an emulator, with the proxy between.
pub struct CrashLab {
    world: World,
    proxy: Proxy,
    runs: u32,
}

impl CrashLab {
    /// Starts one, and has the stage that is updated deployed once.
    ///
    /// # Errors
    /// The first step that failed.
    pub async fn start() -> Result<Self, LabError> {
        let proxy = Proxy::start().await?;
        let emulator = Emulator::start(&program()?, Some(&proxy.endpoint())).await?;
        proxy.forward_to(&emulator);
        let args = ["--step-timeout-s", "10", "--ingest-timeout-s", "10"];
        let world = World::install(emulator, &REGIONS, &args, true).await?;
        let regions = REGIONS.map(str::to_owned);
        world.apply(&config::for_service(ACCOUNT, SERVICE, "staging", &regions)).await?;
        let sqs = aws_sdk_sqs::Client::new(&world.config(HOME));
        for queue in QUEUES {
            let url = queue_url(&sqs, queue).await?;
            let set = sqs.set_queue_attributes().queue_url(url);
            let set = set.attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_S.to_string());
            set.send().await.doing("shortening a queue's visibility timeout")?;
        }
        let mut lab = Self { world, proxy, runs: 0 };
        lab.run(Kind::Update, None).await?;
        Ok(lab)
    }

    /// The calls of a rollout that nothing happens to.
    ///
    /// # Errors
    /// When it does not end well.
    pub async fn calls(&mut self, kind: Kind) -> Result<Vec<Call>, LabError> {
        Ok(self.run(kind, None).await?.calls)
    }

    /// One rollout with this call spoiled, and the proof that it ended as it should.
    ///
    /// # Errors
    /// What is not as it should be. The lab is not fit for another run then.
    pub async fn run_point(&mut self, point: &Point) -> Result<Run, LabError> {
        self.run(point.kind, Some(point.spoil.clone())).await
    }

    async fn run(&mut self, kind: Kind, spoil: Option<Spoil>) -> Result<Run, LabError> {
        self.runs += 1;
        let (package, code) = package(self.runs)?;
        let (git_ref, stage) = match kind {
            Kind::Create => (format!("pr/{}", self.runs), format!("pr-{}", self.runs)),
            Kind::Update => ("branch/main".to_owned(), "staging".to_owned()),
        };
        let stack = format!("{SERVICE}-{stage}");
        let mut before = BTreeMap::new();
        for region in REGIONS {
            before.insert(region, self.executions(region, &stack).await?);
        }
        // Each run begins with new processes, so that it makes the calls of a cold start too.
        self.end_functions();
        self.proxy.arm(spoil);
        let began = Instant::now();
        let key = format!("incoming/{SERVICE}/{git_ref}/{}.zip", self.runs);
        let version = self.world.upload(&key, package).await?;
        let rollout = self.end_of(&version).await?;
        self.drain().await?;
        let took = began.elapsed();
        let seen = self.proxy.seen();
        if rollout.status != "succeeded" {
            return Err(LabError(format!("the rollout is {}: {rollout:#?}", rollout.status)));
        }
        // Whoever forgets that it has executed a change set plans again, and then finds nothing to change.
        if let Some(forgotten) = rollout.deployments.iter().find(|d| d.changed != Some(true)) {
            return Err(LabError(format!("a change was made and is not known: {forgotten:#?}")));
        }
        for region in REGIONS {
            let executed = self.executions(region, &stack).await?.saturating_sub(before[region]);
            if executed != 1 {
                return Err(LabError(format!("{executed} change sets were executed in {region}")));
            }
            let runs = report::read_back(&self.world, ACCOUNT, region, &stack).await?;
            if runs.values().ne([&code]) {
                return Err(LabError(format!("{region} runs {runs:?} and not {code}")));
            }
        }
        match seen.failure {
            Some(failure) => Err(LabError(failure)),
            None => Ok(Run { calls: seen.calls, reached: seen.reached, took }),
        }
    }

    /// Waits for the end of an upload's rollout. Once a call was spoiled, the sweep runs as if its time had
    /// come: it is what finds a tick that was never sent.
    async fn end_of(&self, version: &str) -> Result<RolloutView, LabError> {
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
                None => match self.world.verdict(Some(SERVICE), version, patience).await {
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
        Err(LabError(format!("not ended within {RUN_MAX:?}: {last}")))
    }

    /// Waits until no message is left: what is delivered again after the end must change nothing either.
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
                return Err(LabError(format!("{left} messages still go round after {DRAIN_MAX:?}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many change sets were executed on a stack, by its own events.
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

fn begins_execution(event: &StackEvent) -> bool {
    let of_stack = event.physical_resource_id() == event.stack_id();
    let begins = [ResourceStatus::CreateInProgress, ResourceStatus::UpdateInProgress];
    of_stack && event.resource_status().is_some_and(|status| begins.contains(status))
}

async fn queue_url(sqs: &aws_sdk_sqs::Client, queue: &str) -> Result<String, LabError> {
    let found = sqs.get_queue_url().queue_name(queue).send().await.doing("finding a queue")?;
    Ok(found.queue_url.unwrap_or_default())
}

/// A package of one function, different for each run, and what the function's code is.
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
