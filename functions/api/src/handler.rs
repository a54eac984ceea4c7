//! The router and the OpenAPI document that is generated from it.

use crate::authority::authorise;
use crate::console;
use crate::document;
use crate::problem::ApiError;
use crate::routes;
use crate::state::Api;
use axum::routing::get;
use axum::{Json, Router};
use flotilla_domain::{Code, Refusal};
use serde_json::Value;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(info(
    title = "Flotilla",
    description = "Shows what runs where, and changes it. Every request must be signed by an IAM principal (SigV4, service execute-api).",
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Document;

fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(routes::health::health))
        .routes(routes!(routes::access::who_am_i))
        .routes(routes!(routes::console::open_console))
        .routes(routes!(routes::access::get_access, routes::access::put_access))
        .routes(routes!(routes::access::list_audit))
        .routes(routes!(routes::services::list_services))
        .routes(routes!(routes::services::get_service))
        .routes(routes!(routes::services::get_stage))
        .routes(routes!(routes::services::list_releases))
        .routes(routes!(routes::services::list_uploads))
        .routes(routes!(routes::services::list_unrouted_uploads))
        .routes(routes!(routes::configs::get_service_config, routes::configs::put_service_config))
        .routes(routes!(routes::configs::get_profile, routes::configs::put_profile))
        .routes(routes!(routes::configs::put_account))
        .routes(routes!(routes::moves::promote))
        .routes(routes!(routes::moves::roll_back))
        .routes(routes!(routes::moves::hold))
        .routes(routes!(routes::moves::unhold))
        .routes(routes!(routes::previews::list_previews))
        .routes(routes!(routes::previews::extend_preview))
        .routes(routes!(routes::previews::remove_stage))
        .routes(routes!(routes::sets::list_sets))
        .routes(routes!(routes::sets::get_set))
        .routes(routes!(routes::sets::promote_set))
        .routes(routes!(routes::sets::roll_back_set))
        .routes(routes!(routes::sets::cancel_set))
        .routes(routes!(routes::sets::list_consumers))
        .routes(routes!(routes::sets::redeploy_consumers))
        .routes(routes!(routes::gates::plan))
        .routes(routes!(routes::gates::approve))
        .routes(routes!(routes::gates::break_glass))
        .routes(routes!(routes::gates::list_lines))
        .routes(routes!(routes::gates::stop_line))
        .routes(routes!(routes::gates::lift_line))
        .routes(routes!(routes::rollouts::start_rollout))
        .routes(routes!(routes::rollouts::get_rollout))
        .routes(routes!(routes::rollouts::list_events))
        .routes(routes!(routes::rollouts::get_plan))
        .routes(routes!(routes::rollouts::cancel_rollout))
        .routes(routes!(routes::rollouts::pause_rollout))
        .routes(routes!(routes::rollouts::shift_traffic))
        .routes(routes!(routes::rollouts::resume_rollout))
        .routes(routes!(routes::rollouts::retry_rollout))
}

/// The OpenAPI document.
pub fn openapi() -> Value {
    document::complete(&routes().split_for_parts().1)
}

/// The whole API.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let (router, document) = routes().split_for_parts();
    let document = document::complete(&document);
    router
        .route("/openapi.json", get(|| async move { Json(document) }))
        .fallback(|| async {
            ApiError::from(Refusal::new(
                Code::NotFound,
                "there is no such route",
                "use a route that GET /openapi.json lists",
            ))
        })
        // One layer for every route: it refuses unknown callers and callers without the required role.
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&api), authorise))
        .with_state(Arc::clone(&api))
        // Its callers are browsers, which do not sign.
        .merge(console::router(api))
}
