//! SDK configurations for an account-region: its role, assumed with the external id, in its region.
//!
//! They are cached for the life of the process. The SDK renews the role's credentials before they expire.

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use flotilla_engine::ports::Place;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The HTTPS client of the SDK on `ring`: the SDK's own choice, `aws-lc-rs`, takes longer to build than any other crate.
pub fn https_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// Timeout of a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Timeout of an attempt of a call, or of the beginning of an answer.
const ATTEMPT: Duration = Duration::from_secs(20);

/// The same for requests that the SDK does not make.
pub(crate) fn https_connector() -> SharedHttpConnector {
    let timeouts = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(ATTEMPT).build();
    let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
    SharedHttpConnector::new(connector.connector_settings(timeouts).build())
}

/// The home configuration: credentials of the function's own role, bounded retries and timeouts.
pub async fn load_config() -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https_client())
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .timeout_config(timeouts)
        .load()
        .await
}

/// The cache key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SessionKey {
    role_arn: String,
    external_id: String,
    region: String,
}

/// Configurations by role and region.
#[derive(Debug, Clone)]
pub struct Sessions {
    home: SdkConfig,
    places: Arc<Mutex<HashMap<SessionKey, SdkConfig>>>,
}

impl Sessions {
    /// Sessions based on the home configuration.
    pub fn new(home: SdkConfig) -> Self {
        Self { home, places: Arc::default() }
    }

    /// The configuration of the function's own role, in the control plane's region.
    pub fn home(&self) -> &SdkConfig {
        &self.home
    }

    /// The configuration for an account-region.
    pub async fn config(&self, place: &Place) -> SdkConfig {
        let (access, region) = (&place.access, place.site.region.as_str());
        let key = SessionKey {
            role_arn: access.role_arn.clone(),
            external_id: access.external_id.clone(),
            region: region.to_owned(),
        };
        if let Some(config) = self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return config.clone();
        }
        let provider = AssumeRoleProvider::builder(&access.role_arn)
            .external_id(&access.external_id)
            .session_name("flotilla")
            .configure(&self.home)
            .build()
            .await;
        let config = self
            .home
            .to_builder()
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(provider))
            .build();
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(key, config.clone());
        config
    }
}
