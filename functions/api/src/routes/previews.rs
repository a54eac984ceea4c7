//! Previews, and the removal of stages.

use super::params::{body, name, page_of};
use crate::caller::Principal;
use crate::problem::{ApiError, invalid};
use crate::state::Shared;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use flotilla_contract::{ExtendPreview, Page, PreviewView, Problem, RemoveStage, RolloutView, StageView};
use flotilla_domain::access::{Of, Role, Scope};
use flotilla_domain::{ServiceName, StageName};
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::stage::{Extension, StageRemoval};
use serde::Deserialize;
use utoipa::IntoParams;

/// Filters the previews.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PreviewQuery {
    /// Previews of this service.
    pub service: Option<String>,
    /// `next` of the previous page.
    #[param(min_length = 1, max_length = 200)]
    pub cursor: Option<String>,
    /// The maximum number of items: 1 to 100; default: 50.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<usize>,
}

/// Lists the previews that exist, by service and stage. A caller who may view only one service must name it. A page may be short or
/// empty although more pages follow: `next` is absent only on the last page.
#[utoipa::path(get, path = "/v1/previews", tag = "previews", params(PreviewQuery), responses((status = 200, body = Page<PreviewView>)))]
pub async fn list_previews(
    api: Shared,
    Principal(caller): Principal,
    query: Result<Query<PreviewQuery>, QueryRejection>,
) -> Result<Json<Page<PreviewView>>, ApiError> {
    let Query(query) =
        query.map_err(|e| invalid(e.body_text(), "use the parameters that GET /openapi.json lists"))?;
    let service = query.service.map(|text| name(ServiceName::parse(&text))).transpose()?;
    let whose = service.as_ref().map_or(Of::All, Of::One);
    caller.may(Role::Viewer, Scope { service: whose, stage: Of::Any })?;
    let page = page_of(query.cursor, query.limit)?;
    Ok(Json(api.status.previews(service.as_ref(), page).await?))
}

/// Lets a preview end later, by default as late as its profile allows. It never ends earlier than before.
#[utoipa::path(post, path = "/v1/services/{service}/stages/{stage}/extend", tag = "previews", request_body = ExtendPreview,
    responses((status = 200, body = StageView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn extend_preview(
    api: Shared,
    Principal(caller): Principal,
    Path((service, stage)): Path<(String, String)>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<StageView>, ApiError> {
    let extension = body::<ExtendPreview>(bytes)?.hours.map_or(Extension::Longest, Extension::Hours);
    let (service, stage) = (name(ServiceName::parse(&service))?, name(StageName::parse(&stage))?);
    api.commands.extend_preview(&service, &stage, extension, &caller).await?;
    Ok(Json(api.status.stage(&service, &stage).await?))
}

/// Removes a stage: its stacks are deleted in every region, and what is being deployed to it is cancelled. A permanent stage needs an
/// admin, its name a second time, and the name of every resource that holds data.
#[utoipa::path(post, path = "/v1/services/{service}/stages/{stage}/remove", tag = "previews", request_body = RemoveStage,
    responses((status = 202, body = RolloutView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn remove_stage(
    api: Shared,
    Principal(caller): Principal,
    Path((service, stage)): Path<(String, String)>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RolloutView>), ApiError> {
    let request = body::<RemoveStage>(bytes)?;
    let confirm = request.confirm.map(|text| name(StageName::parse(&text))).transpose()?;
    let removal = StageRemoval {
        stage: name(StageName::parse(&stage))?,
        confirm,
        because: request.because,
        allow: AllowedLosses(request.allow),
    };
    let rollout = api.commands.remove_stage(&name(ServiceName::parse(&service))?, &removal, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(api.status.rollout(&rollout.id).await?)))
}
