//! Who asks.

use crate::problem::ApiError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use flotilla_domain::{Code, Refusal};
use flotilla_engine::commands::Caller;
use lambda_http::request::RequestContext;

/// The authenticated principal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Tests put one in; on AWS it comes from the authorizer alone.
        if let Some(principal) = parts.extensions.get::<Principal>() {
            return Ok(principal.clone());
        }
        let context = parts.extensions.get::<RequestContext>();
        let caller = context.and_then(|context| {
            let RequestContext::ApiGatewayV2(context) = context else { return None };
            let iam = context.authorizer.as_ref()?.iam.as_ref()?;
            let principal = iam.user_arn.clone().filter(|arn| !arn.is_empty())?;
            Some(Caller { principal, request_id: context.request_id.clone()? })
        });
        caller.map(Principal).ok_or_else(|| {
            let refusal = Refusal::new(
                Code::NotAuthenticated,
                "the request is not signed by an IAM principal",
                "sign it with SigV4, or use the flotilla command",
            );
            ApiError::Refused(refusal)
        })
    }
}
