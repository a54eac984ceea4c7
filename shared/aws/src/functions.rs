//! Functions of services on Lambda.

use crate::Sessions;
use crate::classify::classify;
use crate::excerpt::excerpt;
use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    AliasRoutingConfiguration, InvocationType, LastUpdateStatus, PackageType, State,
};
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

/// The digest of the image that Lambda has resolved a function's URI to.
fn image_digest(resolved_uri: &str) -> Option<Digest> {
    Digest::parse_hex(resolved_uri.rsplit_once("@sha256:")?.1).ok()
}

/// A weight in percent.
fn percent(weight: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 100")]
    let percent = (weight * 100.0).round().clamp(0.0, 100.0) as u8;
    percent
}

/// The image that a function runs. Its configuration has a digest of it too, in a form that the API Reference does not describe.
async fn image_of(client: &Client, function: &str) -> Result<Option<Digest>, PortError> {
    let seen = client.get_function().function_name(function).send().await;
    let seen = seen.map_err(|e| classify("lambda:GetFunction", e))?;
    Ok(seen.code().and_then(|code| code.resolved_image_uri()).and_then(image_digest))
}

#[async_trait]
impl Functions for LambdaFunctions {
    async fn code(&self, place: &Place, function: &str) -> Result<Option<FunctionCodeObserved>, PortError> {
        let client = Client::new(&self.sessions.config(place).await);
        match client.get_function_configuration().function_name(function).send().await {
            Ok(seen) => Ok(Some(FunctionCodeObserved {
                code_sha256: match seen.package_type() {
                    Some(PackageType::Image) => image_of(&client, function).await?,
                    _ => seen.code_sha256().and_then(|sha256| Digest::parse_base64(sha256).ok()),
                },
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
    fn the_digest_of_an_image_is_the_end_of_its_uri() {
        let digest = Digest::of(b"image");
        let uri = format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders@sha256:{digest}");
        assert_eq!(image_digest(&uri), Some(digest));
        assert_eq!(image_digest("111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders:1"), None);
    }

    #[test]
    fn weights_are_whole_percents() {
        assert_eq!([0.0, 0.01, 0.29, 0.999, 1.0].map(percent), [0, 1, 29, 100, 100]);
    }
}
