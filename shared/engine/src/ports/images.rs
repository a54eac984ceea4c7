//! The repositories of container images of the account-regions, each of which has the name of the account-region's artifact bucket, and
//! those of others.

use super::{ChunkStream, Place, PortError};
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::config::external_image::{ExternalImage, ImageRepository};
use flotilla_domain::retention::StoredImage;

/// The repositories, as replication sees them.
#[async_trait]
pub trait ImageRegistry: Send + Sync {
    /// The tags of an image in a repository; `None` if it is not there.
    async fn tags(&self, place: &Place, image: &Digest) -> Result<Option<Vec<String>>, PortError>;

    /// The manifest of an image, from the ingest bucket.
    async fn manifest(&self, image: &Digest) -> Result<Bytes, PortError>;

    /// Those of the blobs that a repository lacks.
    async fn missing(&self, place: &Place, blobs: &[Digest]) -> Result<Vec<Digest>, PortError>;

    /// Streams a blob from the ingest bucket to a repository, which refuses other bytes than those of the digest. Can be repeated.
    async fn upload(&self, place: &Place, blob: &Digest) -> Result<(), PortError>;

    /// Stores a manifest and tags it. The repository has its blobs, or refuses. Can be repeated.
    async fn put(&self, place: &Place, manifest: &ImageManifest, tag: &str) -> Result<(), PortError>;
}

/// The manifest of a container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    /// Its digest, which is that of the image.
    pub digest: Digest,
    /// Its type, which its bytes need not name.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A page of the images of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImagePage {
    /// The images, at most 1,000.
    pub images: Vec<StoredImage>,
    /// The position of the next page; `None` at the end.
    pub next: Option<String>,
}

/// The repositories, as garbage collection sees them.
#[async_trait]
pub trait StoredImages: Send + Sync {
    /// Lists the images of a repository.
    async fn list(&self, place: &Place, after: Option<&str>) -> Result<ImagePage, PortError>;

    /// Removes the tags of images, and with its last tag an image. An image that was tagged since it was listed stays.
    async fn remove(&self, place: &Place, images: &[&StoredImage]) -> Result<(), PortError>;
}

/// The repositories of others, as ingest sees them.
#[async_trait]
pub trait ExternalImages: Send + Sync {
    /// The manifest of an image.
    async fn manifest(&self, image: &ExternalImage) -> Result<Bytes, PortError>;

    /// A blob of an image in a repository: its length in bytes, and the bytes.
    async fn blob(
        &self,
        repository: &ImageRepository,
        blob: &Digest,
    ) -> Result<(u64, Box<dyn ChunkStream>), PortError>;
}
