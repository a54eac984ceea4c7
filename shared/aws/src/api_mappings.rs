//! API Gateway: the API mappings of custom domains.
//!
//! The second version of its API knows the mappings of regional domains, to HTTP, WebSocket and REST APIs ("Use API mappings to connect API
//! stages to a custom domain name for REST APIs").

use crate::Sessions;
use crate::classify::classify;
use async_trait::async_trait;
use aws_sdk_apigatewayv2::Client;
use aws_sdk_apigatewayv2::config::Builder;
use aws_sdk_apigatewayv2::types::ApiMapping;
use aws_smithy_types::timeout::TimeoutConfig;
use flotilla_domain::deployment::ApiStage;
use flotilla_engine::ports::{ApiMappings, ErrorKind, MappingSeen, Place, PortError};
use std::time::Duration;

/// How long a call may take, with its retries. A call that takes longer might arrive when what it asks for is no longer wanted: see
/// [`flotilla_domain::deployment::Deployment::CONFIRM_S`].
const CALL: Duration = Duration::from_secs(5);
/// Most pages of mappings: a domain has up to 200, and a page has 100.
const PAGES_MAX: usize = 5;

/// API Gateway.
#[derive(Debug, Clone)]
pub struct ApiGatewayMappings {
    sessions: Sessions,
}

impl ApiGatewayMappings {
    /// API Gateway, through these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }

    async fn client(&self, place: &Place) -> Client {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).operation_timeout(CALL).build();
        let config = self.sessions.config(place).await;
        Client::from_conf(Builder::from(&config).timeout_config(timeouts).build())
    }
}

fn seen(mapping: &ApiMapping) -> MappingSeen {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    MappingSeen {
        id: text(mapping.api_mapping_id()),
        points_at: ApiStage { api: text(mapping.api_id()), stage: text(mapping.stage()) },
    }
}

/// Finds the mapping of a path.
async fn find(client: &Client, domain: &str, path: &str) -> Result<Option<MappingSeen>, PortError> {
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let request = client.get_api_mappings().domain_name(domain).max_results("100");
        let page = request.set_next_token(next).send().await;
        let page = page.map_err(|e| classify("apigateway:GetApiMappings", e))?;
        let found = page.items().iter().find(|mapping| mapping.api_mapping_key().unwrap_or_default() == path);
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if found.is_some() || next.is_none() {
            return Ok(found.map(seen));
        }
    }
    Ok(None)
}

/// Creates the mapping of a path.
async fn create(client: &Client, domain: &str, path: &str, to: &ApiStage) -> Result<(), PortError> {
    let request = client.create_api_mapping().domain_name(domain).api_mapping_key(path);
    let sent = request.api_id(&to.api).stage(&to.stage).send().await;
    sent.map(drop).map_err(|e| classify("apigateway:CreateApiMapping", e))
}

#[async_trait]
impl ApiMappings for ApiGatewayMappings {
    async fn find(&self, place: &Place, domain: &str, path: &str) -> Result<Option<MappingSeen>, PortError> {
        find(&self.client(place).await, domain, path).await
    }

    async fn create(&self, place: &Place, domain: &str, path: &str, to: &ApiStage) -> Result<(), PortError> {
        create(&self.client(place).await, domain, path, to).await
    }

    async fn update(&self, place: &Place, domain: &str, id: &str, to: &ApiStage) -> Result<(), PortError> {
        let request = self.client(place).await.update_api_mapping().domain_name(domain).api_mapping_id(id);
        let sent = request.api_id(&to.api).stage(&to.stage).send().await;
        sent.map(drop).map_err(|e| classify("apigateway:UpdateApiMapping", e))
    }

    async fn delete(&self, place: &Place, domain: &str, id: &str) -> Result<(), PortError> {
        let request = self.client(place).await.delete_api_mapping().domain_name(domain).api_mapping_id(id);
        match request.send().await.map_err(|e| classify("apigateway:DeleteApiMapping", e)) {
            Err(error) if error.kind == ErrorKind::Missing => Ok(()),
            other => other.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_apigatewayv2::error::ErrorMetadata;
    use aws_sdk_apigatewayv2::operation::create_api_mapping::CreateApiMappingError;
    use aws_sdk_apigatewayv2::operation::get_api_mappings::GetApiMappingsOutput;
    use aws_sdk_apigatewayv2::types::error::ConflictException;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    fn mapping(key: Option<&str>, api: &str) -> ApiMapping {
        let mapping = ApiMapping::builder().api_id(api).stage("$default").api_mapping_id(format!("m-{api}"));
        mapping.set_api_mapping_key(key.map(str::to_owned)).build()
    }

    #[tokio::test]
    async fn the_mapping_of_a_path_is_found_on_any_page() {
        let first =
            mock!(Client::get_api_mappings).match_requests(|r| r.next_token().is_none()).then_output(|| {
                let page = GetApiMappingsOutput::builder().items(mapping(Some("orders"), "a"));
                page.items(mapping(None, "b")).next_token("more").build()
            });
        let second = mock!(Client::get_api_mappings)
            .match_requests(|r| r.next_token() == Some("more"))
            .then_output(|| GetApiMappingsOutput::builder().items(mapping(Some("carts"), "c")).build());
        let client = mock_client!(aws_sdk_apigatewayv2, RuleMode::MatchAny, [&first, &second]);
        let found = async |path| find(&client, "api.example.com", path).await.unwrap().map(|seen| seen.id);
        // The mapping of the whole domain has no key, or an empty one.
        assert_eq!(found("").await.as_deref(), Some("m-b"));
        assert_eq!(found("orders").await.as_deref(), Some("m-a"));
        assert_eq!(found("carts").await.as_deref(), Some("m-c"));
        assert_eq!(found("other").await, None);
    }

    #[tokio::test]
    async fn a_mapping_that_somebody_else_created_is_read_again() {
        let exists = mock!(Client::create_api_mapping).then_error(|| {
            let code = ErrorMetadata::builder().code("ConflictException").build();
            CreateApiMappingError::ConflictException(ConflictException::builder().meta(code).build())
        });
        let client = mock_client!(aws_sdk_apigatewayv2, [&exists]);
        let to = ApiStage { api: "a".into(), stage: "$default".into() };
        let error = create(&client, "api.example.com", "", &to).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient);
    }
}
