//! Gates: approvals, freezes, break-glass and plans.

use super::params::{body, name};
use crate::caller::Principal;
use crate::problem::{ApiError, invalid};
use crate::state::Shared;
use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use flotilla_contract::{Approve, Because, LiftLine, LineView, PlanRequest, Problem, RolloutView, StopLine};
use flotilla_domain::gate::FreezeScope;
use flotilla_domain::{Digest, ProfileName, ReleaseId, RolloutId, ServiceName, StageName};
use flotilla_engine::gate::ApprovalRequest;
use flotilla_engine::plan::PlanOptions;

fn digest(text: Option<&String>) -> Result<Option<Digest>, ApiError> {
    let parsed = text.map(|text| Digest::parse_hex(text)).transpose();
    parsed.map_err(|e| invalid(e.to_string(), "give the digest as the rollout shows it"))
}

fn line(profile: Option<&String>) -> Result<FreezeScope, ApiError> {
    let profile = profile.map(|profile| name(ProfileName::parse(profile))).transpose()?;
    Ok(profile.map_or(FreezeScope::Everything, FreezeScope::Profile))
}

/// Approves the wave that a rollout waits to begin. The approval is bound to the package and the plan.
#[utoipa::path(post, path = "/v1/rollouts/{id}/approve", tag = "gates", request_body = Approve,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn approve(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let request = body::<Approve>(bytes)?;
    let agreement = ApprovalRequest {
        package: digest(request.package.as_ref())?,
        plan: digest(request.plan.as_ref())?,
        because: request.because,
    };
    let id = name(RolloutId::parse(&id))?;
    api.commands.approve(&id, &agreement, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&id).await?)))
}

/// Opens every gate of one rollout. The timeline and the audit record who did it, and why.
#[utoipa::path(post, path = "/v1/rollouts/{id}/break-glass", tag = "gates", request_body = Because,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn break_glass(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let Because { because } = body::<Because>(bytes)?;
    let id = name(RolloutId::parse(&id))?;
    api.commands.break_glass(&id, &because, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&id).await?)))
}

/// Lists the freezes.
#[utoipa::path(get, path = "/v1/lines", tag = "gates", responses((status = 200, body = Vec<LineView>)))]
pub async fn list_lines(api: Shared) -> Result<Json<Vec<LineView>>, ApiError> {
    Ok(Json(api.status.lines().await?))
}

/// Freezes everything, or a profile: nothing new begins until it is unfrozen.
#[utoipa::path(post, path = "/v1/lines/stop", tag = "gates", request_body = StopLine,
    responses((status = 200, body = Vec<LineView>), (status = 409, body = Problem)))]
pub async fn stop_line(
    api: Shared,
    Principal(caller): Principal,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<Vec<LineView>>, ApiError> {
    let request = body::<StopLine>(bytes)?;
    api.commands.freeze(&line(request.profile.as_ref())?, &request.because, &caller).await?;
    Ok(Json(api.status.lines().await?))
}

/// Unfreezes everything, or a profile.
#[utoipa::path(post, path = "/v1/lines/lift", tag = "gates", request_body = LiftLine,
    responses((status = 200, body = Vec<LineView>)))]
pub async fn lift_line(
    api: Shared,
    Principal(caller): Principal,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<Vec<LineView>>, ApiError> {
    let request = body::<LiftLine>(bytes)?;
    api.commands.unfreeze(&line(request.profile.as_ref())?, &caller).await?;
    Ok(Json(api.status.lines().await?))
}

/// Plans a rollout without executing anything: the change sets are created, shown and deleted.
#[utoipa::path(post, path = "/v1/services/{service}/plan", tag = "rollouts", request_body = PlanRequest,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn plan(
    api: Shared,
    Principal(caller): Principal,
    Path(service): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let request = body::<PlanRequest>(bytes)?;
    let wanted = PlanOptions {
        stage: name(StageName::parse(&request.stage))?,
        release: request.release.as_deref().map(|id| name(ReleaseId::parse(id))).transpose()?,
        from: request.from.as_deref().map(|stage| name(StageName::parse(stage))).transpose()?,
    };
    let rollout = api.commands.plan(&name(ServiceName::parse(&service))?, &wanted, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&rollout.id).await?)))
}
