//! `flotilla promote`, `rollback`, `hold` and `unhold`.

use super::rollouts::begin;
use crate::api::Api;
use crate::args::{Global, Promote, Rollback};
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::{Hold, LiftHold, RollBack, StageView};
use serde::Serialize;

pub async fn promote(global: &Global, args: Promote) -> Result<Exit, CliError> {
    let Promote { services, from, to, release, because, allow, no_follow } = args;
    let service = services.concat();
    let request =
        flotilla_contract::Promote { from, to, release, because, allow: allow.into_iter().collect() };
    begin(global, &format!("/v1/services/{service}/promote"), &request, no_follow).await
}

pub async fn roll_back(global: &Global, args: Rollback) -> Result<Exit, CliError> {
    let Rollback { service, stage, to, by_waves, because, allow, no_follow } = args;
    let request = RollBack { stage, to, by_waves, because, allow: allow.into_iter().collect() };
    begin(global, &format!("/v1/services/{service}/rollback"), &request, no_follow).await
}

pub async fn hold(
    global: &Global,
    service: &str,
    stage: &str,
    release: &str,
    because: &str,
) -> Result<Exit, CliError> {
    let request = Hold { release: release.into(), because: because.into() };
    change(global, &format!("/v1/services/{service}/stages/{stage}/hold"), &request).await
}

pub async fn unhold(
    global: &Global,
    service: &str,
    stage: &str,
    release: Option<String>,
) -> Result<Exit, CliError> {
    let path = format!("/v1/services/{service}/stages/{stage}/unhold");
    change(global, &path, &LiftHold { release }).await
}

/// Changes the holds of a stage and shows the result.
async fn change<B: Serialize>(global: &Global, path: &str, request: &B) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let stage: StageView = api.post(path, request).await?;
    if global.json {
        show::json(&stage);
    } else if stage.holds.is_empty() {
        println!("stage {} has no holds", stage.stage);
    } else {
        show::holds(&stage.holds);
    }
    Ok(Exit::Success)
}
