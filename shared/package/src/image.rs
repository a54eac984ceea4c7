//! Container images in an OCI image layout (OCI Image Format Specification 1.1, "Image Layout"): a folder of the package, or an archive that
//! the caller unpacks.
//!
//! A file of an archive is named `<archive>!/<file>`. [`DraftStep::Need`](crate::formats::DraftStep::Need) may ask for one. Who cannot unpack
//! archives refuses with [`not_unpacked`].

use crate::json::parse_strict;
use crate::listing::Listing;
use flotilla_domain::{Code, Digest, Refusal};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The file of a layout that lists its images.
pub const INDEX: &str = "index.json";

const IN_ARCHIVE: &str = "!/";

/// The base of the names of an archive's files.
pub fn archive_base(archive: &str) -> String {
    format!("{archive}{IN_ARCHIVE}")
}

/// Splits the name of a file in an archive: the archive, and the file's name in it.
pub fn in_archive(name: &str) -> Option<(&str, &str)> {
    name.split_once(IN_ARCHIVE)
}

/// Whether a name is that of a file in an archive of the package, and not of a file of the package itself.
pub fn is_in_archive(listing: &Listing, name: &str) -> bool {
    !listing.has(name) && in_archive(name).is_some_and(|(archive, _)| listing.has(archive))
}

/// Whether a file's name is that of an archive that may contain images.
pub fn is_archive(name: &str) -> bool {
    [".tar", ".tar.gz", ".tgz"].iter().any(|ending| name.ends_with(ending))
}

/// The folder of the blobs in a layout.
pub fn blob_folder(base: &str) -> String {
    format!("{base}blobs/sha256/")
}

/// The name of a blob in a layout.
pub fn blob_name(base: &str, digest: &Digest) -> String {
    format!("{}{digest}", blob_folder(base))
}

/// The refusal of an archive in an upload: its layers would have to be compressed and stored one by one.
pub fn not_unpacked(archive: &str) -> Refusal {
    let what =
        format!("{archive} is an archive of container images, and the upload has to contain their layers");
    Refusal::new(Code::ImageUnsupported, what, "pack the folder with flotilla pack or flotilla push")
        .at(archive)
}

/// A reference to content by its digest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Manifest {
    fn parts(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}

/// What an index leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The manifest of an image.
    Manifest(Digest),
    /// Another index: that of an image for several platforms, or with attestations.
    Index(Digest),
}

/// Finds the only image of an index, or the one that a name such as `api:v1` means.
///
/// # Errors
/// [`Code::ImageUnsupported`] if there is no such image, or several.
pub fn find(index: &[u8], name: Option<&str>) -> Result<Found, Refusal> {
    let index: Index = parse(index, "an index of container images")?;
    let wanted = |descriptor: &&Descriptor| {
        !descriptor.is_attestation() && name.is_none_or(|name| descriptor.has_name(name))
    };
    let mut found = BTreeMap::new();
    for descriptor in index.manifests.iter().filter(wanted) {
        let digest = sha256(&descriptor.digest)?;
        let is_index = INDEX_TYPES.contains(&descriptor.media_type.as_str());
        let image = if is_index { Found::Index(digest) } else { Found::Manifest(digest) };
        found.insert(digest, (image, descriptor));
    }
    if found.len() > 1 {
        let names: BTreeSet<String> = found.values().map(|(_, descriptor)| descriptor.shown()).collect();
        let what = format!("there are several images: {}", cut(&Vec::from_iter(names).join(", ")));
        let fix = "save one image for one platform: docker save --platform linux/amd64, or skopeo copy";
        return Err(unsupported(what, fix));
    }
    match (found.into_values().next(), name) {
        (Some((image, _)), _) => Ok(image),
        (None, None) => Err(unsupported("there is no image".into(), "save the image again: docker save")),
        (None, Some(name)) => {
            let names: BTreeSet<String> = index.manifests.iter().map(Descriptor::shown).collect();
            let names = cut(&Vec::from_iter(names).join(", "));
            let what = format!("the image {} is not among {names}", cut(name));
            Err(unsupported(
                what,
                "save all images that the template names: docker save NAME NAME -o images.tar",
            ))
        }
    }
}

/// The blobs that a manifest names: its configuration and its layers.
///
/// # Errors
/// [`Code::ImageUnsupported`] for what Lambda does not run. It takes OCI and Docker manifests, and layers that gzip has compressed (AWS Lambda
/// Developer Guide, "Create a Lambda function using a container image"; others end in `UnsupportedImageLayerDetected`).
pub fn blobs(manifest: &[u8]) -> Result<Vec<Digest>, Refusal> {
    if manifest.len() > MANIFEST_BYTES_MAX {
        let what = format!("its manifest has {} bytes, more than {MANIFEST_BYTES_MAX}", manifest.len());
        return Err(unsupported(what, "build the image with docker build, and save it again"));
    }
    if serde_json::from_slice::<Index>(manifest).is_ok() {
        let what = "it is an index of images, and Lambda runs one image".into();
        let fix = "name the digest of the image for one platform: docker buildx build --platform linux/arm64 --provenance=false pushes it alone";
        return Err(unsupported(what, fix));
    }
    let manifest: Manifest = parse(manifest, "the manifest of a container image")?;
    if !CONFIG_TYPES.contains(&manifest.config.media_type.as_str()) {
        let what =
            format!("it is not a container image, but has the type {}", cut(&manifest.config.media_type));
        return Err(unsupported(what, "build the image with docker build, and save it again"));
    }
    if let Some(layer) =
        manifest.layers.iter().find(|layer| !LAYER_TYPES.contains(&layer.media_type.as_str()))
    {
        let what = format!("Lambda does not support layers of the type {}", cut(&layer.media_type));
        let fix = "compress the layers with gzip: save the image with docker save and let flotilla pack compress it, or docker buildx build --output type=oci,compression=gzip,force-compression=true";
        return Err(unsupported(what, fix));
    }
    if manifest.layers.len() > LAYERS_MAX {
        let what = format!("the image has {} layers, more than {LAYERS_MAX}", manifest.layers.len());
        return Err(unsupported(what, "build it with fewer layers: Docker allows 127"));
    }
    let blobs = manifest.parts().map(|blob| sha256(&blob.digest)).collect::<Result<BTreeSet<_>, _>>()?;
    // It is no gzip file, and an upload to ECR needs a part.
    if blobs.contains(&Digest::of(b"")) {
        let what = "a layer, or the configuration, has no bytes".into();
        return Err(unsupported(what, "save the image again: docker save"));
    }
    Ok(blobs.into_iter().collect())
}

/// The sizes of an image's blobs in bytes, as its manifest declares them.
pub fn declared_sizes(manifest: &[u8]) -> BTreeMap<Digest, u64> {
    let manifest = serde_json::from_slice::<Manifest>(manifest).ok();
    let parts = manifest.iter().flat_map(Manifest::parts);
    parts.filter_map(|part| Some((sha256(&part.digest).ok()?, part.size))).collect()
}

/// The media type that ECR is told of a manifest.
pub fn media_type(manifest: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: String,
    }
    // An OCI manifest need not name its type; Docker's must.
    serde_json::from_slice(manifest).map_or_else(|_| OCI_MANIFEST.to_owned(), |typed: Typed| typed.media_type)
}

/// Docker's own limit is 127.
const LAYERS_MAX: usize = 150;
/// What `PutImage` takes (Amazon ECR API Reference).
pub(crate) const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
const LAYER_TYPES: [&str; 2] =
    ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"];
/// Names of an image: containerd's, and those of the OCI specification.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

impl Descriptor {
    /// Whether it describes another image instead of being one, as BuildKit's attestations do.
    fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }

    /// The name that containerd writes; else that of the OCI specification, which Docker only writes the tag into.
    fn names(&self) -> impl Iterator<Item = &str> {
        NAMES.iter().find_map(|name| self.annotations.get(*name)).map(String::as_str).into_iter()
    }

    fn has_name(&self, name: &str) -> bool {
        self.names().any(|own| full_name(own) == full_name(name))
    }

    /// How it is shown to users.
    fn shown(&self) -> String {
        let platform = self.platform.as_ref().map(|p| format!("{}/{}", p.os, p.architecture));
        let name = self.names().next().map(ToOwned::to_owned);
        name.or(platform).unwrap_or_else(|| self.digest.clone())
    }
}

/// A name without the default registry, and with a tag.
fn full_name(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8], what: &str) -> Result<T, Refusal> {
    let value = parse_strict(bytes).and_then(serde_json::from_value);
    value.map_err(|error| unsupported(format!("{what} cannot be read: {error}"), "save the image again"))
}

fn sha256(digest: &str) -> Result<Digest, Refusal> {
    let hex = digest.strip_prefix("sha256:").and_then(|hex| Digest::parse_hex(hex).ok());
    hex.ok_or_else(|| unsupported(format!("{} is not a SHA-256", cut(digest)), "save the image again"))
}

fn unsupported(what: String, fix: &str) -> Refusal {
    Refusal::new(Code::ImageUnsupported, what, fix)
}

/// The beginning of a text from an upload.
fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn hex(of: &str) -> String {
        format!("sha256:{}", Digest::of(of.as_bytes()))
    }

    fn index(manifests: Value) -> Vec<u8> {
        json!({"schemaVersion": 2, "manifests": manifests}).to_string().into_bytes()
    }

    #[test]
    fn the_only_image_of_an_index_is_found_beside_attestations() {
        let image = json!({"mediaType": OCI_MANIFEST, "digest": hex("a"), "size": 1,
            "platform": {"os": "linux", "architecture": "arm64"}});
        let attestation = json!({"mediaType": OCI_MANIFEST, "digest": hex("b"), "size": 1,
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
        assert_eq!(find(&index(json!([attestation, image])), None), Ok(Found::Manifest(Digest::of(b"a"))));
        let nested = json!({"mediaType": INDEX_TYPES[0], "digest": hex("c"), "size": 1});
        assert_eq!(find(&index(json!([nested])), None), Ok(Found::Index(Digest::of(b"c"))));
        let other = json!({"mediaType": OCI_MANIFEST, "digest": hex("d"), "size": 1,
            "platform": {"os": "linux", "architecture": "amd64"}});
        let refused = find(&index(json!([image, other])), None).unwrap_err();
        assert!(refused.message.contains("linux/amd64, linux/arm64"), "{refused}");
        for bad in [json!([]), json!([{"digest": "md5:1"}]), json!(1)] {
            assert_eq!(find(&index(bad), None).unwrap_err().code, Code::ImageUnsupported);
        }
    }

    #[test]
    fn an_image_is_found_by_the_names_that_tools_write() {
        let named = |of: &str, annotations: Value| json!({"mediaType": OCI_MANIFEST, "digest": hex(of), "size": 1, "annotations": annotations});
        let index = index(json!([
            named(
                "a",
                json!({"io.containerd.image.name": "docker.io/library/api:v1", "org.opencontainers.image.ref.name": "v1"})
            ),
            named("b", json!({"org.opencontainers.image.ref.name": "jobs:latest"})),
        ]));
        let found = |name| find(&index, Some(name));
        assert_eq!(found("api:v1"), Ok(Found::Manifest(Digest::of(b"a"))));
        assert_eq!(found("jobs"), Ok(Found::Manifest(Digest::of(b"b"))));
        let refused = found("api:v2").unwrap_err();
        assert!(refused.message.contains("docker.io/library/api:v1, jobs:latest"), "{refused}");
    }

    #[test]
    fn layers_that_lambda_does_not_run_are_refused() {
        let manifest = |kind: &str| {
            json!({"schemaVersion": 2, "config": {"mediaType": CONFIG_TYPES[0], "digest": hex("config"), "size": 1},
                "layers": [{"mediaType": kind, "digest": hex("layer"), "size": 1}, {"mediaType": kind, "digest": hex("layer"), "size": 1}]})
            .to_string()
        };
        let mut expected = vec![Digest::of(b"config"), Digest::of(b"layer")];
        expected.sort();
        assert_eq!(blobs(manifest(LAYER_TYPES[0]).as_bytes()), Ok(expected));
        for kind in ["application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd"]
        {
            let refused = blobs(manifest(kind).as_bytes()).unwrap_err();
            assert!(refused.message.ends_with(kind), "{refused}");
        }
        let chart =
            manifest(LAYER_TYPES[0]).replace(CONFIG_TYPES[0], "application/vnd.cncf.helm.config.v1+json");
        assert!(blobs(chart.as_bytes()).unwrap_err().message.contains("helm"));
        let empty = manifest(LAYER_TYPES[0]).replace(&hex("layer"), &hex(""));
        assert!(blobs(empty.as_bytes()).unwrap_err().message.contains("has no bytes"));
        let several = index(json!([{"mediaType": OCI_MANIFEST, "digest": hex("a"), "size": 1}]));
        assert!(blobs(&several).unwrap_err().message.contains("an index of images"));
        assert_eq!(
            declared_sizes(manifest("x").as_bytes()).values().sum::<u64>(),
            2,
            "a layer that is there twice is stored once"
        );
        assert_eq!(media_type(manifest("x").as_bytes()), OCI_MANIFEST);
        assert_eq!(media_type(br#"{"mediaType": "docker"}"#), "docker");
    }
}
