//! Packages to upload.

use super::World;
use flotilla_domain::Digest;
use flotilla_package::write::{SourceFile, write_zip};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

/// The packages of the service.
#[derive(Clone, Copy)]
pub enum Packages {
    /// One stack with one function.
    One,
    /// See [`World::layered`].
    Layered,
    /// See [`World::with_image`].
    WithImage,
}

impl Packages {
    /// A package whose function has this code.
    pub fn of(self, code: &str) -> Vec<u8> {
        match self {
            Self::One => package(code),
            Self::Layered => layered(code),
            Self::WithImage => with_image(code),
        }
    }
}

impl World {
    /// From now on, packages have a function that runs a container image beside the other one.
    pub fn with_image(&mut self) -> &mut Self {
        self.packages = Packages::WithImage;
        self
    }

    /// From now on, packages have two stacks: `Net`, and `Api`, which needs it.
    pub fn layered(&mut self) -> &mut Self {
        self.packages = Packages::Layered;
        self
    }
}

/// A native package with one function of this code. Packing is slow compared to a life, so each package is packed once.
pub fn package(code: &str) -> Vec<u8> {
    static PACKED: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut packed = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let manifest = r#"{"flotilla": 1, "template": "template.json"}"#;
    packed.entry(code.to_owned()).or_insert_with(|| pack(manifest, code)).clone()
}

/// A native package with two stacks: `Net`, and `Api`, which needs it.
pub fn layered(code: &str) -> Vec<u8> {
    static PACKED: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut packed = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let manifest = r#"{"flotilla": 1, "stacks": [{"name": "Api", "template": "template.json", "after": ["Net"]}, {"name": "Net", "template": "net.json"}]}"#;
    packed.entry(code.to_owned()).or_insert_with(|| pack(manifest, code)).clone()
}

/// A native package with two functions: one of this code, and one that runs a container image with a layer of this code.
pub fn with_image(code: &str) -> Vec<u8> {
    static PACKED: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut packed = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    packed.entry(code.to_owned()).or_insert_with(|| pack_image(code)).clone()
}

/// The digest of the image in [`with_image`].
pub fn image_of(code: &str) -> Digest {
    Digest::of(&manifest(code))
}

/// The manifest and the blobs of the image in [`with_image`].
pub fn image_parts(code: &str) -> [Vec<u8>; 4] {
    [manifest(code), CONFIG.to_vec(), b"base".to_vec(), code.as_bytes().to_vec()]
}

const CONFIG: &[u8] = br#"{"architecture": "arm64", "os": "linux"}"#;

fn described(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len()})
}

fn manifest(code: &str) -> Vec<u8> {
    let layers = [b"base".as_slice(), code.as_bytes()]
        .map(|layer| described("application/vnd.oci.image.layer.v1.tar+gzip", layer));
    let config = described("application/vnd.oci.image.config.v1+json", CONFIG);
    json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string().into_bytes()
}

fn pack_image(code: &str) -> Vec<u8> {
    let template = json!({"Resources": {
        "App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "app.zip"}},
        "Job": {"Type": "AWS::Lambda::Function", "Properties": {"PackageType": "Image", "Code": {"ImageUri": "job"}}},
    }});
    let manifest = manifest(code);
    let index = json!({"schemaVersion": 2, "manifests": [described("application/vnd.oci.image.manifest.v1+json", &manifest)]});
    let mut files = vec![
        ("template.json".to_owned(), template.to_string().into_bytes()),
        ("app.zip".to_owned(), code.as_bytes().to_vec()),
        ("job/index.json".to_owned(), index.to_string().into_bytes()),
    ];
    for blob in image_parts(code) {
        files.push((format!("job/blobs/sha256/{}", Digest::of(&blob)), blob));
    }
    zip_of(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>())
}

fn pack(manifest: &str, code: &str) -> Vec<u8> {
    let template = serde_json::json!({
        "Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "app.zip"}}},
        "Outputs": {"Url": {"Value": {"Fn::Sub": "https://${App}.${AWS::Region}.example/"}}},
    });
    let net =
        serde_json::json!({"Resources": {"Net": {"Type": "AWS::Test::Net", "Properties": {"Of": code}}}});
    let files = [
        ("flotilla.json", manifest.to_owned()),
        ("template.json", template.to_string()),
        ("net.json", net.to_string()),
        ("app.zip", code.to_owned()),
    ];
    zip_of(&files.each_ref().map(|(name, content)| (*name, content.as_bytes())))
}

/// A zip of these files.
pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let open = |name: &str| {
        let content = files.iter().find(|(file, _)| *file == name).map(|(_, content)| content.to_vec());
        let content = Box::new(Cursor::new(content.unwrap_or_default()));
        Ok(SourceFile { name: name.to_owned(), executable: false, content })
    };
    let zip = write_zip(Cursor::new(Vec::new()), files.iter().map(|(name, _)| (*name).to_owned()), open);
    zip.expect("writing to memory").into_inner()
}
