//! Rollouts: starting, showing and controlling them.

use super::params::{PageQuery, body, body_or_default, name, page};
use crate::caller::Principal;
use crate::problem::ApiError;
use crate::state::{Api, Shared};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use flotilla_contract::{
    CancelRollout, EventView, Page, PlanView, Problem, RetryRollout, RolloutView, ShiftTraffic, StartRollout,
};
use flotilla_domain::access::{Of, Role, Scope};
use flotilla_domain::rollout::TrafficOrder;
use flotilla_domain::{Code, Refusal, ReleaseId, RolloutId, ServiceName, StageName};
use flotilla_engine::access::Caller;
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::{Control, RetryOptions};

/// Starts a rollout of a release to a stage.
#[utoipa::path(post, path = "/v1/rollouts", tag = "rollouts", request_body = StartRollout,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn start_rollout(
    api: Shared,
    Principal(caller): Principal,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let request = body::<StartRollout>(bytes)?;
    let service = name(ServiceName::parse(&request.service))?;
    let release = name(ReleaseId::parse(&request.release))?;
    let stage = name(StageName::parse(&request.stage))?;
    let rollout =
        api.commands.start(&service, &release, &stage, &AllowedLosses(request.allow), &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&rollout.id).await?)))
}

/// Shows a rollout with its deployments and the causes of failures.
#[utoipa::path(get, path = "/v1/rollouts/{id}", tag = "rollouts", responses((status = 200, body = RolloutView), (status = 404, body = Problem)))]
pub async fn get_rollout(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
) -> Result<Json<RolloutView>, ApiError> {
    let rollout = api.status.rollout(&name(RolloutId::parse(&id))?).await?;
    let service = name(ServiceName::parse(&rollout.service))?;
    caller.may(Role::Viewer, Scope::something_of(&service))?;
    Ok(Json(rollout))
}

/// Shows a rollout's plan: the changes at all its targets, merged into one diff.
#[utoipa::path(get, path = "/v1/rollouts/{id}/plan", tag = "rollouts", responses((status = 200, body = PlanView), (status = 404, body = Problem)))]
pub async fn get_plan(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
) -> Result<Json<PlanView>, ApiError> {
    let id = name(RolloutId::parse(&id))?;
    may_view(&api, &caller, &id).await?;
    Ok(Json(api.status.plan(&id).await?))
}

/// Checks that the caller may view a rollout. Its service is read only for callers who may not view all services.
async fn may_view(api: &Api, caller: &Caller, id: &RolloutId) -> Result<(), ApiError> {
    if caller.may(Role::Viewer, Scope { service: Of::All, stage: Of::Any }).is_err() {
        let service = api.status.service_of(id).await?;
        caller.may(Role::Viewer, Scope::something_of(&service))?;
    }
    Ok(())
}

/// Lists a rollout's timeline, oldest first.
#[utoipa::path(get, path = "/v1/rollouts/{id}/events", tag = "rollouts", params(PageQuery), responses((status = 200, body = Page<EventView>)))]
pub async fn list_events(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<EventView>>, ApiError> {
    let id = name(RolloutId::parse(&id))?;
    let page = page(query)?;
    may_view(&api, &caller, &id).await?;
    Ok(Json(api.status.events(&id, page).await?))
}

/// Cancels a rollout: nothing new begins. Running updates finish, or are cancelled if the body requests it.
#[utoipa::path(post, path = "/v1/rollouts/{id}/cancel", tag = "rollouts", request_body = CancelRollout,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn cancel_rollout(
    api: Shared,
    principal: Principal,
    id: Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let CancelRollout { stop_running } = body_or_default(bytes)?;
    control(api, principal, id, Control::Cancel { stop_running }).await
}

/// Pauses a rollout: nothing new begins until it is resumed.
#[utoipa::path(post, path = "/v1/rollouts/{id}/pause", tag = "rollouts",
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn pause_rollout(
    api: Shared,
    principal: Principal,
    id: Path<String>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    control(api, principal, id, Control::Pause).await
}

/// Resumes a paused rollout.
#[utoipa::path(post, path = "/v1/rollouts/{id}/resume", tag = "rollouts",
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn resume_rollout(
    api: Shared,
    principal: Principal,
    id: Path<String>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    control(api, principal, id, Control::Resume).await
}

/// Sets the share of the new versions while traffic is shifted: 100 percent ends the steps, 0 shifts all traffic back.
#[utoipa::path(post, path = "/v1/rollouts/{id}/traffic", tag = "rollouts", request_body = ShiftTraffic,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn shift_traffic(
    api: Shared,
    principal: Principal,
    id: Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let ShiftTraffic { percent } = body(bytes)?;
    if percent > 100 {
        let what = format!("{percent} percent");
        return Err(Refusal::new(Code::RequestInvalid, what, "give 0 to 100").at("percent").into());
    }
    control(api, principal, id, Control::Traffic(TrafficOrder::of(percent))).await
}

async fn control(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
    control: Control,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let id = name(RolloutId::parse(&id))?;
    api.commands.control(&id, control, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&id).await?)))
}

/// Retries a rollout: starts a new one for the targets that it did not change as asked.
#[utoipa::path(post, path = "/v1/rollouts/{id}/retry", tag = "rollouts", request_body = RetryRollout,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn retry_rollout(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let RetryRollout { skip, accept_drift, force, allow } = body_or_default(bytes)?;
    let id = name(RolloutId::parse(&id))?;
    let word = RetryOptions { skip, accept_drift, force, allow: AllowedLosses(allow) };
    let rollout = api.commands.retry(&id, &word, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&rollout.id).await?)))
}
