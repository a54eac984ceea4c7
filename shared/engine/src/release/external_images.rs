//! Container images of repositories that are not Flotilla's: fetched once, and a part of the package from then on.

use super::stream::UploadBytes;
use crate::EngineError;
use crate::ports::{Body, ErrorKind, ExternalImages, PortError};
use bytes::Bytes;
use flotilla_domain::config::external_image::{ExternalImage, ImageRepository};
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::{Code, Digest, Refusal};
use flotilla_package::formats::Proof;

/// Reads the manifest of an image, which names the image's blobs.
pub async fn manifest(images: &dyn ExternalImages, image: &ExternalImage) -> Result<Bytes, EngineError> {
    let bytes = images.manifest(image).await.map_err(|error| unreadable(&image.repository, error))?;
    if Digest::of(&bytes) != image.digest {
        let what = format!("ECR has a manifest with the digest sha256:{} as {image}", Digest::of(&bytes));
        return Err(Refusal::new(Code::ExternalCodeDiffers, what, "push the image again").into());
    }
    Ok(bytes)
}

/// Stores a part of an image under its digest. It is read only if it is not stored yet: the manifest, which was just read, proves that the
/// repository has it, so it is no matter who stored it. What an invocation that ended has stored is not read again.
pub async fn store_pulled(
    upload: &UploadBytes,
    repository: &ImageRepository,
    part: Asset,
) -> Result<Proof, EngineError> {
    // Its length is not known if it is stored already; the sum of a release's sizes is without it.
    let proof = Proof { digest: part.digest, bytes: 0, unzipped: None };
    let key = part.key();
    if upload.holds(&key, &part.digest).await? {
        return Ok(proof);
    }
    let (bytes, body) = match part.kind {
        AssetKind::ImageManifest => {
            let image = ExternalImage { repository: repository.clone(), digest: part.digest };
            let manifest = manifest(upload.images.as_ref(), &image).await?;
            (manifest.len() as u64, Body::Bytes(manifest))
        }
        _ => {
            let blob = upload.images.blob(repository, &part.digest).await;
            let (bytes, stream) = blob.map_err(|error| unreadable(repository, error))?;
            (bytes, Body::Stream(bytes, stream))
        }
    };
    upload.packages.put(&key, &part.digest, body).await?;
    Ok(Proof { bytes, ..proof })
}

fn unreadable(repository: &ImageRepository, error: PortError) -> EngineError {
    let fix = match error.kind {
        ErrorKind::Denied => {
            let (region, account, name) = (&repository.region, &repository.account, &repository.name);
            let arn = format!("arn:{}:ecr:{region}:{account}:repository/{name}", region.partition());
            format!(
                "let ingest read it: add {arn} to the ARNs of flotilla install --external-images; if the repository is in another account than Flotilla, its policy has to allow ecr:BatchGetImage and ecr:GetDownloadUrlForLayer too"
            )
        }
        ErrorKind::Missing => {
            "push the image before the package is uploaded, and check the digest in the template and external_images in the service's configuration".into()
        }
        _ => return error.into(),
    };
    Refusal::new(Code::ExternalCodeDiffers, format!("{repository} cannot be read: {error}"), fix).into()
}
