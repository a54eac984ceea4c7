//! Errors as problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flotilla_contract::{CurrentState, Problem};
use flotilla_domain::{Code, Refusal};
use flotilla_engine::{Conflict, Current, EngineError};

/// The error of a request.
#[derive(Debug)]
pub enum ApiError {
    /// The request is refused.
    Refused(Refusal),
    /// A use case failed.
    Engine(EngineError),
    /// The route has other methods.
    MethodNotAllowed {
        /// The methods of the route, as the header `allow` lists them.
        allowed: String,
    },
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(refusal) => Self::Refused(refusal),
            other => Self::Engine(other),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The error of an invalid request: `what` is wrong with it, and the fix.
pub fn invalid(what: impl Into<String>, fix: &str) -> ApiError {
    ApiError::Refused(Refusal::new(Code::RequestInvalid, what, fix))
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::NotAuthenticated | Code::Forbidden | Code::OwnApproval => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::Conflict | Code::PlanChanged => StatusCode::CONFLICT,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::RequestInvalid | Code::ConfigInvalid | Code::RegionUnknown => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn current_state(current: Current) -> CurrentState {
    let text = |id: flotilla_domain::RolloutId| id.to_string();
    match current {
        Current::Rollout { id, state, package, plan } => CurrentState {
            rollout: Some(text(id)),
            status: Some(state.into()),
            package: package.map(|digest| digest.to_string()),
            plan: plan.map(|digest| digest.to_string()),
            ..CurrentState::default()
        },
        Current::Stage { newest, active, queued } => CurrentState {
            rollout: newest.map(text),
            active: active.map(text),
            queued: queued.map(text),
            ..CurrentState::default()
        },
        Current::Set { id, state } => {
            CurrentState { set: Some(id.to_string()), status: Some(state.into()), ..CurrentState::default() }
        }
        Current::Config { version, changed_by } => {
            CurrentState { version: Some(version), changed_by, ..CurrentState::default() }
        }
    }
}

impl ApiError {
    /// Its status and what it says, without the current state.
    pub fn explained(self) -> (StatusCode, Refusal) {
        let (refusal, ..) = self.parts();
        (status(refusal.code), refusal)
    }

    /// What it says; the state that conflicts with the request; the methods that are allowed.
    fn parts(self) -> (Refusal, Option<CurrentState>, Option<HeaderValue>) {
        let (mut current, mut allow) = (None, None);
        let refusal = match self {
            Self::Refused(refusal) => refusal,
            Self::MethodNotAllowed { allowed } => {
                let fix = format!("use one of its methods: {allowed}");
                allow = HeaderValue::from_str(&allowed).ok();
                Refusal::new(Code::MethodNotAllowed, "the route does not support this method", fix)
            }
            Self::Engine(EngineError::Conflict(conflict)) => {
                let Conflict { refusal, current: found } = *conflict;
                current = Some(current_state(found));
                refusal
            }
            Self::Engine(EngineError::Contended) => Refusal::new(
                Code::Conflict,
                "other requests kept changing the same item",
                "send the request again",
            ),
            Self::Engine(error) => {
                // The caller must not see internal errors; the log has them.
                tracing::error!("the request failed: {error}");
                Refusal::new(
                    Code::Unavailable,
                    "an internal error occurred",
                    "send the request again; if the error persists, read the log of the api function",
                )
            }
        };
        (refusal, current, allow)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (refusal, current, allow) = self.parts();
        let status = status(refusal.code);
        let problem = Problem {
            kind: format!("urn:flotilla:error:{}", refusal.code),
            title: refusal.code.title().into(),
            status: status.as_u16(),
            detail: refusal.message,
            code: refusal.code.to_string(),
            fix: refusal.fix,
            path: refusal.path,
            current,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}
