//! The services' functions on Lambda.

use crate::Sessions;
use crate::classify::classify;
use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{LastUpdateStatus, State};
use flotilla_domain::Digest;
use flotilla_engine::ports::{ErrorKind, FunctionCodeSeen, Functions, Place, PortError};

/// Lambda.
#[derive(Debug, Clone)]
pub struct LambdaFunctions {
    sessions: Sessions,
}

impl LambdaFunctions {
    /// Functions that are reached by these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

#[async_trait]
impl Functions for LambdaFunctions {
    async fn code(&self, place: &Place, function: &str) -> Result<Option<FunctionCodeSeen>, PortError> {
        let client = Client::new(&self.sessions.config(place).await);
        match client.get_function_configuration().function_name(function).send().await {
            Ok(seen) => Ok(Some(FunctionCodeSeen {
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
}
