//! The health of the API.

use crate::problem::ApiError;
use crate::state::Shared;
use axum::Json;
use flotilla_contract::HealthView;

/// Shows `ok` if the table can be read.
#[utoipa::path(get, path = "/v1/health", tag = "health", responses((status = 200, body = HealthView)))]
pub async fn health(api: Shared) -> Result<Json<HealthView>, ApiError> {
    const OPEN: &str = "there are no access grants: every principal that IAM lets call the API may do everything; add [[access]] to the configuration and run flotilla apply";
    let limited = api.status.health().await? || !api.commands.is_open();
    let hints = if limited { Vec::new() } else { vec![OPEN.to_owned()] };
    Ok(Json(HealthView { status: "ok".into(), version: env!("CARGO_PKG_VERSION").into(), hints }))
}
