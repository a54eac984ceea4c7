//! The repositories of container images. Their rules are those of the Amazon ECR API Reference: `CompleteLayerUpload`, `PutImage`,
//! `BatchDeleteImage`.

use crate::objects::Repository;
use crate::s3::whole;
use crate::state::{Shared, State};
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::config::external_image::{ExternalImage, ImageRepository};
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::retention::StoredImage;
use flotilla_domain::{Digest, Site};
use flotilla_engine::ports::{
    ChunkStream, ErrorKind, ExternalImages, ImageManifest, ImagePage, ImageRegistry, Place, PortError,
    StoredImages,
};
use flotilla_package::image;
use std::collections::BTreeSet;

/// The repositories.
pub struct SimImages(pub Shared);

/// The repositories of others.
pub struct SimExternalImages(pub Shared);

fn key(kind: AssetKind, digest: &Digest) -> String {
    Asset { kind, digest: *digest }.key()
}

fn missing(operation: &'static str, what: &str) -> PortError {
    PortError::new(ErrorKind::Missing, operation, what)
}

fn repository<'s>(state: &'s mut State, site: &Site) -> &'s mut Repository {
    state.repositories.entry(site.clone()).or_default()
}

#[async_trait]
impl ImageRegistry for SimImages {
    async fn tags(&self, place: &Place, image: &Digest) -> Result<Option<Vec<String>>, PortError> {
        let tags = |state: &mut State| {
            let tags = repository(state, &place.site).images.get(image);
            Ok(tags.map(|tags| tags.iter().cloned().collect()))
        };
        self.0.call("ecr:DescribeImages", Some(&place.site), tags).await
    }

    async fn manifest(&self, image: &Digest) -> Result<Bytes, PortError> {
        let read = |state: &mut State| {
            let held = state.home.get(&key(AssetKind::ImageManifest, image)) == Some(image);
            let bytes = state.manifests.get(image).filter(|_| held);
            bytes
                .cloned()
                .ok_or_else(|| missing("s3:GetObject", "NoSuchKey: The specified key does not exist."))
        };
        self.0.call("s3:GetObject", None, read).await
    }

    async fn missing(&self, place: &Place, blobs: &[Digest]) -> Result<Vec<Digest>, PortError> {
        let check = |state: &mut State| {
            let held = &repository(state, &place.site).blobs;
            Ok(blobs.iter().filter(|blob| !held.contains(blob)).copied().collect())
        };
        self.0.call("ecr:BatchCheckLayerAvailability", Some(&place.site), check).await
    }

    async fn upload(&self, place: &Place, blob: &Digest) -> Result<(), PortError> {
        let send = |state: &mut State| {
            if state.home.get(&key(AssetKind::ImageBlob, blob)) != Some(blob) {
                return Err(missing("s3:GetObject", "NoSuchKey: The specified key does not exist."));
            }
            let repository = repository(state, &place.site);
            repository.blobs.insert(*blob);
            repository.sent += 1;
            Ok(())
        };
        self.0.call("ecr:CompleteLayerUpload", Some(&place.site), send).await
    }

    async fn put(&self, place: &Place, manifest: &ImageManifest, tag: &str) -> Result<(), PortError> {
        let refused = |what: &str| Err(PortError::new(ErrorKind::Permanent, "ecr:PutImage", what));
        let put = |state: &mut State| {
            if Digest::of(&manifest.bytes) != manifest.digest {
                return refused("ImageDigestDoesNotMatchException");
            }
            let repository = repository(state, &place.site);
            let blobs = image::blobs(&manifest.bytes).expect("ingest has read it");
            if blobs.iter().any(|blob| !repository.blobs.contains(blob)) {
                // The next attempt sends them.
                return Err(PortError::new(ErrorKind::Transient, "ecr:PutImage", "LayersNotFoundException"));
            }
            // A tag moves from the image that had it.
            for tags in repository.images.values_mut() {
                tags.remove(tag);
            }
            repository.images.entry(manifest.digest).or_default().insert(tag.to_owned());
            Ok(())
        };
        self.0.call("ecr:PutImage", Some(&place.site), put).await
    }
}

#[async_trait]
impl StoredImages for SimImages {
    async fn list(&self, place: &Place, after: Option<&str>) -> Result<ImagePage, PortError> {
        const PAGE: usize = 2;
        let list = |state: &mut State| {
            let images = repository(state, &place.site).images.iter();
            let images =
                images.filter(|(digest, _)| after.is_none_or(|after| digest.to_string().as_str() > after));
            let mut images: Vec<StoredImage> = images
                .map(|(digest, tags)| StoredImage {
                    digest: *digest,
                    tags: tags.iter().cloned().collect(),
                    bytes: 1,
                })
                .collect();
            let next = (images.len() > PAGE).then(|| images[PAGE - 1].digest.to_string());
            images.truncate(PAGE);
            Ok(ImagePage { images, next })
        };
        self.0.call("ecr:DescribeImages", Some(&place.site), list).await
    }

    async fn remove(&self, place: &Place, images: &[&StoredImage]) -> Result<(), PortError> {
        let remove = |state: &mut State| {
            let mut gone = Vec::new();
            let repository = repository(state, &place.site);
            for tag in images.iter().flat_map(|image| &image.tags) {
                let tagged = repository.images.iter().find(|(_, tags)| tags.contains(tag));
                let Some(image) = tagged.map(|(image, _)| *image) else { continue };
                let tags = repository.images.entry(image).or_default();
                tags.remove(tag);
                if tags.is_empty() {
                    repository.images.remove(&image);
                    gone.push((Some(place.site.clone()), key(AssetKind::ImageManifest, &image)));
                }
            }
            // Blobs that no image names any longer are removed too.
            let left: BTreeSet<Digest> = repository.images.keys().copied().collect();
            let manifests = left.iter().filter_map(|image| state.manifests.get(image));
            let named =
                manifests.flat_map(|manifest| image::blobs(manifest).expect("ingest has read it")).collect();
            state.repositories.entry(place.site.clone()).or_default().blobs = named;
            state.objects.gone.append(&mut gone);
            Ok(())
        };
        self.0.call("ecr:BatchDeleteImage", Some(&place.site), remove).await
    }
}

/// A part of an image in a repository of somebody else.
fn pulled(
    state: &State,
    repository: &ImageRepository,
    part: &Digest,
    operation: &'static str,
) -> Result<Bytes, PortError> {
    let found = state.pulled.get(&(repository.clone(), *part)).cloned();
    found.ok_or_else(|| missing(operation, "ImageNotFound: Requested image not found"))
}

#[async_trait]
impl ExternalImages for SimExternalImages {
    async fn manifest(&self, image: &ExternalImage) -> Result<Bytes, PortError> {
        const GET: &str = "ecr:BatchGetImage";
        let read = |state: &mut State| pulled(state, &image.repository, &image.digest, GET);
        self.0.call(GET, None, read).await
    }

    async fn blob(
        &self,
        repository: &ImageRepository,
        blob: &Digest,
    ) -> Result<(u64, Box<dyn ChunkStream>), PortError> {
        const GET: &str = "ecr:GetDownloadUrlForLayer";
        let read = |state: &mut State| pulled(state, repository, blob, GET);
        let bytes = self.0.call(GET, None, read).await?;
        Ok((bytes.len() as u64, whole(bytes)))
    }
}
