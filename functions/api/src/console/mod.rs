//! The console: pages that show what runs where. Rendered here as HTML; one style sheet and one small script, both of this origin.
//!
//! A browser cannot sign requests as an IAM principal does. So a principal asks the API for a link ([`crate::routes::console`]), which
//! signs a browser in once and gives it a session cookie. Pages only read, with the grants that the principal has at that moment.

mod fleet;
mod page;
mod rollout;
mod service;
mod token;

pub use token::Token;

use crate::problem::{ApiError, invalid};
use crate::state::{Api, Shared};
use crate::strict::strict;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flotilla_contract::ServiceStagesView;
use flotilla_domain::access::{Of, Role, Scope};
use flotilla_domain::{Code, Refusal, RolloutId, ServiceName};
use flotilla_engine::EngineError;
use flotilla_engine::access::Caller;
use flotilla_engine::console::{SESSION_LIFE, not_signed_in};
use flotilla_engine::status::PageRequest;
use futures::stream::{self, StreamExt, TryStreamExt};
use lambda_http::request::RequestContext;
use page::Notice;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;

/// The first page.
const HOME: &str = "/console/fleet";
/// The session cookie. The prefix has browsers insist on `Secure`, the whole host, and no domain (RFC 6265bis).
const COOKIE: &str = "__Host-flotilla";

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("app.js");
const ICON: &str = include_str!("icon.svg");

/// What every reply of the console says to a browser: nothing from elsewhere, no inline script, not in a frame; no page is kept.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The routes of the console. API Gateway passes only GET requests on to them without a signature.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/console/style.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route("/console/app.js", get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/console/icon.svg", get(|| async { file("image/svg+xml", ICON) }))
        .route("/console/enter", get(enter))
        .route("/console/leave", get(leave))
        .route(HOME, get(show_fleet))
        .route("/console/services/{service}", get(show_service))
        .route("/console/rollouts/{id}", get(show_rollout))
        .route("/console/{*path}", get(nowhere))
        .with_state(api)
        .layer(from_fn(guarded))
}

/// A file, which pages name with its digest.
fn file(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let kept = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, kept)], text)
}

/// Refuses ambiguous requests, and adds the headers.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = match strict(request).await {
        Ok(request) => next.run(request).await,
        Err(error) => Failure(error).into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// An error as a page.
struct Failure(ApiError);

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, refusal) = self.0.explained();
        let (title, text, fix) = (refusal.code.title(), &refusal.message, Some(refusal.fix.as_str()));
        let notice = Notice { title, text, fix, goes_on_to: None };
        (status, page::notice(&notice)).into_response()
    }
}

type Page = Result<Response, Failure>;

/// A browser: the session of its cookie, and the id of its request, for the audit.
struct Browser {
    session: Option<Token>,
    request_id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let request_id = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        };
        let session = token::of_cookie(&parts.headers, COOKIE);
        Ok(Self { session, request_id: request_id.unwrap_or_else(|| "console".into()) })
    }
}

impl Browser {
    /// The caller of its session. Without a token, nothing is read.
    async fn caller(self, api: &Api) -> Result<Caller, Failure> {
        let session = self.session.ok_or_else(not_signed_in)?;
        Ok(api.commands.console_caller(&session.digest(), self.request_id).await?)
    }
}

/// The link that is used. It is in the query, which API Gateway's access log does not have.
#[derive(Debug, Deserialize)]
struct LinkQuery {
    link: String,
}

/// Uses a link up and gives the browser a session. The answer is a page that goes on by itself, not a redirect: browsers send a cookie that is
/// `SameSite=Strict` only if the request comes from a page of this site.
async fn enter(api: Shared, browser: Browser, query: Result<Query<LinkQuery>, QueryRejection>) -> Page {
    let link = query.ok().and_then(|Query(query)| Token::parse(&query.link)).ok_or_else(not_signed_in)?;
    let session = Token::random()?;
    api.commands.enter_console(&link.digest(), &session.digest(), browser.request_id.clone()).await?;
    // The browser forgets the session before. A link that is refused ends none.
    if let Some(before) = browser.session {
        api.commands.leave_console(&before.digest(), browser.request_id).await?;
    }
    let notice = Notice { title: "signed in", text: "the fleet follows", fix: None, goes_on_to: Some(HOME) };
    Ok((cookie(&session, SESSION_LIFE.as_secs()), page::notice(&notice)).into_response())
}

/// Ends the session.
async fn leave(api: Shared, browser: Browser) -> Page {
    let session = browser.session.ok_or_else(not_signed_in)?;
    let ended = api.commands.leave_console(&session.digest(), browser.request_id).await?;
    let text = if ended { "your session has ended" } else { "your session had ended before" };
    let fix = Some("to sign in again: flotilla open");
    let notice = Notice { title: "signed out", text, fix, goes_on_to: None };
    Ok((cookie(&Token::default(), 0), page::notice(&notice)).into_response())
}

/// The header that sets the session cookie for so many seconds.
fn cookie(session: &Token, seconds: i64) -> HeaderMap {
    let text = format!(
        "{COOKIE}={}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict",
        session.reveal()
    );
    let value = HeaderValue::from_str(&text).ok();
    value.map(|value| (header::SET_COOKIE, value)).into_iter().collect()
}

async fn nowhere() -> Failure {
    Refusal::new(Code::NotFound, "there is no such page", "begin at the fleet: /console/fleet").into()
}

/// Services whose stages are read concurrently.
const QUERIES_AT_ONCE: usize = 10;

/// Parameters of the fleet.
#[derive(Debug, Default, Deserialize)]
struct FleetQuery {
    /// Where the previous page ended.
    after: Option<String>,
}

async fn show_fleet(api: Shared, browser: Browser, query: Result<Query<FleetQuery>, QueryRejection>) -> Page {
    let caller = browser.caller(&api).await?;
    let cursor = query.map(|Query(query)| query.after).unwrap_or_default().filter(|after| after.len() <= 200);
    let services = api.status.services(PageRequest { cursor, limit: fleet::SERVICES_MAX }).await?;
    let names = services.items.iter().filter_map(|service| ServiceName::parse(&service.service).ok());
    // Only what the person may see.
    let may_see = |name: &ServiceName| caller.may(Role::Viewer, Scope::something_of(name)).is_ok();
    let names: Vec<ServiceName> = names.filter(may_see).collect();
    let rows: Vec<_> = names.iter().map(|name| api.status.stages(name)).collect();
    let rows: Vec<ServiceStagesView> = stream::iter(rows).buffered(QUERIES_AT_ONCE).try_collect().await?;
    Ok(fleet::page(&caller.principal, &rows, services.next.as_deref()).into_response())
}

async fn show_service(api: Shared, browser: Browser, Path(service): Path<String>) -> Page {
    let caller = browser.caller(&api).await?;
    let service = ServiceName::parse(&service).map_err(|e| invalid(e.to_string(), "correct the name"))?;
    caller.may(Role::Viewer, Scope::something_of(&service)).map_err(EngineError::from)?;
    let newest = || PageRequest { cursor: None, limit: 20 };
    let stages = api.status.stages(&service).await?;
    let releases = api.status.releases(&service, newest()).await?;
    let uploads = api.status.uploads(Some(&service), newest()).await?;
    Ok(service::page(&caller.principal, &stages, &releases.items, &uploads.items).into_response())
}

async fn show_rollout(api: Shared, browser: Browser, Path(id): Path<String>) -> Page {
    let caller = browser.caller(&api).await?;
    let id = RolloutId::parse(&id).map_err(|e| invalid(e.to_string(), "correct the id"))?;
    let rollout = api.status.rollout(&id).await?;
    let service = ServiceName::parse(&rollout.service).ok();
    let scope = Scope { service: service.as_ref().map_or(Of::All, Of::One), stage: Of::Any };
    caller.may(Role::Viewer, scope).map_err(EngineError::from)?;
    let (mut events, mut cursor) = (Vec::new(), None);
    for _ in 0..rollout::EVENT_PAGES_MAX {
        let page = api.status.events(&id, PageRequest { cursor, limit: 100 }).await?;
        events.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    events.reverse();
    Ok(rollout::page(&caller.principal, &rollout, &events, cursor.is_some()).into_response())
}
