//! What each route requires of its caller: one table and one layer. A route without an entry cannot be reached.
//!
//! The layer knows only what the path contains. If the stage becomes known later, from the body or the rollout, the
//! command itself checks the caller again before it saves anything.

use crate::caller::{Principal, Signed};
use crate::problem::ApiError;
use crate::state::Shared;
use crate::strict::strict;
use axum::extract::{MatchedPath, RawPathParams, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use flotilla_domain::access::{Act, Of, Role, Scope};
use flotilla_domain::{ServiceName, StageName};

/// What a route requires of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A signature only.
    Nothing,
    /// The role of a viewer; of the path's service, if the path names one.
    View,
    /// The role that the act needs.
    Do(Act),
}

impl Needs {
    /// The least role that is sufficient; `None` if no grant is needed.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Nothing => None,
            Self::View => Some(Role::Viewer),
            Self::Do(act) => Some(act.role()),
        }
    }
}

/// Every route.
pub const ROUTES: &[(Method, &str, Needs)] = &[
    (Method::GET, "/openapi.json", Needs::View),
    (Method::GET, "/v1/health", Needs::View),
    (Method::GET, "/v1/whoami", Needs::Nothing),
    (Method::POST, "/v1/console/links", Needs::Do(Act::OpenConsole)),
    (Method::GET, "/v1/audit", Needs::View),
    (Method::GET, "/v1/access", Needs::View),
    (Method::PUT, "/v1/access", Needs::Do(Act::PutAccess)),
    (Method::PUT, "/v1/accounts/{account}", Needs::Do(Act::PutAccount)),
    (Method::GET, "/v1/profiles/{profile}", Needs::View),
    (Method::PUT, "/v1/profiles/{profile}", Needs::Do(Act::PutProfile)),
    (Method::GET, "/v1/services", Needs::View),
    (Method::GET, "/v1/services/{service}", Needs::View),
    (Method::GET, "/v1/services/{service}/config", Needs::View),
    (Method::PUT, "/v1/services/{service}/config", Needs::Do(Act::PutService)),
    (Method::GET, "/v1/services/{service}/releases", Needs::View),
    (Method::GET, "/v1/services/{service}/uploads", Needs::View),
    (Method::GET, "/v1/services/{service}/stages/{stage}", Needs::View),
    (Method::POST, "/v1/services/{service}/stages/{stage}/hold", Needs::Do(Act::Hold)),
    (Method::POST, "/v1/services/{service}/stages/{stage}/unhold", Needs::Do(Act::LiftHold)),
    (Method::GET, "/v1/previews", Needs::View),
    (Method::POST, "/v1/services/{service}/stages/{stage}/extend", Needs::Do(Act::ExtendPreview)),
    (Method::POST, "/v1/services/{service}/stages/{stage}/remove", Needs::Do(Act::RemovePreview)),
    (Method::POST, "/v1/services/{service}/plan", Needs::Do(Act::Plan)),
    (Method::POST, "/v1/services/{service}/promote", Needs::Do(Act::Promote)),
    (Method::POST, "/v1/services/{service}/rollback", Needs::Do(Act::RollBack)),
    (Method::GET, "/v1/services/{service}/stages/{stage}/consumers", Needs::View),
    (Method::POST, "/v1/services/{service}/stages/{stage}/consumers/redeploy", Needs::Do(Act::Start)),
    (Method::GET, "/v1/sets", Needs::View),
    (Method::POST, "/v1/sets/promote", Needs::Do(Act::Promote)),
    (Method::GET, "/v1/sets/{id}", Needs::View),
    (Method::POST, "/v1/sets/{id}/cancel", Needs::Do(Act::Cancel)),
    (Method::POST, "/v1/sets/{id}/rollback", Needs::Do(Act::RollBack)),
    (Method::GET, "/v1/uploads", Needs::View),
    (Method::POST, "/v1/rollouts", Needs::Do(Act::Start)),
    (Method::GET, "/v1/rollouts/{id}", Needs::View),
    (Method::GET, "/v1/rollouts/{id}/events", Needs::View),
    (Method::GET, "/v1/rollouts/{id}/plan", Needs::View),
    (Method::POST, "/v1/rollouts/{id}/cancel", Needs::Do(Act::Cancel)),
    (Method::POST, "/v1/rollouts/{id}/pause", Needs::Do(Act::Pause)),
    (Method::POST, "/v1/rollouts/{id}/resume", Needs::Do(Act::Resume)),
    (Method::POST, "/v1/rollouts/{id}/traffic", Needs::Do(Act::ShiftTraffic)),
    (Method::POST, "/v1/rollouts/{id}/retry", Needs::Do(Act::Retry)),
    (Method::POST, "/v1/rollouts/{id}/approve", Needs::Do(Act::Approve)),
    (Method::POST, "/v1/rollouts/{id}/break-glass", Needs::Do(Act::BreakGlass)),
    (Method::GET, "/v1/lines", Needs::View),
    (Method::POST, "/v1/lines/stop", Needs::Do(Act::Freeze)),
    (Method::POST, "/v1/lines/lift", Needs::Do(Act::Unfreeze)),
];

fn needs(method: &Method, path: &str) -> Option<Needs> {
    // A HEAD request requires the same as a GET request.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    ROUTES.iter().find(|(known, route, _)| known == method && *route == path).map(|(.., needs)| *needs)
}

/// The methods of a route.
fn methods(path: &str) -> String {
    let methods = ROUTES.iter().filter(|(_, route, _)| *route == path).map(|(method, ..)| method.as_str());
    methods.collect::<Vec<_>>().join(", ")
}

/// Passes a request on to its route if the caller has the required role.
///
/// # Errors
/// Refuses a request whose caller is unknown or lacks the role.
pub async fn authorise(
    api: Shared,
    Signed { principal, request_id }: Signed,
    params: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        // No route matches; the fallback answers.
        return Ok(next.run(strict(request).await?).await);
    };
    let needs = needs(request.method(), path.as_str())
        .ok_or_else(|| ApiError::MethodNotAllowed { allowed: methods(path.as_str()) })?;
    let mut request = strict(request).await?;
    let named = |wanted: &str| {
        let params = params.as_ref().ok()?;
        params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    };
    // The route itself refuses an invalid name.
    let service = named("service").and_then(|text| ServiceName::parse(text).ok());
    let stage = named("stage").and_then(|text| StageName::parse(text).ok());
    let service = service.as_ref().map_or(Of::Any, Of::One);
    let caller = api.commands.caller(principal, request_id).await?;
    match needs {
        Needs::Nothing => {}
        Needs::View => caller.may(Role::Viewer, Scope { service, stage: Of::Any })?,
        Needs::Do(act) => {
            let stage = stage.as_ref().map_or(Of::Any, Of::One);
            api.commands.check(&caller, act, Scope { service, stage }).await?;
        }
    }
    request.extensions_mut().insert(Principal(caller));
    Ok(next.run(request).await)
}
