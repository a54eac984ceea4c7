//! Access grants and the audit.

use super::params::{ExpectedVersion, body, expected, limit, name, time};
use crate::caller::Principal;
use crate::problem::{ApiError, invalid};
use crate::state::Shared;
use axum::Json;
use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use flotilla_contract::{AccessConfig, AuditEntry, Page, Problem, VersionedAccessConfig, WhoAmIView};
use flotilla_domain::access::{Of, Role, Scope};
use flotilla_domain::{ServiceName, StageName};
use flotilla_engine::access::AuditRequest;
use serde::Deserialize;
use utoipa::IntoParams;

/// Shows who the caller is, which person it counts as, and what it may do.
#[utoipa::path(get, path = "/v1/whoami", tag = "access", responses((status = 200, body = WhoAmIView)))]
pub async fn who_am_i(Principal(caller): Principal) -> Json<WhoAmIView> {
    Json(caller.view())
}

/// Shows the access grants.
#[utoipa::path(get, path = "/v1/access", tag = "configuration", responses((status = 200, body = VersionedAccessConfig), (status = 404, body = Problem)))]
pub async fn get_access(api: Shared) -> Result<Json<VersionedAccessConfig>, ApiError> {
    Ok(Json(api.status.access().await?))
}

/// Replaces the access grants. The caller must remain an admin of everything.
#[utoipa::path(put, path = "/v1/access", tag = "configuration", params(ExpectedVersion), request_body = AccessConfig,
    responses((status = 200, body = VersionedAccessConfig), (status = 400, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn put_access(
    api: Shared,
    Principal(caller): Principal,
    query: Result<Query<ExpectedVersion>, QueryRejection>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<VersionedAccessConfig>, ApiError> {
    api.commands.put_access(&body::<AccessConfig>(bytes)?, expected(query)?, &caller).await?;
    Ok(Json(api.status.access().await?))
}

/// Filters the entries of the audit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Entries from this time on, such as `2026-11-21T00:00:00Z`; default: a week before `to`.
    pub from: Option<String>,
    /// Entries until this time; default: now.
    pub to: Option<String>,
    /// Entries about this service.
    pub service: Option<String>,
    /// Entries about this stage.
    pub stage: Option<String>,
    /// Entries by this principal: its ARN, or a part of it.
    pub principal: Option<String>,
    /// `next` of the previous page.
    #[param(min_length = 1, max_length = 200)]
    pub cursor: Option<String>,
    /// The maximum number of items: 1 to 100; default: 50.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<usize>,
}

/// Lists the commands that principals gave, newest first. A caller who may view only one service must name it. A
/// page may be short or empty although more pages follow: `next` is absent only on the last page.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditQuery), responses((status = 200, body = Page<AuditEntry>)))]
pub async fn list_audit(
    api: Shared,
    Principal(caller): Principal,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let Query(query) =
        query.map_err(|e| invalid(e.body_text(), "use the parameters that GET /openapi.json lists"))?;
    let request = AuditRequest {
        from: time("from", query.from.as_deref())?,
        to: time("to", query.to.as_deref())?,
        service: query.service.map(|text| name(ServiceName::parse(&text))).transpose()?,
        stage: query.stage.map(|text| name(StageName::parse(&text))).transpose()?,
        principal: query.principal,
        cursor: query.cursor,
        limit: limit(query.limit)?,
    };
    let service = request.service.as_ref().map_or(Of::All, Of::One);
    caller.may(Role::Viewer, Scope { service, stage: Of::Any })?;
    Ok(Json(api.status.audit(&request).await?))
}
