//! Functions of services on Lambda.

use crate::Sessions;
use crate::classify::classify;
use crate::excerpt::excerpt;
use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LastUpdateStatus, State};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use flotilla_domain::Digest;
use flotilla_engine::ports::{ErrorKind, FunctionCodeObserved, Functions, Invoked, Place, PortError};
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

#[async_trait]
impl Functions for LambdaFunctions {
    async fn code(&self, place: &Place, function: &str) -> Result<Option<FunctionCodeObserved>, PortError> {
        let client = Client::new(&self.sessions.config(place).await);
        match client.get_function_configuration().function_name(function).send().await {
            Ok(seen) => Ok(Some(FunctionCodeObserved {
                code_sha256: seen.code_sha256().and_then(|text| Digest::parse_base64(text).ok()),
                pending: seen.last_update_status() == Some(&LastUpdateStatus::InProgress)
                    || seen.state() == Some(&State::Pending),
            })),
            Err(error) => match classify("lambda:GetFunctionConfiguration", error) {
                error if error.kind == ErrorKind::Missing => Ok(None),
                error => Err(error),
            },
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
