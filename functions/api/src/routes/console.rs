//! The link that signs a browser in to the console.

use crate::caller::Principal;
use crate::console::Token;
use crate::problem::ApiError;
use crate::state::Shared;
use axum::Json;
use axum::http::{StatusCode, header};
use flotilla_contract::ConsoleLinkView;

/// Makes a link that signs the caller's browser in to the console, once and within a minute. Pages show what the caller may view.
#[utoipa::path(post, path = "/v1/console/links", tag = "access", responses((status = 201, body = ConsoleLinkView)))]
pub async fn open_console(
    api: Shared,
    Principal(caller): Principal,
) -> Result<(StatusCode, [(header::HeaderName, &'static str); 1], Json<ConsoleLinkView>), ApiError> {
    let link = Token::random()?;
    let expires_at = api.commands.open_console(&caller, &link.digest()).await?;
    let view = ConsoleLinkView {
        path: format!("/console/enter?link={}", link.reveal()),
        expires_at: expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)))
}
