//! Whether the API works.

use crate::problem::ApiError;
use crate::state::Shared;
use axum::Json;
use flotilla_contract::HealthView;

/// Answers `ok` when the table answers.
#[utoipa::path(get, path = "/v1/health", tag = "health", responses((status = 200, body = HealthView)))]
pub async fn health(api: Shared) -> Result<Json<HealthView>, ApiError> {
    const OPEN: &str = "nobody has said who may do what: whoever IAM lets in may do everything; put [[access]] into the configuration and flotilla apply it";
    let limited = api.status.health().await?;
    let hints = if limited { Vec::new() } else { vec![OPEN.to_owned()] };
    Ok(Json(HealthView { status: "ok".into(), version: env!("CARGO_PKG_VERSION").into(), hints }))
}
