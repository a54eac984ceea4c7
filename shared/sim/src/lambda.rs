//! Lambda: a function runs the code that CloudFormation gave it, unless a test changes it.

use crate::state::Shared;
use async_trait::async_trait;
use flotilla_domain::Digest;
use flotilla_engine::ports::{ErrorKind, FunctionCodeObserved, Functions, Invoked, Place, PortError};
use serde_json::Value;

/// The fake.
pub struct SimFunctions(pub Shared);

#[async_trait]
impl Functions for SimFunctions {
    async fn code(&self, place: &Place, function: &str) -> Result<Option<FunctionCodeObserved>, PortError> {
        self.0
            .call("lambda:GetFunctionConfiguration", Some(&place.site), |state| {
                let digest = state.functions.get(&(place.site.clone(), function.to_owned()));
                let pending = state.functions_pending;
                let code = |digest: &Digest| if pending { Digest::of(b"before") } else { *digest };
                Ok(digest.map(|digest| FunctionCodeObserved { code_sha256: Some(code(digest)), pending }))
            })
            .await
    }

    async fn invoke(&self, place: &Place, function: &str, _: &Value) -> Result<Invoked, PortError> {
        const OPERATION: &str = "lambda:Invoke";
        self.0
            .call(OPERATION, Some(&place.site), |state| {
                let reply = state.replies.get(&(place.site.clone(), function.to_owned()));
                let missing = || PortError::new(ErrorKind::Missing, OPERATION, "ResourceNotFoundException");
                reply.cloned().ok_or_else(missing)
            })
            .await
    }
}
