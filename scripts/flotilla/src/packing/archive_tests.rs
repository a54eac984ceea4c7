//! Archives of container images, as tools write them: `shared/fixtures/images` has two of skopeo's.

use super::archive::Archive;
use super::{PackError, Packing};
use flotilla_domain::{Code, Digest, Refusal};
use flotilla_package::image;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

fn read(archive: &Archive, file: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let found = archive.read(file, &mut |chunk| bytes.write_all(chunk)).expect("it can be read");
    assert!(found, "{file}");
    bytes
}

/// The digest of the image, after each of its parts was compared with the digest that names it.
fn image_in(archive: &Archive, name: Option<&str>) -> Digest {
    let image::Found::Manifest(digest) = image::find(&read(archive, image::INDEX), name).expect("one image")
    else {
        panic!("an index")
    };
    let manifest = read(archive, &image::blob_name("", &digest));
    assert_eq!(Digest::of(&manifest), digest);
    for blob in image::blobs(&manifest).expect("an image that Lambda runs") {
        assert_eq!(Digest::of(&read(archive, &image::blob_name("", &blob))), blob);
    }
    digest
}

fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("shared/fixtures/images").join(name)
}

fn fixture(name: &str) -> Archive {
    Archive::open(name, File::open(fixture_path(name)).expect("a fixture")).expect("an archive")
}

/// A tar of these files; a content that begins with `->` is a link.
fn tar(files: &[(&str, &[u8])]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    let mut builder = tar::Builder::new(&mut file);
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        if let Some(target) = content.strip_prefix(b"->") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder
                .append_link(&mut header, name, std::str::from_utf8(target).expect("a name"))
                .expect("a link");
        } else {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).expect("a file");
        }
    }
    builder.finish().expect("a tar");
    drop(builder);
    file.rewind().expect("a file");
    file
}

fn refused(files: &[(&str, &[u8])]) -> Refusal {
    match Archive::open("images.tar", tar(files)) {
        Err(PackError::Refused(refusal)) => *refusal,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

const LAYER: &[u8] = b"the files of a layer";

fn config() -> Vec<u8> {
    json!({"os": "linux", "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", Digest::of(LAYER))]}})
        .to_string()
        .into_bytes()
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).expect("gzip");
    out
}

#[test]
fn an_image_that_is_complete_keeps_its_digest() {
    let expected = "66554929ddb9c54abebd7d50eaceb6557fead85167f27bd4fd760677b7745cf3";
    assert_eq!(image_in(&fixture("oci.tar"), Some("hello:v1")).to_string(), expected);
}

#[test]
fn layers_that_docker_saves_are_compressed_the_same_way_on_every_machine() {
    let digest = image_in(&fixture("images.tar"), Some("hello:v1"));
    // Whoever changes the encoder changes the digests of all images that were saved without compression.
    assert_eq!(digest.to_string(), "9b8a8e7abc6a1639e0152772ccf691d873e1f3566c3eb48560a4ac2c0b377cac");
}

#[test]
fn the_layout_that_docker_saves_since_25_is_read_with_its_layers_compressed() {
    let config = config();
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes));
    let described = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len()});
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("application/vnd.oci.image.config.v1+json", &config),
        "layers": [described("application/vnd.oci.image.layer.v1.tar", LAYER)]});
    let manifest = manifest.to_string().into_bytes();
    let attestation = b"{}".to_vec();
    // With the containerd image store, an index is between: with the platforms that were not pulled, and attestations.
    let inner = json!({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{}", Digest::of(b"not here")), "size": 1,
            "platform": {"os": "linux", "architecture": "arm64"}},
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{}", Digest::of(&manifest)), "size": 1,
            "platform": {"os": "linux", "architecture": "amd64"}, "annotations": {"com.docker.official-images.bashbrew.arch": "amd64"}},
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{}", Digest::of(&attestation)), "size": 1,
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}]});
    let inner = inner.to_string().into_bytes();
    let mut outer = described("application/vnd.oci.image.index.v1+json", &inner);
    outer["annotations"] = json!({"io.containerd.image.name": "docker.io/library/api:v1"});
    let index = json!({"schemaVersion": 2, "manifests": [outer]}).to_string().into_bytes();
    let with_layer = |layer: &[u8]| {
        tar(&[
            ("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#),
            ("index.json", &index),
            (&blob(&inner), &inner),
            (&blob(&manifest), &manifest),
            (&blob(&config), &config),
            (&blob(LAYER), layer),
            (&blob(&attestation), &attestation),
        ])
    };
    let Err(PackError::Refused(refusal)) = Archive::open("images.tar", with_layer(b"other files")) else {
        panic!("a layer with other files was accepted")
    };
    assert!(refusal.message.contains("is not the one that the image was built with"), "{refusal}");
    let archive = Archive::open("images.tar", with_layer(LAYER)).expect("an archive");
    let digest = image_in(&archive, Some("api:v1"));
    let manifest: Value =
        serde_json::from_slice(&read(&archive, &image::blob_name("", &digest))).expect("JSON");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let layer = manifest["layers"][0]["digest"]
        .as_str()
        .and_then(|d| Digest::parse_hex(d.strip_prefix("sha256:")?).ok());
    assert_eq!(unzipped(&read(&archive, &image::blob_name("", &layer.expect("a digest")))), LAYER);
}

#[test]
fn an_index_without_manifests_leaves_it_to_the_older_form() {
    let config = config();
    let saved =
        json!([{"Config": "a.json", "RepoTags": ["api:v1"], "Layers": ["1"]}]).to_string().into_bytes();
    let files: [(&str, &[u8]); 4] = [
        ("index.json", br#"{"schemaVersion": 2, "manifests": null}"#),
        ("a.json", &config),
        ("1", LAYER),
        ("manifest.json", &saved),
    ];
    image_in(&Archive::open("images.tar", tar(&files)).expect("an archive"), Some("api:v1"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"other files").expect("gzip");
    let other = gzip.finish().expect("gzip");
    let refused = refused(&[("a.json", &config), ("1", &other), ("manifest.json", &saved)]);
    assert!(
        refused.message.contains("is not the one that the image was built with"),
        "also if compressed: {refused}"
    );
}

#[test]
fn several_images_of_the_older_form_share_layers_by_links() {
    let (config, other) = (
        config(),
        json!({"os": "linux", "arch": "x", "rootfs": {"diff_ids": [format!("sha256:{}", Digest::of(LAYER))]}}),
    );
    let other = other.to_string().into_bytes();
    let saved = json!([
        {"Config": "a.json", "RepoTags": ["api:v1", "api:latest"], "Layers": ["1/layer.tar"]},
        {"Config": "b.json", "RepoTags": ["jobs:v1"], "Layers": ["2/layer.tar"]},
    ]);
    let saved = saved.to_string().into_bytes();
    let files: [(&str, &[u8]); 5] = [
        ("a.json", &config),
        ("b.json", &other),
        ("1/layer.tar", LAYER),
        ("2/layer.tar", b"->../1/layer.tar"),
        ("manifest.json", &saved),
    ];
    let archive = Archive::open("images.tar", tar(&files)).expect("an archive");
    assert_eq!(image_in(&archive, Some("api:v1")), image_in(&archive, Some("api")));
    assert_ne!(image_in(&archive, Some("api:v1")), image_in(&archive, Some("jobs:v1")));

    // The same tar, compressed as a whole.
    let mut plain = Vec::new();
    tar(&files).read_to_end(&mut plain).expect("a tar");
    let mut packed = tempfile::tempfile().expect("a file");
    let mut gzip = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
    gzip.write_all(&plain).and_then(|()| gzip.finish().map(drop)).expect("gzip");
    packed.rewind().expect("a file");
    let again = Archive::open("images.tar.gz", packed).expect("an archive");
    assert_eq!(image_in(&again, Some("api:v1")), image_in(&archive, Some("api:v1")));
}

#[test]
fn what_is_no_archive_of_images_or_an_incomplete_one_is_refused() {
    let none = refused(&[("a.txt", b"x")]);
    assert_eq!((none.code, none.path.as_deref()), (Code::ImageUnsupported, Some("images.tar")));
    let config = config();
    let saved = |layer: &str| {
        json!([{"Config": "a.json", "RepoTags": null, "Layers": [layer]}]).to_string().into_bytes()
    };
    let missing = refused(&[("a.json", &config), ("manifest.json", &saved("1/layer.tar"))]);
    assert!(missing.message.contains("1/layer.tar is not in it"), "{missing}");
    let other = refused(&[("a.json", &config), ("1", b"other bytes"), ("manifest.json", &saved("1"))]);
    assert!(other.message.contains("is not the one that the image was built with"), "{other}");
    for outside in ["../../etc/passwd", "/etc/passwd"] {
        let link = format!("->{outside}").into_bytes();
        let led = refused(&[("a.json", &config), ("1", &link), ("manifest.json", &saved("1"))]);
        assert!(led.message.contains("the layer 1 is not in it"), "{led}");
    }
    let circle =
        refused(&[("a.json", &config), ("1", b"->2"), ("2", b"->1"), ("manifest.json", &saved("1"))]);
    assert!(circle.message.contains("the layer 1 is not in it"), "{circle}");
    let mut text = tempfile::tempfile().expect("a file");
    text.write_all(&[b'x'; 2_000]).and_then(|()| text.rewind()).expect("a file");
    let Err(PackError::Refused(refusal)) = Archive::open("a.tar", text) else { panic!("it was accepted") };
    assert_eq!(refusal.code, Code::ImageUnsupported);
}

#[test]
fn a_folder_with_an_archive_is_packed_as_the_image_layout_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("a file");
    std::fs::copy(fixture_path("oci.tar"), folder.path().join("images.tar")).expect("a file");
    write(
        "template.yaml",
        b"Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function, Properties: {PackageType: Image, ImageUri: 'hello:v1'}}}",
    );
    let mut packing = Packing::open(folder.path(), None).expect("a folder");
    let finished = packing.finish().expect("a package").package.clone();
    assert_eq!(finished.assets.len(), 3);
    let packed =
        packing.write(tempfile::NamedTempFile::new_in(folder.path()).expect("a file")).expect("a zip");
    let mut again = Packing::open(packed.path(), None).expect("a zip");
    assert_eq!(again.finish().expect("a package").package.digest, finished.digest);

    write("template.yaml", b"Resources: {F: {Type: AWS::Lambda::Function, Properties: {PackageType: Image, Code: {ImageUri: ./images.tar}}}}");
    let mut packing = Packing::open(folder.path(), None).expect("a folder");
    let by_path = packing.finish().expect("a package").package.clone();
    assert_eq!(by_path.images().collect::<Vec<_>>(), finished.images().collect::<Vec<_>>());
}
