//! Asking a service by HTTPS, with the HTTP client that the SDK has.

use crate::classify::with_sources;
use crate::excerpt::excerpt;
use crate::probe_addresses::Reach;
use async_trait::async_trait;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use flotilla_engine::ports::{ErrorKind, HttpSeen, PortError, Probes};
use http_body_util::BodyExt;
use std::error::Error;
use std::sync::OnceLock;
use std::time::Duration;

const OPERATION: &str = "https:GET";
/// How long an answer may take, with its beginning.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a body, and of a reason, is kept.
const EXCERPT_BYTES_MAX: usize = 300;

/// The network.
#[derive(Debug)]
pub struct HttpsProbes {
    reach: Reach,
    timeout: Duration,
    /// Made when it is needed: it reads the system's certificates.
    connector: OnceLock<SharedHttpConnector>,
}

impl HttpsProbes {
    /// Probes of other hosts and, if AWS is an emulator on this one, of this host as well.
    pub fn new(this_host_too: bool) -> Self {
        let reach = if this_host_too { Reach::ThisHostToo } else { Reach::Others };
        Self { reach, timeout: TIMEOUT, connector: OnceLock::new() }
    }

    /// The same with another patience.
    #[must_use]
    pub fn patient_for(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn connector(&self) -> &SharedHttpConnector {
        self.connector.get_or_init(|| {
            let tls = Provider::Rustls(CryptoMode::AwsLc);
            SharedHttpConnector::new(Connector::builder().tls_provider(tls).build_with_resolver(self.reach))
        })
    }
}

/// Reads as much of a body as is kept. What follows is never asked for.
async fn beginning(mut body: SdkBody) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let mut bytes = Vec::new();
    while bytes.len() < EXCERPT_BYTES_MAX {
        let Some(frame) = body.frame().await else { break };
        bytes.extend_from_slice(frame?.data_ref().map_or(&[], |data| data.as_ref()));
    }
    Ok(bytes)
}

async fn answer(response: HttpResponse) -> Result<HttpSeen, Box<dyn Error + Send + Sync>> {
    let status = response.status().as_u16();
    let body = beginning(response.into_body()).await?;
    Ok(HttpSeen::Answered { status, excerpt: excerpt(&body, EXCERPT_BYTES_MAX) })
}

fn unreachable(error: &dyn Error) -> HttpSeen {
    HttpSeen::Unreachable(excerpt(with_sources(error).as_bytes(), EXCERPT_BYTES_MAX))
}

#[async_trait]
impl Probes for HttpsProbes {
    async fn get(&self, url: &str) -> Result<HttpSeen, PortError> {
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
        let late = || HttpSeen::Unreachable(format!("no answer within {} s", self.timeout.as_secs_f32()));
        Ok(tokio::time::timeout(self.timeout, asked).await.unwrap_or_else(|_| late()))
    }
}
