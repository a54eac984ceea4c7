//! The contract of the repositories of container images.

use super::{Bench, Quirk};
use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::config::external_image::{ExternalImage, ImageRepository};
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::retention::StoredImage;
use flotilla_engine::ports::{
    Body, ErrorKind, ExternalImages, ImageManifest, ImageRegistry, PackageStore, StoredImages,
};
use flotilla_package::image;
use serde_json::json;

/// The number of pages within which a short list must end.
const PAGES_MAX: usize = 100;

/// The contract of the repositories, which are filled from the ingest bucket.
///
/// # Panics
/// If a repository violates it.
pub async fn images(
    registry: &dyn ImageRegistry,
    stored: &dyn StoredImages,
    packages: &dyn PackageStore,
    bench: &dyn Bench,
) {
    let place = bench.place();
    let (manifest, blobs) = ingested(packages, bench).await;
    let image = manifest.digest;
    assert_eq!(registry.manifest(&image).await, Ok(manifest.bytes.clone()));
    let other = registry.manifest(&Digest::of(b"never stored")).await.expect_err("there is no such image");
    assert_eq!(other.kind, ErrorKind::Missing, "{other}");
    assert_eq!(registry.tags(place, &image).await, Ok(None));
    assert_eq!(registry.missing(place, &blobs).await, Ok(blobs.clone()));

    // Another tag than those below: where blobs are not asked for, this image is stored now.
    let early = registry.put(place, &manifest, "needed-early").await;
    bench.quirks().check(Quirk::ImagesNeedNoBlobs, early.is_err(), "an image is stored without its blobs");

    for blob in &blobs {
        registry.upload(place, blob).await.expect("it is sent");
    }
    registry.upload(place, &blobs[0]).await.expect("it can be sent again");
    let never = Digest::of(format!("never stored {}", bench.space()).as_bytes());
    let error = registry.upload(place, &never).await.expect_err("there is nothing to send");
    assert_eq!(error.kind, ErrorKind::Missing, "{error}");
    let missing = registry.missing(place, &blobs).await.expect("an answer");
    bench.quirks().check(Quirk::BlobsAreNeverThere, missing.is_empty(), "a blob that was sent is missing");

    for tag in ["needed-one", "needed-two", "needed-two"] {
        registry.put(place, &manifest, tag).await.expect("it is stored");
    }
    let mut tags = registry.tags(place, &image).await.expect("an answer").expect("it is there");
    tags.retain(|tag| tag != "needed-early");
    tags.sort();
    assert_eq!(tags, ["needed-one", "needed-two"]);

    let listed = all(stored, bench).await.into_iter().find(|listed| listed.digest == image);
    let listed = listed.expect("it is listed");
    let but_last = StoredImage {
        tags: listed.tags.iter().filter(|tag| *tag != "needed-two").cloned().collect(),
        ..listed.clone()
    };
    stored.remove(place, &[&but_last]).await.expect("the tags are removed");
    let tags = registry.tags(place, &image).await.expect("an answer");
    let is_kept = tags == Some(vec!["needed-two".into()]);
    bench.quirks().check(Quirk::ImagesGoWithAnyTag, is_kept, "an image with a tag is gone");
    stored.remove(place, &[&listed]).await.expect("what is left is removed");
    assert_eq!(registry.tags(place, &image).await, Ok(None));
    stored.remove(place, &[&listed]).await.expect("what is gone is gone");
}

/// The contract of repositories that are not Flotilla's.
///
/// # Panics
/// If they violate it.
pub async fn external_images(images: &dyn ExternalImages, bench: &dyn Bench) {
    let parts = parts(bench);
    let repository = bench.push_image(&parts).await;
    let of = |bytes: &[u8]| ExternalImage { repository: repository.clone(), digest: Digest::of(bytes) };
    assert_eq!(images.manifest(&of(&parts[0])).await, Ok(parts[0].clone()));
    let missing = images.manifest(&of(b"never pushed")).await.expect_err("there is no such image");
    assert_eq!(missing.kind, ErrorKind::Missing, "{missing}");
    let none = ImageRepository { name: "never-created".into(), ..repository.clone() };
    let image = ExternalImage { repository: none, digest: Digest::of(&parts[0]) };
    let missing = images.manifest(&image).await.expect_err("there is no such repository");
    assert_eq!(missing.kind, ErrorKind::Missing, "{missing}");
    for part in &parts[1..] {
        let (length, mut stream) = images.blob(&repository, &Digest::of(part)).await.expect("it is there");
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await.expect("a chunk") {
            bytes.extend_from_slice(&chunk);
        }
        assert_eq!((length, &bytes[..]), (part.len() as u64, &part[..]));
    }
}

/// The manifest, the configuration and the layer of an image.
fn parts(bench: &dyn Bench) -> [Bytes; 3] {
    let config = Bytes::from_static(br#"{"architecture": "arm64", "os": "linux"}"#);
    let layer = Bytes::from(format!("a layer of {}", bench.space()));
    let described = |kind: &str, bytes: &Bytes| json!({"mediaType": kind, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "config": described("application/vnd.oci.image.config.v1+json", &config),
        "layers": [described("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
    });
    [manifest.to_string().into(), config, layer]
}

/// An image whose parts are in the ingest bucket: its manifest, and the digests of its blobs.
async fn ingested(packages: &dyn PackageStore, bench: &dyn Bench) -> (ImageManifest, Vec<Digest>) {
    let [bytes, config, layer] = parts(bench);
    let digest = Digest::of(&bytes);
    let blobs = image::blobs(&bytes).expect("an image");
    let parts = [
        (AssetKind::ImageBlob, config),
        (AssetKind::ImageBlob, layer),
        (AssetKind::ImageManifest, bytes.clone()),
    ];
    for (kind, content) in parts {
        let asset = Asset { kind, digest: Digest::of(&content) };
        packages.put(&asset.key(), &asset.digest, Body::Bytes(content)).await.expect("it is stored");
    }
    (ImageManifest { digest, media_type: image::media_type(&bytes), bytes }, blobs)
}

async fn all(stored: &dyn StoredImages, bench: &dyn Bench) -> Vec<StoredImage> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = stored.list(bench.place(), after.as_deref()).await.expect("a page");
        all.extend(page.images);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
    panic!("the list has no end");
}
