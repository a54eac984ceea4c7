//! Sets of services, and the services that take outputs of others.

use super::params::{PageQuery, body, body_or_default, name, page};
use crate::caller::Principal;
use crate::problem::ApiError;
use crate::state::Shared;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use flotilla_contract::{
    CancelRollout, ConsumersView, Page, Problem, PromoteSet, RedeployConsumers, RollBackSet, SetView,
};
use flotilla_domain::access::{Of, Role, Scope};
use flotilla_domain::{ServiceName, SetId, StageName};
use flotilla_engine::set::{SetPromotion, SetRollback};

type Accepted = Result<(StatusCode, Json<SetView>), ApiError>;

/// Promotes the stable releases of several services to another stage as one set. Services that take outputs of others
/// follow those. If one rollout does not succeed, all are reverted.
#[utoipa::path(post, path = "/v1/sets/promote", tag = "sets", request_body = PromoteSet,
    responses((status = 202, body = SetView), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn promote_set(
    api: Shared,
    Principal(caller): Principal,
    bytes: Result<Bytes, BytesRejection>,
) -> Accepted {
    let request = body::<PromoteSet>(bytes)?;
    let services = request.services.iter().map(|service| name(ServiceName::parse(service)));
    let promotion = SetPromotion {
        services: services.collect::<Result<_, ApiError>>()?,
        from: name(StageName::parse(&request.from))?,
        to: name(StageName::parse(&request.to))?,
        because: request.because,
    };
    let set = api.commands.promote_set(&promotion, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.set(&set.id).await?)))
}

/// Rolls the services of a set back to what it deployed, or to what ran before it, and holds what they replace.
#[utoipa::path(post, path = "/v1/sets/{id}/rollback", tag = "sets", request_body = RollBackSet,
    responses((status = 202, body = SetView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn roll_back_set(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Accepted {
    let RollBackSet { before, by_waves, because } = body_or_default(bytes)?;
    let rollback = SetRollback { to: name(SetId::parse(&id))?, before, by_waves, because };
    let set = api.commands.roll_back_set(&rollback, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.set(&set.id).await?)))
}

/// Cancels a set: no further rollout of its services begins, and a promotion reverts the services that it changed.
#[utoipa::path(post, path = "/v1/sets/{id}/cancel", tag = "sets", request_body = CancelRollout,
    responses((status = 200, body = SetView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn cancel_set(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<SetView>, ApiError> {
    let CancelRollout { stop_running } = body_or_default(bytes)?;
    let set = api.commands.cancel_set(&name(SetId::parse(&id))?, stop_running, &caller).await?;
    Ok(Json(api.status.set(&set.id).await?))
}

/// Shows a set with the status of its members.
#[utoipa::path(get, path = "/v1/sets/{id}", tag = "sets", responses((status = 200, body = SetView), (status = 404, body = Problem)))]
pub async fn get_set(
    api: Shared,
    Principal(caller): Principal,
    Path(id): Path<String>,
) -> Result<Json<SetView>, ApiError> {
    let set = api.status.set(&name(SetId::parse(&id))?).await?;
    // The view names all members, so the caller must be allowed to view each of them.
    for member in &set.members {
        let service = name(ServiceName::parse(&member.service))?;
        caller.may(Role::Viewer, Scope::something_of(&service))?;
    }
    Ok(Json(set))
}

/// Lists sets, newest first. The caller must be allowed to view all services.
#[utoipa::path(get, path = "/v1/sets", tag = "sets", params(PageQuery), responses((status = 200, body = Page<SetView>)))]
pub async fn list_sets(
    api: Shared,
    Principal(caller): Principal,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<SetView>>, ApiError> {
    let page = page(query)?;
    caller.may(Role::Viewer, Scope { service: Of::All, stage: Of::Any })?;
    Ok(Json(api.status.sets(page).await?))
}

/// Shows the services that take outputs of a service's stage.
#[utoipa::path(get, path = "/v1/services/{service}/stages/{stage}/consumers", tag = "sets", responses((status = 200, body = ConsumersView)))]
pub async fn list_consumers(
    api: Shared,
    Path((service, stage)): Path<(String, String)>,
) -> Result<Json<ConsumersView>, ApiError> {
    let (service, stage) = (name(ServiceName::parse(&service))?, name(StageName::parse(&stage))?);
    Ok(Json(api.status.consumers(&service, &stage).await?))
}

/// Redeploys the services that take outputs of a service's stage, directly or through others, in order.
#[utoipa::path(post, path = "/v1/services/{service}/stages/{stage}/consumers/redeploy", tag = "sets", request_body = RedeployConsumers,
    responses((status = 202, body = SetView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn redeploy_consumers(
    api: Shared,
    Principal(caller): Principal,
    Path((service, stage)): Path<(String, String)>,
    bytes: Result<Bytes, BytesRejection>,
) -> Accepted {
    let (service, stage) = (name(ServiceName::parse(&service))?, name(StageName::parse(&stage))?);
    let request = body_or_default::<RedeployConsumers>(bytes)?;
    let set = api.commands.redeploy_consumers(&service, &stage, request.because.as_deref(), &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.set(&set.id).await?)))
}
