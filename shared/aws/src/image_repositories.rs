//! Lists and removes container images in the repositories of the account-regions, on Amazon ECR.

use crate::classify::{classify, kind_of};
use crate::image_registry::repository;
use crate::{Sessions, Settings};
use async_trait::async_trait;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::ImageIdentifier;
use flotilla_domain::Digest;
use flotilla_domain::config::account::collector_role_arn;
use flotilla_domain::deployment::Access;
use flotilla_domain::retention::StoredImage;
use flotilla_engine::ports::{ErrorKind, ImagePage, Place, PortError, StoredImages};

/// Tags removed by one call (Amazon ECR API Reference, `BatchDeleteImage`).
const IDS_MAX: usize = 100;

/// The repositories, through the collector role of each account.
#[derive(Debug, Clone)]
pub struct EcrRepositories {
    sessions: Sessions,
    prefix: String,
}

impl EcrRepositories {
    /// The repositories, through these sessions.
    pub fn new(sessions: Sessions, settings: &Settings) -> Self {
        Self { sessions, prefix: settings.prefix.clone() }
    }

    async fn client(&self, Place { site, access }: &Place) -> (Client, String) {
        let access = Access { role_arn: collector_role_arn(&self.prefix, site), ..access.clone() };
        let place = Place { site: site.clone(), access };
        let client = Client::new(&self.sessions.config(&place).await);
        (client, repository(&self.prefix, &site.account, &site.region))
    }
}

#[async_trait]
impl StoredImages for EcrRepositories {
    async fn list(&self, place: &Place, after: Option<&str>) -> Result<ImagePage, PortError> {
        let (client, repository) = self.client(place).await;
        let request = client.describe_images().repository_name(repository).max_results(1_000);
        let page = request.set_next_token(after.map(str::to_owned)).send().await;
        let page = page.map_err(|e| classify("ecr:DescribeImages", e))?;
        let image = |image: &aws_sdk_ecr::types::ImageDetail| {
            let digest = image.image_digest()?.strip_prefix("sha256:")?;
            Some(StoredImage {
                digest: Digest::parse_hex(digest).ok()?,
                tags: image.image_tags().to_vec(),
                bytes: image.image_size_in_bytes().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
            })
        };
        Ok(ImagePage {
            images: page.image_details().iter().filter_map(image).collect(),
            next: page.next_token().map(str::to_owned),
        })
    }

    async fn remove(&self, place: &Place, images: &[&StoredImage]) -> Result<(), PortError> {
        let (client, repository) = self.client(place).await;
        // By tag: the image goes with its last one, so one that was tagged since stays.
        let tags: Vec<&String> = images.iter().flat_map(|image| &image.tags).collect();
        for some in tags.chunks(IDS_MAX) {
            let ids = some.iter().map(|tag| ImageIdentifier::builder().image_tag(*tag).build()).collect();
            let request = client.batch_delete_image().repository_name(&repository).set_image_ids(Some(ids));
            let removed = request.send().await.map_err(|e| classify("ecr:BatchDeleteImage", e))?;
            for failure in removed.failures() {
                let code = failure.failure_code().map_or("", |code| code.as_str());
                if code == "ImageNotFound" {
                    continue;
                }
                let text = format!("{code}: {}", failure.failure_reason().unwrap_or_default());
                let kind = kind_of(code, &text);
                let kind = if kind == ErrorKind::Missing { ErrorKind::Permanent } else { kind };
                return Err(PortError::new(kind, "ecr:BatchDeleteImage", text));
            }
        }
        Ok(())
    }
}
