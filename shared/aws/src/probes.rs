//! HTTPS requests to services, with the SDK's HTTP client.

use crate::classify::with_sources;
use crate::excerpt::excerpt;
use crate::probe_addresses::Reach;
use async_trait::async_trait;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use flotilla_engine::ports::{ErrorKind, HttpObserved, PortError, Probes};
use http_body_util::BodyExt;
use std::error::Error;
use std::sync::OnceLock;
use std::time::Duration;

const OPERATION: &str = "https:GET";
/// Timeout of a response, including the beginning of its body.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a body, or of an error, that are kept.
const EXCERPT_BYTES_MAX: usize = 300;

/// The network.
#[derive(Debug)]
pub struct HttpsProbes {
    reach: Reach,
    timeout: Duration,
    /// Created on first use, because it reads the system's certificates.
    connector: OnceLock<SharedHttpConnector>,
}

impl HttpsProbes {
    /// Probes of other hosts and, if AWS is an emulator on this one, of this host as well.
    pub fn new(this_host_too: bool) -> Self {
        let reach = if this_host_too { Reach::ThisHostToo } else { Reach::Others };
        Self { reach, timeout: TIMEOUT, connector: OnceLock::new() }
    }

    /// The same, with another timeout.
    #[must_use]
    pub fn patient_for(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn connector(&self) -> &SharedHttpConnector {
        self.connector.get_or_init(|| {
            let tls = Provider::Rustls(CryptoMode::Ring);
            SharedHttpConnector::new(Connector::builder().tls_provider(tls).build_with_resolver(self.reach))
        })
    }
}

/// Reads the part of a body that is kept. The rest is never requested.
async fn beginning(mut body: SdkBody) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let mut bytes = Vec::new();
    while bytes.len() < EXCERPT_BYTES_MAX {
        let Some(frame) = body.frame().await else { break };
        bytes.extend_from_slice(frame?.data_ref().map_or(&[], |data| data.as_ref()));
    }
    Ok(bytes)
}

async fn answer(response: HttpResponse) -> Result<HttpObserved, Box<dyn Error + Send + Sync>> {
    let status = response.status().as_u16();
    let body = beginning(response.into_body()).await?;
    Ok(HttpObserved::Answered { status, excerpt: excerpt(&body, EXCERPT_BYTES_MAX) })
}

fn unreachable(error: &dyn Error) -> HttpObserved {
    HttpObserved::Unreachable(excerpt(with_sources(error).as_bytes(), EXCERPT_BYTES_MAX))
}

#[async_trait]
impl Probes for HttpsProbes {
    async fn get(&self, url: &str) -> Result<HttpObserved, PortError> {
        let refused = |why: &str| PortError::new(ErrorKind::Permanent, OPERATION, format!("{why}: {url}"));
        let uri = self.reach.admit(url).map_err(refused)?;
        let mut request = HttpRequest::get(uri.to_string()).map_err(|error| refused(&error.to_string()))?;
        request.headers_mut().insert("user-agent", "flotilla");
        let asked = async {
            match self.connector().call(request).await {
                Ok(response) => answer(response).await.unwrap_or_else(|error| unreachable(&*error)),
                Err(error) => unreachable(&error),
            }
        };
        let late = || HttpObserved::Unreachable(format!("no reply within {} s", self.timeout.as_secs_f32()));
        Ok(tokio::time::timeout(self.timeout, asked).await.unwrap_or_else(|_| late()))
    }
}
