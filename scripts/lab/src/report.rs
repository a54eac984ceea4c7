//! Measures one push: its outcome, its duration and what runs in each region.

use crate::error::{Doing, LabError};
use crate::{World, calls};
use flotilla_contract::{CauseView, RolloutView};
use flotilla_domain::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The report of a push.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The rollout's id.
    pub rollout: String,
    /// The final status of the rollout.
    pub status: String,
    /// The package's digest.
    pub digest: Option<String>,
    /// Time from the start of the upload until the rollout has ended, in ms.
    pub upload_to_done_ms: u128,
    /// The targets.
    pub targets: Vec<TargetReport>,
    /// AWS calls of ingest, replicate and deploy, by service.
    pub calls: BTreeMap<String, u64>,
    /// AWS calls per target.
    pub calls_per_target: BTreeMap<String, f64>,
}

/// The outcome at one target.
#[derive(Debug, Clone, Serialize)]
pub struct TargetReport {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The stack.
    pub stack: String,
    /// The final status of the deployment.
    pub status: String,
    /// Why the deployment failed.
    pub cause: Option<CauseView>,
    /// The `CodeSha256` of each function as Lambda reports it, in hex, by logical ID.
    pub code_sha256: BTreeMap<String, String>,
}

/// Pushes a package and measures the rollout.
///
/// # Errors
/// The package is refused, or the rollout does not end within two minutes.
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

/// Reads what each target of a rollout runs.
///
/// # Errors
/// None at present: a stack that cannot be read has no code in the report.
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

/// Reads the `CodeSha256` of the functions of a stack from Lambda, in hex, by logical ID.
///
/// # Errors
/// CloudFormation or Lambda refuses.
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
                .doing("reading the function")?;
            let digest =
                Digest::parse_base64(seen.code_sha256().unwrap_or_default()).doing("reading CodeSha256")?;
            code.insert(resource.logical_resource_id().unwrap_or_default().to_owned(), digest.to_string());
        }
    }
    Ok(code)
}

/// Invokes the first function of a stack with an empty event; answers its reply.
///
/// # Errors
/// The stack has no function, or the function fails.
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
    let reply = reply.doing("invoking the function")?;
    Ok(reply.payload().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned()).unwrap_or_default())
}
