//! Releases brought on and back: promotion, rollback, holds.

use super::params::{body, name};
use crate::caller::Principal;
use crate::problem::ApiError;
use crate::state::Shared;
use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use flotilla_contract::{Hold, LiftHold, Problem, Promote, RollBack, RolloutView, StageView};
use flotilla_domain::{ReleaseId, ServiceName, StageName};
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::{Promotion, Rollback};

fn release(text: Option<&String>) -> Result<Option<ReleaseId>, ApiError> {
    text.map(|text| name(ReleaseId::parse(text))).transpose()
}

/// Promotes the stable release of one stage to another stage: the same bytes.
#[utoipa::path(post, path = "/v1/services/{service}/promote", tag = "rollouts", request_body = Promote,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn promote(
    api: Shared,
    Principal(caller): Principal,
    Path(service): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let request = body::<Promote>(bytes)?;
    let promotion = Promotion {
        from: name(StageName::parse(&request.from))?,
        to: name(StageName::parse(&request.to))?,
        release: release(request.release.as_ref())?,
        because: request.because,
        allow: AllowedLosses(request.allow),
    };
    let rollout = api.commands.promote(&name(ServiceName::parse(&service))?, &promotion, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&rollout.id).await?)))
}

/// Rolls a stage back to an earlier release, by default at all targets at once, and holds the package that it replaces.
#[utoipa::path(post, path = "/v1/services/{service}/rollback", tag = "rollouts", request_body = RollBack,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn roll_back(
    api: Shared,
    Principal(caller): Principal,
    Path(service): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let request = body::<RollBack>(bytes)?;
    let rollback = Rollback {
        stage: name(StageName::parse(&request.stage))?,
        to: release(request.to.as_ref())?,
        by_waves: request.by_waves,
        because: request.because,
        allow: AllowedLosses(request.allow),
    };
    let rollout = api.commands.roll_back(&name(ServiceName::parse(&service))?, &rollback, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&rollout.id).await?)))
}

/// Holds a package at a stage: it is not deployed there until the hold is released.
#[utoipa::path(post, path = "/v1/services/{service}/stages/{stage}/hold", tag = "services", request_body = Hold,
    responses((status = 200, body = StageView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn hold(
    api: Shared,
    Principal(caller): Principal,
    Path((service, stage)): Path<(String, String)>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<StageView>, ApiError> {
    let request = body::<Hold>(bytes)?;
    let (service, stage) = (name(ServiceName::parse(&service))?, name(StageName::parse(&stage))?);
    let release = name(ReleaseId::parse(&request.release))?;
    api.commands.hold(&service, &stage, &release, &request.because, &caller).await?;
    Ok(Json(api.status.stage(&service, &stage).await?))
}

/// Releases the hold of a package, or every hold of the stage.
#[utoipa::path(post, path = "/v1/services/{service}/stages/{stage}/unhold", tag = "services", request_body = LiftHold,
    responses((status = 200, body = StageView), (status = 404, body = Problem)))]
pub async fn unhold(
    api: Shared,
    Principal(caller): Principal,
    Path((service, stage)): Path<(String, String)>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<StageView>, ApiError> {
    let request = body::<LiftHold>(bytes)?;
    let (service, stage) = (name(ServiceName::parse(&service))?, name(StageName::parse(&stage))?);
    let release = release(request.release.as_ref())?;
    api.commands.release_hold(&service, &stage, release.as_ref(), &caller).await?;
    Ok(Json(api.status.stage(&service, &stage).await?))
}
