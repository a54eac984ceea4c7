//! The caller: the principal that the authorizer authenticated and, behind [`crate::authority`], its grants.

use crate::problem::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use flotilla_domain::{Code, Refusal};
use flotilla_engine::access::Caller;
use lambda_http::request::RequestContext;

/// The principal that signed the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The principal's ARN.
    pub principal: String,
    /// The unique id of the request.
    pub request_id: String,
}

/// The caller with its grants.
#[derive(Debug, Clone)]
pub struct Principal(pub Caller);

fn unknown() -> ApiError {
    ApiError::Refused(Refusal::new(
        Code::NotAuthenticated,
        "the request is not signed by an IAM principal",
        "sign it with SigV4, or use the flotilla command",
    ))
}

impl<S: Send + Sync> FromRequestParts<S> for Signed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Tests insert it as an extension; on AWS it comes only from the authorizer.
        if let Some(signed) = parts.extensions.get::<Self>() {
            return Ok(signed.clone());
        }
        let context = parts.extensions.get::<RequestContext>();
        let signed = context.and_then(|context| {
            let RequestContext::ApiGatewayV2(context) = context else { return None };
            let iam = context.authorizer.as_ref()?.iam.as_ref()?;
            let principal = iam.user_arn.clone().filter(|arn| !arn.is_empty())?;
            Some(Self { principal, request_id: context.request_id.clone()? })
        });
        signed.ok_or_else(unknown)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}
