//! Archives of container images, as `docker save`, BuildKit and skopeo write them, read as an OCI image layout with compressed layers.
//!
//! Two forms are known: an OCI image layout (OCI Image Format Specification 1.1), which Docker writes since version 25, and the older form with a
//! `manifest.json` (Docker Image Specification 1.2, "Combined Image JSON + Filesystem Changeset Format"). Docker saves layers as they are on
//! the disk, uncompressed; Lambda runs only compressed ones.

use super::layer::{Layer, already_compressed, compressed};
use super::tar_files::TarFiles;
use super::{PackError, chunks};
use crate::error::CliError;
use flotilla_domain::{Code, Digest, Refusal};
use flotilla_package::image;
use flotilla_package::json::canonical;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use tempfile::TempPath;

/// Bytes of an index, a manifest or a configuration.
const JSON_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Images of an archive, with all platforms.
const IMAGES_MAX: usize = 100;
/// How deep indexes may lead to others.
const DEPTH_MAX: usize = 3;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// The types of uncompressed layers, and those of the same layers compressed.
const COMPRESSED: [(&str, &str); 2] = [
    ("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ("application/vnd.docker.image.rootfs.diff.tar", DOCKER_LAYER),
];
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An archive, as a layout.
pub struct Archive {
    tar: TarFiles,
    index: Vec<u8>,
    blobs: BTreeMap<Digest, Blob>,
}

/// Where a blob's bytes are.
enum Blob {
    /// A file of the tar.
    File(String),
    /// A compressed layer.
    Compressed(TempPath),
    /// A manifest.
    Bytes(Vec<u8>),
}

/// A reference to content, with what else the tool has written about it.
#[derive(Clone, Serialize, Deserialize)]
struct Descriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Descriptor {
    fn of(media_type: &str, digest: &Digest, size: u64) -> Self {
        Self { media_type: media_type.into(), digest: format!("sha256:{digest}"), size, more: Map::new() }
    }

    /// Whether it describes another image, as BuildKit's attestations do.
    fn is_attestation(&self) -> bool {
        self.more.get("annotations").is_some_and(|all| all.get("vnd.docker.reference.type").is_some())
    }

    fn sha256(&self) -> Option<Digest> {
        Digest::parse_hex(self.digest.strip_prefix("sha256:")?).ok()
    }
}

#[derive(Deserialize)]
struct Index {
    /// Docker 25.0 writes null for images that were saved by their ids.
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// An image of the older form.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

impl Archive {
    /// Reads an archive, which gzip may have compressed. `name` is shown to users.
    ///
    /// # Errors
    /// [`Code::ImageUnsupported`] if it is not an archive of images, or not a complete one.
    pub fn open(name: &str, file: File) -> Result<Self, PackError> {
        let failed = |e: io::Error| CliError::failed(format!("cannot read {name}"), e);
        let file = plain(file).map_err(failed)?;
        let tar = TarFiles::list(file)
            .map_err(|error| refusal(name, format!("it is not a tar of container images: {error}")))?;
        let mut archive = Self { tar, index: Vec::new(), blobs: BTreeMap::new() };
        let mut reading =
            Reading { name, archive: &mut archive, layers: BTreeMap::new(), images: Vec::new() };
        reading.layout()?;
        if reading.images.is_empty() {
            reading.saved()?;
        }
        let images = reading.images;
        if images.is_empty() {
            return Err(refusal(name, "there are no container images in it".into()));
        }
        archive.index = canonical(&json!({"schemaVersion": 2, "manifests": images}));
        Ok(archive)
    }

    /// Passes the bytes of a file of the layout to `sink`; `false` if there is no such file.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn read(&self, file: &str, sink: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
        if file == image::INDEX {
            return sink(&self.index).map(|()| true);
        }
        let hex = file.strip_prefix(&image::blob_folder("")).unwrap_or_default();
        let Some(blob) = Digest::parse_hex(hex).ok().and_then(|digest| self.blobs.get(&digest)) else {
            return Ok(false);
        };
        match blob {
            Blob::Bytes(bytes) => sink(bytes)?,
            Blob::File(name) => self.tar.read(name, sink)?,
            Blob::Compressed(path) => chunks(&mut File::open(path)?, sink)?,
        }
        Ok(true)
    }
}

fn refusal(name: &str, what: String) -> PackError {
    let what: String = what.chars().take(500).collect();
    let fix = "save the images again: docker save NAME -o images.tar";
    Refusal::new(Code::ImageUnsupported, format!("{name}: {what}"), fix).at(name).into()
}

/// A file, decompressed if gzip has compressed it.
fn plain(mut file: File) -> io::Result<File> {
    let mut magic = [0; 2];
    let read = file.read(&mut magic)?;
    file.rewind()?;
    if read < 2 || magic != [0x1f, 0x8b] {
        return Ok(file);
    }
    let mut out = tempfile::tempfile()?;
    io::copy(&mut flate2::read::MultiGzDecoder::new(file), &mut out)?;
    out.rewind()?;
    Ok(out)
}

/// An archive that is being read.
struct Reading<'a> {
    name: &'a str,
    archive: &'a mut Archive,
    /// The compressed layers, by the files of the uncompressed ones: images share them.
    layers: BTreeMap<String, Layer>,
    /// The images found.
    images: Vec<Descriptor>,
}

impl Reading<'_> {
    fn refuse<T>(&self, what: String) -> Result<T, PackError> {
        Err(refusal(self.name, what))
    }

    /// A small JSON file of the tar; `None` if it is not there.
    fn json<T: for<'de> Deserialize<'de>>(&self, file: &str) -> Result<Option<(T, Vec<u8>)>, PackError> {
        let Some(bytes) = self.archive.tar.bytes_of(file) else { return Ok(None) };
        if bytes > JSON_BYTES_MAX {
            return self.refuse(format!("{file} has {bytes} bytes, which is too much"));
        }
        let mut content = Vec::new();
        let read = self.archive.tar.read(file, &mut |chunk| content.write_all(chunk));
        read.map_err(|e| CliError::failed(format!("cannot read {file} of {}", self.name), e))?;
        match serde_json::from_slice(&content) {
            Ok(value) => Ok(Some((value, content))),
            Err(error) => self.refuse(format!("{file} cannot be read: {error}")),
        }
    }

    /// The images of an OCI image layout, if the tar is one.
    fn layout(&mut self) -> Result<(), PackError> {
        let Some((index, _)) = self.json::<Index>(image::INDEX)? else { return Ok(()) };
        self.indexed(index, &Map::new(), 0)
    }

    /// The images of an index whose blobs are in the tar: that of an image for several platforms names them all, and Docker saves those it has.
    fn indexed(&mut self, index: Index, outer: &Map<String, Value>, depth: usize) -> Result<(), PackError> {
        let manifests = index.manifests.unwrap_or_default().into_iter();
        for mut descriptor in manifests.filter(|descriptor| !descriptor.is_attestation()) {
            let file = descriptor.sha256().map(|digest| image::blob_name("", &digest));
            let Some(file) = file.filter(|file| self.archive.tar.bytes_of(file).is_some()) else { continue };
            // The name of an image is where the outer index leads to it.
            let annotations = descriptor.more.entry("annotations").or_insert_with(|| json!({}));
            if let Value::Object(annotations) = annotations {
                for (key, value) in outer {
                    annotations.entry(key).or_insert_with(|| value.clone());
                }
            }
            if self.images.len() >= IMAGES_MAX || depth >= DEPTH_MAX {
                return self.refuse(format!("it has more than {IMAGES_MAX} images, or indexes in indexes"));
            }
            if let Some((index, _)) = self.json::<Index>(&file)?
                && index.manifests.is_some()
            {
                let annotations = descriptor.more.get("annotations").and_then(Value::as_object);
                self.indexed(index, &annotations.cloned().unwrap_or_default(), depth + 1)?;
                continue;
            }
            self.manifest(descriptor, &file)?;
        }
        Ok(())
    }

    /// An image with its manifest in the tar. Uncompressed layers are compressed, which changes the manifest.
    fn manifest(&mut self, descriptor: Descriptor, file: &str) -> Result<(), PackError> {
        let Some((mut manifest, bytes)) = self.json::<Manifest>(file)? else { return Ok(()) };
        let config = manifest.config.sha256().map(|digest| (digest, image::blob_name("", &digest)));
        let Some((config, config_file)) =
            config.filter(|(_, blob)| self.archive.tar.bytes_of(blob).is_some())
        else {
            return self.refuse(format!("the configuration {} is not in it", manifest.config.digest));
        };
        let is_plain = |layer: &Descriptor| COMPRESSED.iter().any(|(plain, _)| layer.media_type == *plain);
        let is_changed = manifest.layers.iter().any(is_plain);
        let built = if is_changed { self.json::<Config>(&config_file)? } else { None };
        let diff_ids = built.map_or_else(Vec::new, |(config, _)| config.rootfs.diff_ids);
        for (nth, layer) in manifest.layers.iter_mut().enumerate() {
            let Some(digest) = layer.sha256() else {
                return self.refuse(format!("{} is not a SHA-256", layer.digest));
            };
            let blob = image::blob_name("", &digest);
            if self.archive.tar.bytes_of(&blob).is_none() {
                return self.refuse(format!("the layer {} is not in it", layer.digest));
            }
            match COMPRESSED.iter().find(|(plain, _)| layer.media_type == *plain) {
                Some((_, compressed)) => {
                    let packed = self.layer(&blob)?;
                    self.check_layer(&packed, &layer.digest, &layer.digest)?;
                    let built = diff_ids.get(nth).map_or("", String::as_str);
                    self.check_layer(&packed, built, &layer.digest)?;
                    *layer = Descriptor {
                        more: std::mem::take(&mut layer.more),
                        ..Descriptor::of(compressed, &packed.digest, packed.bytes)
                    };
                }
                None => drop(self.archive.blobs.insert(digest, Blob::File(blob))),
            }
        }
        self.archive.blobs.insert(config, Blob::File(config_file));
        let bytes =
            if is_changed { canonical(&serde_json::to_value(&manifest).unwrap_or_default()) } else { bytes };
        self.keep(descriptor, bytes);
        Ok(())
    }

    /// Refuses a layer with other files than the image was built with: Docker 25.0.0 saved layers in the wrong order.
    fn check_layer(&self, layer: &Layer, diff_id: &str, shown: &str) -> Result<(), PackError> {
        if diff_id == format!("sha256:{}", layer.diff_id) {
            return Ok(());
        }
        self.refuse(format!("the layer {shown} is not the one that the image was built with"))
    }

    /// Adds an image. `like` has its type and names.
    fn keep(&mut self, like: Descriptor, manifest: Vec<u8>) {
        let digest = Digest::of(&manifest);
        let image = Descriptor {
            more: like.more,
            ..Descriptor::of(&like.media_type, &digest, manifest.len() as u64)
        };
        self.archive.blobs.insert(digest, Blob::Bytes(manifest));
        self.images.push(image);
    }

    /// The images of the older form.
    fn saved(&mut self) -> Result<(), PackError> {
        let Some((saved, _)) = self.json::<Vec<Saved>>("manifest.json")? else { return Ok(()) };
        if saved.len() > IMAGES_MAX {
            return self.refuse(format!("it has more than {IMAGES_MAX} images"));
        }
        for image in saved {
            let Some((config, bytes)) = self.json::<Config>(&image.config)? else {
                return self.refuse(format!("the configuration {} is not in it", image.config));
            };
            let digest = Digest::of(&bytes);
            let mut layers = Vec::new();
            for (nth, file) in image.layers.iter().enumerate() {
                let layer = self.layer(file)?;
                let built = config.rootfs.diff_ids.get(nth).map_or("", String::as_str);
                self.check_layer(&layer, built, file)?;
                layers.push(Descriptor::of(DOCKER_LAYER, &layer.digest, layer.bytes));
            }
            let config = Descriptor::of(DOCKER_CONFIG, &digest, bytes.len() as u64);
            self.archive.blobs.insert(digest, Blob::File(image.config));
            let manifest =
                json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers});
            let names = image.repo_tags.unwrap_or_default();
            let names = if names.is_empty() { vec![String::new()] } else { names };
            for name in names {
                let mut like = Descriptor::of(DOCKER_MANIFEST, &digest, 0);
                like.more.insert("annotations".into(), json!({REF_NAME: name}));
                self.keep(like, canonical(&manifest));
            }
        }
        Ok(())
    }

    /// A layer of the tar, compressed unless it is already.
    fn layer(&mut self, file: &str) -> Result<Layer, PackError> {
        if let Some(layer) = self.layers.get(file) {
            return Ok(layer.clone());
        }
        if self.archive.tar.bytes_of(file).is_none() {
            return self.refuse(format!("the layer {file} is not in it"));
        }
        let failed = |e: io::Error| CliError::failed(format!("cannot compress {file} of {}", self.name), e);
        let layer = if self.archive.tar.begins_with(file, &[0x1f, 0x8b]).map_err(failed)? {
            let layer = already_compressed(&self.archive.tar, file).map_err(failed)?;
            self.archive.blobs.insert(layer.digest, Blob::File(file.to_owned()));
            layer
        } else {
            let (layer, compressed) = compressed(&self.archive.tar, file).map_err(failed)?;
            self.archive.blobs.insert(layer.digest, Blob::Compressed(compressed));
            layer
        };
        self.layers.insert(file.to_owned(), layer.clone());
        Ok(layer)
    }
}
