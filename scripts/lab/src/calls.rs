//! Counts the AWS calls of Flotilla's functions, from the CloudTrail of the emulator.

use crate::World;
use crate::emulator::ACCOUNT;
use crate::error::{Doing, LabError};
use flotilla_cli::http;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The functions that carry out a rollout. `api` only reads, and `cleanup` runs on a schedule.
const COUNTED: [&str; 3] = ["flotilla-ingest", "flotilla-replicate", "flotilla-deploy"];

/// Starts recording. Earlier calls are not counted.
///
/// # Errors
/// The emulator refuses.
pub async fn record(world: &World) -> Result<(), LabError> {
    let url = format!("{}/_ministack/config", world.emulator.endpoint());
    let sent = http::client()
        .build()
        .doing("creating the HTTP client")?
        .post(url)
        .json(&json!({"cloudtrail._recording_enabled": "true"}))
        .send()
        .await;
    sent.and_then(reqwest::Response::error_for_status).doing("switching on CloudTrail").map(drop)
}

/// The calls since the last count, by service. `seen` holds the event IDs of earlier counts.
///
/// # Errors
/// The emulator refuses.
pub async fn count(world: &World, seen: &mut BTreeSet<String>) -> Result<BTreeMap<String, u64>, LabError> {
    let mut counts = BTreeMap::new();
    for (operation, number) in operations(world, seen).await? {
        let service = operation.split(':').next().unwrap_or_default().to_owned();
        *counts.entry(service).or_insert(0) += number;
    }
    Ok(counts)
}

/// The calls since the last count, by operation, such as `s3:CopyObject`.
///
/// # Errors
/// The emulator refuses.
pub async fn operations(
    world: &World,
    seen: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, u64>, LabError> {
    let mut counts = BTreeMap::new();
    let mut regions: Vec<String> = world.regions.clone();
    regions.push(crate::world::HOME.into());
    regions.sort();
    regions.dedup();
    for region in regions {
        // The emulator returns the newest events without pagination: older ones are requested by end time.
        let (mut until, mut looked_at) = (Value::Null, BTreeSet::new());
        loop {
            let page = lookup(world, &region, &until).await?;
            let events = page["Events"].as_array().cloned().unwrap_or_default();
            let known = looked_at.len();
            for event in &events {
                let detail: Value = event["CloudTrailEvent"]
                    .as_str()
                    .and_then(|text| serde_json::from_str(text).ok())
                    .unwrap_or_default();
                let agent = detail["userAgent"].as_str().unwrap_or_default();
                let id = event["EventId"].as_str().unwrap_or_default().to_owned();
                looked_at.insert(id.clone());
                let counted = COUNTED.iter().any(|function| agent.contains(function));
                if counted && seen.insert(id) {
                    let source = event["EventSource"].as_str().unwrap_or_default();
                    let service = source.trim_end_matches(".amazonaws.com");
                    let name = event["EventName"].as_str().unwrap_or_default();
                    *counts.entry(format!("{service}:{name}")).or_insert(0) += 1;
                }
            }
            let Some(oldest) = events.last().filter(|_| looked_at.len() > known) else { break };
            until = oldest["EventTime"].clone();
        }
    }
    Ok(counts)
}

async fn lookup(world: &World, region: &str, until: &Value) -> Result<Value, LabError> {
    let mut body = json!({"MaxResults": 50});
    if !until.is_null() {
        body["EndTime"] = until.clone();
    }
    // The emulator does not check the signature of an administrator's key.
    let credential = format!("{ACCOUNT}/20260101/{region}/cloudtrail/aws4_request");
    let sent = http::client()
        .build()
        .doing("creating the HTTP client")?
        .post(world.emulator.endpoint())
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"),
        )
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents")
        .json(&body)
        .send()
        .await;
    let reply = sent.and_then(reqwest::Response::error_for_status).doing("asking CloudTrail")?;
    reply.json().await.doing("reading CloudTrail's reply")
}
