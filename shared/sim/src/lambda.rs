//! Lambda: a function runs the code that CloudFormation gave it, unless a test changes it.

use crate::aliases::Alias;
use crate::checker::traffic::{exceeds, trusts};
use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::Digest;
use flotilla_engine::ports::{
    AliasObserved, AliasShares, ErrorKind, FunctionCodeObserved, Functions, Invoked, Place, PortError,
};
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

    async fn alias(&self, place: &Place, alias_arn: &str) -> Result<Option<AliasObserved>, PortError> {
        let key = (place.site.clone(), alias_arn.to_owned());
        let read = |state: &mut State| Ok(state.aliases.named.get(&key).map(Alias::observed));
        self.0.call("lambda:GetAlias", Some(&place.site), read).await
    }

    async fn set_alias(
        &self,
        place: &Place,
        alias_arn: &str,
        shares: &AliasShares,
        revision: &str,
    ) -> Result<Option<String>, PortError> {
        const OPERATION: &str = "lambda:UpdateAlias";
        let key = (place.site.clone(), alias_arn.to_owned());
        self.0
            .call(OPERATION, Some(&place.site), |state| {
                let missing = || PortError::new(ErrorKind::Missing, OPERATION, "ResourceNotFoundException");
                let alias = state.aliases.named.get(&key).ok_or_else(missing)?;
                if alias.revision.to_string() != revision {
                    return Ok(None);
                }
                let breaches = [exceeds(state, &key, alias, shares), trusts(state, &key, alias, shares)];
                state.stacks.breaches.extend(breaches.into_iter().flatten());
                let said = alias.said.clone();
                Ok(Some(state.aliases.set(key, shares.clone(), said).to_string()))
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
