//! A client of the HTTP API: requests are signed with SigV4, with credentials of the default chain.

use crate::args::Global;
use crate::error::CliError;
use crate::{error_text, home, http};
use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use flotilla_contract::{Page, Problem, ReleaseView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

/// A client of one control plane.
pub struct Api {
    http: reqwest::Client,
    base: String,
    config: SdkConfig,
}

impl Api {
    /// Connects to the API of the control plane's stack.
    pub async fn connect(global: &Global) -> Result<Self, CliError> {
        let config = home::load(global).await?;
        let outputs = home::control_plane(&config, &global.prefix).await?;
        Self::at(&outputs["ApiUrl"], config)
    }

    /// Connects to the API at a URL.
    pub fn at(base: &str, config: SdkConfig) -> Result<Self, CliError> {
        let url = reqwest::Url::parse(base).map_err(|e| CliError::failed("the API URL is invalid", e))?;
        let mut builder = http::client().timeout(Duration::from_secs(30));
        // RFC 6761: names under localhost are this machine. Not every resolver implements that.
        if let (Some(host), Some(port)) =
            (url.host_str().filter(|host| host.ends_with(".localhost")), url.port_or_known_default())
        {
            builder = builder.resolve(host, SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        }
        let http = builder.build().map_err(|e| CliError::failed("cannot create the HTTP client", e))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), config })
    }

    /// The AWS configuration that signs the requests.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The URL of the API, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a GET request.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(path, &self.send("GET", path, Vec::new()).await?)
    }

    /// Pages of 100 releases: as many as a service keeps.
    pub const RELEASES_PAGES_MAX: usize = 10;

    /// Gets the items of a list, page by page. `path` has a query, and `pages_max` bounds the requests.
    pub async fn list<T: DeserializeOwned>(&self, path: &str, pages_max: usize) -> Result<Vec<T>, CliError> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        for _ in 0..pages_max {
            let page: Page<T> = self.get(&format!("{path}{cursor}")).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => cursor = format!("&cursor={}", encoded(&next)),
                None => break,
            }
        }
        Ok(items)
    }

    /// The releases of a service, newest first: so many pages of 100.
    pub async fn releases(&self, service: &str, pages_max: usize) -> Result<Vec<ReleaseView>, CliError> {
        self.list(&format!("/v1/services/{service}/releases?limit=100"), pages_max).await
    }

    /// Sends a PUT request with a JSON body; an empty reply is `Null`.
    pub async fn put<B: Serialize>(&self, path: &str, body: &B) -> Result<serde_json::Value, CliError> {
        let body = serde_json::to_vec(body).map_err(|e| CliError::failed("cannot write the request", e))?;
        let reply = self.send("PUT", path, body).await?;
        if reply.is_empty() { Ok(serde_json::Value::Null) } else { read(path, &reply) }
    }

    /// Sends a POST request with a JSON body.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, CliError> {
        let body = serde_json::to_vec(body).map_err(|e| CliError::failed("cannot write the request", e))?;
        read(path, &self.send("POST", path, body).await?)
    }

    /// Sends a signed request; answers the status and the body of the reply, whatever they are.
    ///
    /// # Errors
    /// The request cannot be signed or sent, or there is no reply.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), CliError> {
        let what = || format!("{method} {path} failed");
        let url = format!("{}{path}", self.base);
        let signature = self.sign(method, &url, headers, &body).await?;
        let method = reqwest::Method::from_bytes(method.as_bytes())
            .map_err(|e| CliError::failed("the HTTP method is invalid", e))?;
        let mut request = self.http.request(method, &url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in signature {
            request = request.header(name, value);
        }
        let reply = request.send().await.map_err(|e| CliError::failed(what(), error_text(&e)))?;
        let status = reply.status().as_u16();
        let bytes = reply.bytes().await.map_err(|e| CliError::failed(what(), error_text(&e)))?.to_vec();
        Ok((status, bytes))
    }

    async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>, CliError> {
        let what = || format!("{method} {path} failed");
        let json = [("content-type", "application/json")];
        let (status, bytes) = self.request(method, path, &json, body).await?;
        if (200..300).contains(&status) {
            return Ok(bytes);
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(CliError::Problem(Box::new(problem))),
            // A reply without a problem comes from API Gateway itself: the signature or a permission is wrong.
            Err(_) => {
                let text = String::from_utf8_lossy(&bytes).chars().take(500).collect::<String>();
                Err(CliError::failed(what(), format!("HTTP {status}: {text}")))
            }
        }
    }

    async fn sign(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CliError> {
        let failed =
            |e: Box<dyn std::error::Error + Send + Sync>| CliError::failed("cannot sign the request", e);
        let provider = self.config.credentials_provider().ok_or_else(|| {
            CliError::usage("no AWS credentials were found", "set AWS_PROFILE, or run aws sso login")
        })?;
        let credentials = provider.provide_credentials().await.map_err(|e| failed(error_text(&e).into()))?;
        let identity = credentials.into();
        #[allow(clippy::disallowed_methods, reason = "a signature contains the time")]
        let now = SystemTime::now();
        let region = home::region_of(&self.config);
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name("execute-api")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| failed(e.into()))?;
        let headers = headers.iter().copied();
        let request = SignableRequest::new(method, url, headers, SignableBody::Bytes(body));
        let request = request.map_err(|e| failed(e.into()))?;
        let (instructions, _) = sign(request, &params.into()).map_err(|e| failed(e.into()))?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// Percent-encodes text for a query.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn read<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, CliError> {
    serde_json::from_slice(bytes).map_err(|e| CliError::failed(format!("cannot read the reply to {path}"), e))
}
