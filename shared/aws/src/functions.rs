//! Functions of services on Lambda.

use crate::Sessions;
use crate::classify::classify;
use crate::excerpt::excerpt;
use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, InvocationType, LastUpdateStatus, State};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use flotilla_domain::Digest;
use flotilla_engine::ports::{
    AliasObserved, AliasShares, ErrorKind, FunctionCodeObserved, Functions, Invoked, Place, PortError,
};
use serde_json::Value;
use std::time::Duration;

/// Bytes of a function's reply that are kept.
const REPLY_BYTES_MAX: usize = 2_048;
/// The timeout of an invocation: less than a step may take.
const INVOCATION: Duration = Duration::from_secs(20);

/// Lambda.
#[derive(Debug, Clone)]
pub struct LambdaFunctions {
    sessions: Sessions,
}

impl LambdaFunctions {
    /// Lambda, through these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

/// The function and the name of an alias, from its ARN.
fn parts(alias_arn: &str) -> (&str, &str) {
    alias_arn.rsplit_once(':').unwrap_or((alias_arn, ""))
}

/// The digest of a function's code: that of a zip in base64, that of a container image in hexadecimal digits (AWS Lambda Developer Guide,
/// "Create a Lambda function using a container image": `GetFunctionConfiguration` gives the digest of the image).
fn code_digest(code_sha256: &str) -> Option<Digest> {
    Digest::parse_base64(code_sha256).or_else(|_| Digest::parse_hex(code_sha256)).ok()
}

/// A weight in percent.
fn percent(weight: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 100")]
    let percent = (weight * 100.0).round().clamp(0.0, 100.0) as u8;
    percent
}

#[async_trait]
impl Functions for LambdaFunctions {
    async fn code(&self, place: &Place, function: &str) -> Result<Option<FunctionCodeObserved>, PortError> {
        let client = Client::new(&self.sessions.config(place).await);
        match client.get_function_configuration().function_name(function).send().await {
            Ok(seen) => Ok(Some(FunctionCodeObserved {
                code_sha256: seen.code_sha256().and_then(code_digest),
                pending: seen.last_update_status() == Some(&LastUpdateStatus::InProgress)
                    || seen.state() == Some(&State::Pending),
            })),
            Err(error) => match classify("lambda:GetFunctionConfiguration", error) {
                error if error.kind == ErrorKind::Missing => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn alias(&self, place: &Place, alias_arn: &str) -> Result<Option<AliasObserved>, PortError> {
        let (function, name) = parts(alias_arn);
        let client = Client::new(&self.sessions.config(place).await);
        match client.get_alias().function_name(function).name(name).send().await {
            Ok(seen) => {
                let others = seen.routing_config().and_then(|routing| routing.additional_version_weights());
                let other = others.into_iter().flatten().next();
                Ok(Some(AliasObserved {
                    shares: AliasShares {
                        version: seen.function_version().unwrap_or_default().to_owned(),
                        other: other.map(|(version, weight)| (version.clone(), percent(*weight))),
                    },
                    revision: seen.revision_id().unwrap_or_default().to_owned(),
                }))
            }
            Err(error) => match classify("lambda:GetAlias", error) {
                error if error.kind == ErrorKind::Missing => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn set_alias(
        &self,
        place: &Place,
        alias_arn: &str,
        shares: &AliasShares,
        revision: &str,
    ) -> Result<Option<String>, PortError> {
        let (function, name) = parts(alias_arn);
        let client = Client::new(&self.sessions.config(place).await);
        // Weights that are not sent stay; an empty map removes them.
        let weights =
            shares.other.iter().map(|(version, percent)| (version.clone(), f64::from(*percent) / 100.0));
        let routing = AliasRoutingConfiguration::builder()
            .set_additional_version_weights(Some(weights.collect()))
            .build();
        let request = client.update_alias().function_name(function).name(name).revision_id(revision);
        let sent = request.function_version(&shares.version).routing_config(routing).send().await;
        match sent {
            Ok(set) => Ok(Some(set.revision_id().unwrap_or_default().to_owned())),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_precondition_failed_exception()) => {
                Ok(None)
            }
            Err(error) => Err(classify("lambda:UpdateAlias", error)),
        }
    }

    async fn invoke(&self, place: &Place, function: &str, payload: &Value) -> Result<Invoked, PortError> {
        let config = self.sessions.config(place).await;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_timeout(INVOCATION)
            .build();
        // No SDK retries: the engine repeats the step, and a function may not be safe to invoke twice.
        let once = aws_sdk_lambda::config::Builder::from(&config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        let request = Client::from_conf(once.build()).invoke().function_name(function);
        let request = request.invocation_type(InvocationType::RequestResponse);
        let sent = request.payload(Blob::new(payload.to_string())).send().await;
        let said = sent.map_err(|e| classify("lambda:Invoke", e))?;
        Ok(Invoked {
            ok: said.function_error().is_none(),
            reply: excerpt(said.payload().map_or(&[], |payload| payload.as_ref()), REPLY_BYTES_MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_named_by_its_function_and_its_name() {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders:live";
        assert_eq!(parts(arn), ("arn:aws:lambda:eu-west-1:111122223333:function:orders", "live"));
    }

    #[test]
    fn the_digest_of_a_zip_and_that_of_an_image_are_read() {
        let digest = Digest::of(b"code");
        assert_eq!(code_digest(&digest.to_base64()), Some(digest));
        assert_eq!(code_digest(&digest.to_string()), Some(digest));
        assert_eq!(code_digest("none"), None);
    }

    #[test]
    fn weights_are_whole_percents() {
        assert_eq!([0.0, 0.01, 0.29, 0.999, 1.0].map(percent), [0, 1, 29, 100, 100]);
    }
}
