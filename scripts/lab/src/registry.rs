//! Pushes container images to a repository of the emulator, as CI does with docker.

use crate::emulator::ACCOUNT;
use crate::error::{Doing, LabError};
use aws_config::SdkConfig;
use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::config::external_image::ImageRepository;

/// Creates a repository and pushes an image there: its manifest, and its other parts.
///
/// # Errors
/// The registry refuses something.
pub async fn push_image(
    config: &SdkConfig,
    name: &str,
    parts: &[Bytes],
) -> Result<ImageRepository, LabError> {
    let ecr = aws_sdk_ecr::Client::new(config);
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let uri = format!("{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{name}");
    let repository = ImageRepository::parse(&uri).doing("name the repository")?;
    ecr.create_repository().repository_name(name).send().await.doing("create the repository")?;
    let Some((manifest, blobs)) = parts.split_first() else { return Ok(repository) };
    let (host, _) = uri.split_once('/').unwrap_or_default();
    let endpoint = config.endpoint_url().unwrap_or_default();
    let client = flotilla_cli::http::client().build().doing("make a client")?;
    for blob in blobs {
        let url = format!("{endpoint}/v2/{name}/blobs/uploads/?digest=sha256:{}", Digest::of(blob));
        let sent = client.post(url).header("host", host).body(blob.clone()).send().await;
        sent.and_then(|answer| answer.error_for_status()).doing("push a blob")?;
    }
    let text = String::from_utf8_lossy(manifest).into_owned();
    let put = ecr.put_image().repository_name(name).image_manifest(text).image_tag("v1");
    put.image_manifest_media_type(flotilla_package::image::media_type(manifest))
        .send()
        .await
        .doing("push the manifest")?;
    Ok(repository)
}
