//! Services, their stages, releases and uploads.

use super::params::{PageQuery, name, page};
use crate::problem::ApiError;
use crate::state::Shared;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use flotilla_contract::{Page, Problem, ReleaseView, ServiceStagesView, ServiceView, StageView, UploadView};
use flotilla_domain::{ServiceName, StageName};

type PageResult = Result<Query<PageQuery>, QueryRejection>;

/// Lists the services by name.
#[utoipa::path(get, path = "/v1/services", tag = "services", params(PageQuery), responses((status = 200, body = Page<ServiceView>)))]
pub async fn list_services(api: Shared, query: PageResult) -> Result<Json<Page<ServiceView>>, ApiError> {
    Ok(Json(api.status.services(page(query)?).await?))
}

/// Shows the stages of a service with the release at each target.
#[utoipa::path(get, path = "/v1/services/{service}", tag = "services", responses((status = 200, body = ServiceStagesView), (status = 404, body = Problem)))]
pub async fn get_service(
    api: Shared,
    Path(service): Path<String>,
) -> Result<Json<ServiceStagesView>, ApiError> {
    Ok(Json(api.status.stages(&name(ServiceName::parse(&service))?).await?))
}

/// Shows one stage.
#[utoipa::path(get, path = "/v1/services/{service}/stages/{stage}", tag = "services", responses((status = 200, body = StageView), (status = 404, body = Problem)))]
pub async fn get_stage(
    api: Shared,
    Path((service, stage)): Path<(String, String)>,
) -> Result<Json<StageView>, ApiError> {
    let (service, stage) = (name(ServiceName::parse(&service))?, name(StageName::parse(&stage))?);
    Ok(Json(api.status.stage(&service, &stage).await?))
}

/// Lists the releases of a service, newest first.
#[utoipa::path(get, path = "/v1/services/{service}/releases", tag = "services", params(PageQuery), responses((status = 200, body = Page<ReleaseView>)))]
pub async fn list_releases(
    api: Shared,
    Path(service): Path<String>,
    query: PageResult,
) -> Result<Json<Page<ReleaseView>>, ApiError> {
    Ok(Json(api.status.releases(&name(ServiceName::parse(&service))?, page(query)?).await?))
}

/// Lists the uploads of a service, accepted and refused, newest first.
#[utoipa::path(get, path = "/v1/services/{service}/uploads", tag = "services", params(PageQuery), responses((status = 200, body = Page<UploadView>)))]
pub async fn list_uploads(
    api: Shared,
    Path(service): Path<String>,
    query: PageResult,
) -> Result<Json<Page<UploadView>>, ApiError> {
    Ok(Json(api.status.uploads(Some(&name(ServiceName::parse(&service))?), page(query)?).await?))
}

/// Lists the uploads whose key names no service, newest first.
#[utoipa::path(get, path = "/v1/uploads", tag = "services", params(PageQuery), responses((status = 200, body = Page<UploadView>)))]
pub async fn list_unrouted_uploads(
    api: Shared,
    query: PageResult,
) -> Result<Json<Page<UploadView>>, ApiError> {
    Ok(Json(api.status.uploads(None, page(query)?).await?))
}
