//! One push, measured: how it ended, how long it took, what runs in each region.

use crate::error::{Doing, LabError};
use crate::{World, calls};
use flotilla_contract::{CauseView, RolloutView};
use flotilla_domain::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What came of a push.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The rollout's id.
    pub rollout: String,
    /// How it ended.
    pub status: String,
    /// The package's digest.
    pub digest: Option<String>,
    /// From the beginning of the upload until the API says that all is done.
    pub upload_to_done_ms: u128,
    /// The targets.
    pub targets: Vec<TargetReport>,
    /// AWS calls of ingest, replicate and deploy by service.
    pub calls: BTreeMap<String, u64>,
    /// The same for one target.
    pub calls_per_target: BTreeMap<String, f64>,
}

/// What came of it at one target.
#[derive(Debug, Clone, Serialize)]
pub struct TargetReport {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The stack.
    pub stack: String,
    /// How the deployment ended.
    pub status: String,
    /// Why it ended badly.
    pub cause: Option<CauseView>,
    /// What Lambda itself says that each function runs: SHA-256 in hex by logical id.
    pub code_sha256: BTreeMap<String, String>,
}

/// Pushes a package and measures it.
///
/// # Errors
/// When it is refused, or does not end within two minutes.
pub async fn push(world: &World, service: &str, package: Vec<u8>) -> Result<Report, LabError> {
    let mut seen = BTreeSet::new();
    calls::record(world).await?;
    calls::count(world, &mut seen).await?;
    let build = &Digest::of(&package).to_string()[..12];
    let key = format!("incoming/{service}/branch/main/{build}.zip");
    let began = Instant::now();
    let version = world.upload(&key, package).await?;
    let upload = world.verdict(Some(service), &version, Duration::from_secs(60)).await?;
    let Some(rollout) = upload.rollout else {
        return Err(LabError(format!("the upload was refused: {:#?}", upload.refusal)));
    };
    let rollout = world.end_of(&rollout, Duration::from_secs(120)).await?;
    let upload_to_done_ms = began.elapsed().as_millis();
    let calls = calls::count(world, &mut seen).await?;
    let count = rollout.deployments.len().max(1) as f64;
    Ok(Report {
        rollout: rollout.id.clone(),
        status: rollout.status.clone(),
        digest: rollout.digest.clone(),
        upload_to_done_ms,
        targets: targets(world, &rollout).await?,
        calls_per_target: calls
            .iter()
            .map(|(service, n)| (service.clone(), (*n as f64 / count * 10.0).round() / 10.0))
            .collect(),
        calls,
    })
}

/// Reads what every target of a rollout runs.
///
/// # Errors
/// Never at present: a stack that cannot be read has no code.
pub async fn targets(world: &World, rollout: &RolloutView) -> Result<Vec<TargetReport>, LabError> {
    let mut targets = Vec::new();
    for deployment in &rollout.deployments {
        let code_sha256 = read_back(world, &deployment.account, &deployment.region, &deployment.stack)
            .await
            .unwrap_or_default();
        targets.push(TargetReport {
            account: deployment.account.clone(),
            region: deployment.region.clone(),
            stack: deployment.stack.clone(),
            status: deployment.status.clone(),
            cause: deployment.cause.clone(),
            code_sha256,
        });
    }
    Ok(targets)
}

/// Asks Lambda itself what a stack's functions run.
///
/// # Errors
/// When CloudFormation or Lambda refuses.
pub async fn read_back(
    world: &World,
    account: &str,
    region: &str,
    stack: &str,
) -> Result<BTreeMap<String, String>, LabError> {
    let config = world.config_in(account, region);
    let (cfn, lambda) = (aws_sdk_cloudformation::Client::new(&config), aws_sdk_lambda::Client::new(&config));
    let resources =
        cfn.list_stack_resources().stack_name(stack).send().await.doing("listing the stack's resources")?;
    let mut code = BTreeMap::new();
    for resource in resources.stack_resource_summaries() {
        if resource.resource_type() == Some("AWS::Lambda::Function") {
            let name = resource.physical_resource_id().unwrap_or_default();
            let seen = lambda
                .get_function_configuration()
                .function_name(name)
                .send()
                .await
                .doing("asking Lambda")?;
            let digest =
                Digest::parse_base64(seen.code_sha256().unwrap_or_default()).doing("reading CodeSha256")?;
            code.insert(resource.logical_resource_id().unwrap_or_default().to_owned(), digest.to_string());
        }
    }
    Ok(code)
}

/// Calls the first function of a stack with an empty event; answers its reply.
///
/// # Errors
/// When there is none, or it fails.
pub async fn invoke_first(world: &World, region: &str, stack: &str) -> Result<String, LabError> {
    let config = world.config(region);
    let cfn = aws_sdk_cloudformation::Client::new(&config);
    let resources =
        cfn.list_stack_resources().stack_name(stack).send().await.doing("listing the stack's resources")?;
    let function = resources
        .stack_resource_summaries()
        .iter()
        .find(|r| r.resource_type() == Some("AWS::Lambda::Function"));
    let name = function
        .and_then(|r| r.physical_resource_id())
        .ok_or_else(|| LabError("the stack has no function".into()))?;
    let payload = aws_sdk_lambda::primitives::Blob::new("{}");
    let reply =
        aws_sdk_lambda::Client::new(&config).invoke().function_name(name).payload(payload).send().await;
    let reply = reply.doing("calling the function")?;
    Ok(reply.payload().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned()).unwrap_or_default())
}
