//! HTTPS clients, of the SDK and for the API: one TLS library with one provider of cryptography for both.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The HTTPS client of the AWS SDK. The SDK's own choice of cryptography, `aws-lc-rs`, takes longer to build than any other
/// crate.
pub fn sdk_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// A builder of HTTPS clients.
pub fn client() -> reqwest::ClientBuilder {
    // Refused if it is installed already: by an earlier call.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}
