//! Custom domains of API Gateway.

use crate::error::{Doing, LabError};
use aws_config::SdkConfig;
use aws_sdk_apigatewayv2::Client;
use aws_sdk_apigatewayv2::types::{DomainNameConfiguration, EndpointType, SecurityPolicy};

/// Creates a domain in the region of the configuration, as its owner does.
///
/// # Errors
/// API Gateway refuses.
pub async fn create(config: &SdkConfig, domain: &str, certificate_arn: &str) -> Result<(), LabError> {
    let configuration = DomainNameConfiguration::builder()
        .endpoint_type(EndpointType::Regional)
        .certificate_arn(certificate_arn)
        .security_policy(SecurityPolicy::Tls12)
        .build();
    let create = Client::new(config).create_domain_name().domain_name(domain);
    create.domain_name_configurations(configuration).send().await.doing("creating a domain").map(drop)
}
