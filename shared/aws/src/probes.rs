//! HTTPS requests to services, with the SDK's HTTP client.

use crate::classify::with_sources;
use crate::excerpt::excerpt;
use crate::probe_addresses::{CheckedResolver, Reach, SystemResolver};
use async_trait::async_trait;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::ResolveDns;
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
        self.connector.get_or_init(|| connector(CheckedResolver(self.reach, SystemResolver)))
    }
}

fn connector(resolver: impl ResolveDns + Clone + 'static) -> SharedHttpConnector {
    let tls = Provider::Rustls(CryptoMode::Ring);
    SharedHttpConnector::new(Connector::builder().tls_provider(tls).build_with_resolver(resolver))
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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::client::dns::DnsFuture;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers an allowed address at first, and a private one from then on.
    #[derive(Debug, Clone, Default)]
    struct Rebinding(Arc<AtomicUsize>);

    impl ResolveDns for Rebinding {
        fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
            let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            let address = if first { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(10, 0, 0, 1) };
            DnsFuture::ready(Ok(vec![IpAddr::V4(address)]))
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_the_second_time_is_resolved_once_a_request_and_then_refused() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://rebinding.test:{}/", listener.local_addr().expect("an address").port());
        let resolver = Rebinding::default();
        // The loopback address stands for the public one that is checked: nothing else can be listened to here.
        let probes = HttpsProbes::new(true).patient_for(Duration::from_secs(3));
        let checked = CheckedResolver(Reach::ThisHostToo, resolver.clone());
        assert!(probes.connector.set(connector(checked)).is_ok());
        let (observed, accepted) = tokio::join!(probes.get(&url), async {
            // The connection goes to what was checked; it is closed before TLS begins.
            listener.accept().await.map(drop)
        });
        assert!(accepted.is_ok() && matches!(observed, Ok(HttpObserved::Unreachable(_))), "{observed:?}");
        assert_eq!(resolver.0.load(Ordering::SeqCst), 1, "it is resolved once");
        match probes.get(&url).await {
            Ok(HttpObserved::Unreachable(why)) => assert!(why.contains("public"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(resolver.0.load(Ordering::SeqCst), 2);
    }
}
