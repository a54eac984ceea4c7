//! Container images in repositories that are not Flotilla's, by the API of Amazon ECR.

use crate::classify::{classify, kind_of, with_sources};
use crate::sessions::https_connector;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::ImageIdentifier;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::config::external_image::{ExternalImage, ImageRepository};
use flotilla_engine::ports::{ChunkStream, ErrorKind, ExternalImages, PortError};
use std::sync::OnceLock;
use std::time::Duration;

const GET_IMAGE: &str = "ecr:BatchGetImage";
const GET_URL: &str = "ecr:GetDownloadUrlForLayer";
/// How long a download may send nothing.
const STALLED: Duration = Duration::from_secs(20);
/// The types of manifests that ECR may answer with; without them it converts (Amazon ECR API Reference, `BatchGetImage`).
const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// The repositories on ECR, read with the function's own role.
#[derive(Debug)]
pub struct EcrExternalImages {
    config: SdkConfig,
    /// Created on first use, because it reads the system's certificates.
    connector: OnceLock<SharedHttpConnector>,
}

impl EcrExternalImages {
    /// The repositories, with this configuration.
    pub fn new(config: SdkConfig) -> Self {
        Self { config, connector: OnceLock::new() }
    }

    fn client(&self, repository: &ImageRepository) -> Client {
        let region = aws_config::Region::new(repository.region.to_string());
        let config = aws_sdk_ecr::config::Builder::from(&self.config).region(region);
        Client::from_conf(config.build())
    }

    /// The request of a download. An emulator's URLs have hosts of AWS, and it answers at its own.
    fn download(&self, url: &str) -> Option<HttpRequest> {
        let Some(emulator) = self.config.endpoint_url() else { return HttpRequest::get(url).ok() };
        let (host, path) = url.strip_prefix("https://")?.split_once('/')?;
        let mut request = HttpRequest::get(format!("{}/{path}", emulator.trim_end_matches('/'))).ok()?;
        request.headers_mut().insert("host", host.to_owned());
        Some(request)
    }
}

#[async_trait]
impl ExternalImages for EcrExternalImages {
    async fn manifest(&self, image: &ExternalImage) -> Result<Bytes, PortError> {
        let ExternalImage { repository, digest } = image;
        let id = ImageIdentifier::builder().image_digest(format!("sha256:{digest}")).build();
        let request = self.client(repository).batch_get_image().registry_id(repository.account.as_str());
        let request = request.repository_name(&repository.name).image_ids(id);
        let request = request.set_accepted_media_types(Some(MANIFEST_TYPES.map(str::to_owned).into()));
        let seen = request.send().await.map_err(|e| classify(GET_IMAGE, e))?;
        if let Some(manifest) = seen.images().first().and_then(|image| image.image_manifest()) {
            return Ok(manifest.to_owned().into());
        }
        let failure = seen.failures().first();
        let code =
            failure.and_then(|failure| failure.failure_code()).map_or("ImageNotFound", |code| code.as_str());
        let reason = failure.and_then(|failure| failure.failure_reason()).unwrap_or_default();
        let text = format!("{code}: {reason}");
        Err(PortError::new(kind_of(code, &text), GET_IMAGE, text))
    }

    async fn blob(
        &self,
        repository: &ImageRepository,
        blob: &Digest,
    ) -> Result<(u64, Box<dyn ChunkStream>), PortError> {
        let request = self.client(repository).get_download_url_for_layer();
        let request = request.registry_id(repository.account.as_str()).repository_name(&repository.name);
        let seen = request.layer_digest(format!("sha256:{blob}")).send().await;
        let seen = seen.map_err(|e| match classify(GET_URL, e) {
            // Of PutImage it is one that may pass.
            error if error.message.starts_with("LayersNotFoundException") => {
                PortError { kind: ErrorKind::Missing, ..error }
            }
            error => error,
        })?;
        // The URL is a secret for as long as it is valid, so no error has it.
        let failed = |kind: ErrorKind, what: String| {
            PortError::new(kind, GET_URL, format!("the download of sha256:{blob}: {what}"))
        };
        let request = self.download(seen.download_url().unwrap_or_default());
        let request = request.ok_or_else(|| failed(ErrorKind::Permanent, "ECR answers no URL".into()))?;
        let response = self.connector.get_or_init(https_connector).call(request).await;
        let response = response.map_err(|error| failed(ErrorKind::Transient, with_sources(&error)))?;
        let length = response.headers().get("content-length").and_then(|length| length.parse().ok());
        match (response.status().as_u16(), length) {
            (200, Some(length)) => Ok((length, Box::new(Download(ByteStream::new(response.into_body()))))),
            (200, None) => Err(failed(ErrorKind::Transient, "the answer has no length".into())),
            // The URL has expired, or S3 is busy.
            (status, _) => Err(failed(ErrorKind::Transient, format!("status {status}"))),
        }
    }
}

struct Download(ByteStream);

#[async_trait]
impl ChunkStream for Download {
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        let chunk = tokio::time::timeout(STALLED, self.0.try_next()).await;
        let stalled = |_| PortError::new(ErrorKind::Transient, GET_URL, "the download stalled");
        chunk
            .map_err(stalled)?
            .map_err(|e| PortError::new(ErrorKind::Transient, GET_URL, format!("the download ended: {e}")))
    }
}
