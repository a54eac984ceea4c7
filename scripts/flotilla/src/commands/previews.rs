//! `flotilla preview` and `flotilla remove`.

use super::confirm::confirm;
use super::follow::follow;
use super::push::{Ingest, ingest, ref_of, refused, uploaded, wait_for_verdict};
use super::rollouts::{begin, finish};
use crate::api::Api;
use crate::args::{Close, Global, Preview, RemoveStage};
use crate::error::{CliError, Exit};
use crate::{error_text, show};
use flotilla_contract::{ExtendPreview, PreviewView, StageView};

pub async fn run(global: &Global, command: Preview) -> Result<Exit, CliError> {
    match command {
        Preview::List { service } => list(global, service.as_deref()).await,
        Preview::Show { service, stage } => {
            let api = Api::connect(global).await?;
            print(global, &api.get(&format!("/v1/services/{service}/stages/{stage}")).await?)
        }
        Preview::Keep { service, stage } => extend(global, &service, &stage, None).await,
        Preview::Extend { service, stage, hours } => extend(global, &service, &stage, Some(hours)).await,
        Preview::Remove { service, stage, no_follow } => {
            let path = format!("/v1/services/{service}/stages/{stage}/remove");
            begin(global, &path, &flotilla_contract::RemoveStage::default(), no_follow).await
        }
        Preview::Close(args) => close(global, &args).await,
    }
}

async fn list(global: &Global, service: Option<&str>) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let of_service = service.map(|service| format!("&service={service}")).unwrap_or_default();
    let path = format!("/v1/previews?limit=100{of_service}");
    let previews: Vec<PreviewView> = api.list(&path, usize::MAX).await?;
    if global.json {
        show::json(&previews);
        return Ok(Exit::Success);
    }
    if previews.is_empty() {
        println!("there are no previews");
        return Ok(Exit::Success);
    }
    let rows = previews.iter().map(|PreviewView { service, status, stage }| {
        let ends =
            stage.expires_at.as_deref().map_or("-".to_owned(), |at| format!("until {}", show::time(at)));
        let git_ref = stage.git_ref.clone().unwrap_or_else(|| "-".into());
        vec![
            service.clone(),
            stage.stage.clone(),
            git_ref,
            show::status(status).to_string(),
            ends,
            regions(stage),
        ]
    });
    show::table(&rows.collect::<Vec<_>>());
    Ok(Exit::Success)
}

/// The regions of a stage, each once.
fn regions(stage: &StageView) -> String {
    let regions: std::collections::BTreeSet<&str> = stage.targets.iter().map(|t| t.region.as_str()).collect();
    regions.into_iter().collect::<Vec<_>>().join(", ")
}

async fn extend(global: &Global, service: &str, stage: &str, hours: Option<u32>) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let path = format!("/v1/services/{service}/stages/{stage}/extend");
    print(global, &api.post(&path, &ExtendPreview { hours }).await?)
}

fn print(global: &Global, stage: &StageView) -> Result<Exit, CliError> {
    if global.json {
        show::json(stage);
    } else {
        show::stage(stage);
    }
    Ok(Exit::Success)
}

async fn close(global: &Global, args: &Close) -> Result<Exit, CliError> {
    let closed = ref_of(&args.service, &args.git_ref)?;
    let Ingest { config, api, bucket } = ingest(global, args.bucket.as_ref()).await?;
    let key = closed.to_key();
    let put = aws_sdk_s3::Client::new(&config).put_object().bucket(&bucket).key(&key).content_length(0);
    let put = put
        .send()
        .await
        .map_err(|error| CliError::failed(format!("cannot upload to bucket {bucket}"), error_text(&error)))?;
    let version = put.version_id().unwrap_or_default();
    let (Some(api), false) = (api, args.no_follow) else {
        uploaded(global, &bucket, &key, version);
        return Ok(Exit::Success);
    };
    let taken = wait_for_verdict(&api, &closed.service, version).await?;
    if taken.refusal.is_some() {
        return Ok(refused(global, &taken));
    }
    let Some(removal) = &taken.rollout else {
        if global.json {
            show::json(&taken);
        } else {
            println!("nothing to remove: {} has no preview, or was uploaded again since", closed.git_ref);
        }
        return Ok(Exit::Success);
    };
    finish(global, &follow(&api, removal, global.json).await?)
}

pub async fn remove_stage(global: &Global, args: RemoveStage) -> Result<Exit, CliError> {
    let RemoveStage { service, stage, yes, because, allow, no_follow } = args;
    let path = format!("/v1/services/{service}/stages/{stage}");
    let known: StageView = Api::connect(global).await?.get(&path).await?;
    let is_permanent = known.expires_at.is_none();
    if is_permanent && !yes {
        let (stacks, regions) = (known.targets.len(), regions(&known));
        let will = format!("{stacks} stacks of {service}/{stage} in {regions} will be deleted.");
        confirm(&stage, &will, &format!("check what runs there with flotilla status {service}"))?;
    }
    let confirm = is_permanent.then_some(stage);
    let request = flotilla_contract::RemoveStage { confirm, because, allow: allow.into_iter().collect() };
    begin(global, &format!("{path}/remove"), &request, no_follow).await
}
