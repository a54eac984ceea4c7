//! Gates: approvals, stopped lines, the word that opens everything, and plans.

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
use flotilla_domain::gate::Line;
use flotilla_domain::{Digest, ProfileName, ReleaseId, RolloutId, ServiceName, StageName};
use flotilla_engine::gate::Agreement;
use flotilla_engine::plan::PlanOf;

fn digest(text: Option<&String>) -> Result<Option<Digest>, ApiError> {
    let parsed = text.map(|text| Digest::parse_hex(text)).transpose();
    parsed.map_err(|e| invalid(e.to_string(), "give the digest as the rollout shows it"))
}

fn line(profile: Option<&String>) -> Result<Line, ApiError> {
    let profile = profile.map(|profile| name(ProfileName::parse(profile))).transpose()?;
    Ok(profile.map_or(Line::Everything, Line::Profile))
}

/// Approves the wave that a rollout waits with. The approval is bound to package and plan.
#[utoipa::path(post, path = "/v1/rollouts/{id}/approve", tag = "gates", request_body = Approve,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn approve(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let request = body::<Approve>(bytes)?;
    let agreement = Agreement {
        package: digest(request.package.as_ref())?,
        plan: digest(request.plan.as_ref())?,
        because: request.because,
    };
    let id = name(RolloutId::parse(&id))?;
    api.commands.approve(&id, &agreement, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&id).await?)))
}

/// Opens every gate of one rollout. Who did it and why stays in its timeline.
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

/// Lists the lines that are stopped.
#[utoipa::path(get, path = "/v1/lines", tag = "gates", responses((status = 200, body = Vec<LineView>)))]
pub async fn list_lines(api: Shared) -> Result<Json<Vec<LineView>>, ApiError> {
    Ok(Json(api.status.lines().await?))
}

/// Stops everything, or a profile: nothing is begun that it is about.
#[utoipa::path(post, path = "/v1/lines/stop", tag = "gates", request_body = StopLine,
    responses((status = 200, body = Vec<LineView>), (status = 409, body = Problem)))]
pub async fn stop_line(
    api: Shared,
    Principal(caller): Principal,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<Vec<LineView>>, ApiError> {
    let request = body::<StopLine>(bytes)?;
    api.commands.stop_line(&line(request.profile.as_ref())?, &request.because, &caller).await?;
    Ok(Json(api.status.lines().await?))
}

/// Lets everything, or a profile, go on.
#[utoipa::path(post, path = "/v1/lines/lift", tag = "gates", request_body = LiftLine,
    responses((status = 200, body = Vec<LineView>)))]
pub async fn lift_line(
    api: Shared,
    Principal(caller): Principal,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<Vec<LineView>>, ApiError> {
    let request = body::<LiftLine>(bytes)?;
    api.commands.lift_line(&line(request.profile.as_ref())?, &caller).await?;
    Ok(Json(api.status.lines().await?))
}

/// Plans a rollout without executing anything: the change sets are made, shown and removed.
#[utoipa::path(post, path = "/v1/services/{service}/plan", tag = "rollouts", request_body = PlanRequest,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn plan(
    api: Shared,
    Principal(caller): Principal,
    Path(service): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let request = body::<PlanRequest>(bytes)?;
    let wanted = PlanOf {
        stage: name(StageName::parse(&request.stage))?,
        release: request.release.as_deref().map(|id| name(ReleaseId::parse(id))).transpose()?,
        from: request.from.as_deref().map(|stage| name(StageName::parse(stage))).transpose()?,
    };
    let rollout = api.commands.plan(&name(ServiceName::parse(&service))?, &wanted, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&rollout.id).await?)))
}
