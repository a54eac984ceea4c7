//! Configurations of services, profiles and accounts.

use super::params::{ExpectedVersion, body, expected, name};
use crate::caller::Principal;
use crate::problem::ApiError;
use crate::state::Shared;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use flotilla_contract::{
    AccountConfig, Problem, ProfileConfig, ServiceConfigDoc, VersionedProfileConfig, VersionedServiceConfig,
};
use flotilla_domain::{AccountId, ProfileName, ServiceName};

type Expected = Result<Query<ExpectedVersion>, QueryRejection>;
type Body = Result<Bytes, BytesRejection>;

/// Shows a service's configuration.
#[utoipa::path(get, path = "/v1/services/{service}/config", tag = "configuration", responses((status = 200, body = VersionedServiceConfig), (status = 404, body = Problem)))]
pub async fn get_service_config(
    api: Shared,
    Path(service): Path<String>,
) -> Result<Json<VersionedServiceConfig>, ApiError> {
    Ok(Json(api.status.service_config(&name(ServiceName::parse(&service))?).await?))
}

/// Creates or replaces a service's configuration.
#[utoipa::path(put, path = "/v1/services/{service}/config", tag = "configuration", params(ExpectedVersion), request_body = ServiceConfigDoc,
    responses((status = 200, body = VersionedServiceConfig), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn put_service_config(
    api: Shared,
    Principal(caller): Principal,
    Path(service): Path<String>,
    query: Expected,
    bytes: Body,
) -> Result<Json<VersionedServiceConfig>, ApiError> {
    let service = name(ServiceName::parse(&service))?;
    api.commands.put_service(&service, &body::<ServiceConfigDoc>(bytes)?, expected(query)?, &caller).await?;
    Ok(Json(api.status.service_config(&service).await?))
}

/// Shows a profile.
#[utoipa::path(get, path = "/v1/profiles/{profile}", tag = "configuration", responses((status = 200, body = VersionedProfileConfig), (status = 404, body = Problem)))]
pub async fn get_profile(
    api: Shared,
    Path(profile): Path<String>,
) -> Result<Json<VersionedProfileConfig>, ApiError> {
    Ok(Json(api.status.profile(&name(ProfileName::parse(&profile))?).await?))
}

/// Creates or replaces a profile.
#[utoipa::path(put, path = "/v1/profiles/{profile}", tag = "configuration", params(ExpectedVersion), request_body = ProfileConfig,
    responses((status = 200, body = VersionedProfileConfig), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn put_profile(
    api: Shared,
    Principal(caller): Principal,
    Path(profile): Path<String>,
    query: Expected,
    bytes: Body,
) -> Result<Json<VersionedProfileConfig>, ApiError> {
    let profile = name(ProfileName::parse(&profile))?;
    api.commands.put_profile(&profile, &body::<ProfileConfig>(bytes)?, expected(query)?, &caller).await?;
    Ok(Json(api.status.profile(&profile).await?))
}

/// Registers a target account. The API does not show what was registered.
#[utoipa::path(put, path = "/v1/accounts/{account}", tag = "configuration", params(ExpectedVersion), request_body = AccountConfig,
    responses((status = 204), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn put_account(
    api: Shared,
    Principal(caller): Principal,
    Path(account): Path<String>,
    query: Expected,
    bytes: Body,
) -> Result<StatusCode, ApiError> {
    let account = name(AccountId::parse(&account))?;
    api.commands.put_account(&account, &body::<AccountConfig>(bytes)?, expected(query)?, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
