//! The files that templates refer to, and their keys.

use crate::digest::Digest;
use std::fmt;

/// The kind of an asset. Together with the digest it determines the asset's key.
///
/// The parts of a container image are stored in the ingest bucket only: each region has the image in its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetKind {
    /// A zip of code: `assets/<digest>.zip`.
    Zip,
    /// Any other file: `assets/<digest>`.
    File,
    /// The manifest of a container image: `assets/<digest>.image`. Its digest is that of the image.
    ImageManifest,
    /// The configuration or a layer of a container image: `assets/<digest>.blob`.
    ImageBlob,
    /// The template of a nested stack: `templates/<digest>.json`.
    Template,
}

impl AssetKind {
    /// Whether it is a part of a container image.
    pub fn is_of_image(self) -> bool {
        matches!(self, Self::ImageManifest | Self::ImageBlob)
    }
}

/// A file that a template refers to, identified by its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset {
    /// Its kind.
    pub kind: AssetKind,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl Asset {
    /// Its key in every bucket.
    pub fn key(&self) -> String {
        match self.kind {
            AssetKind::Zip => format!("assets/{}.zip", self.digest),
            AssetKind::File => format!("assets/{}", self.digest),
            AssetKind::ImageManifest => format!("assets/{}.image", self.digest),
            AssetKind::ImageBlob => format!("assets/{}.blob", self.digest),
            AssetKind::Template => template_key(&self.digest),
        }
    }

    /// Reads what [`Asset::key`] writes.
    pub fn parse_key(key: &str) -> Option<Self> {
        let (kind, digest) = match key.strip_prefix("assets/") {
            Some(name) => match name.split_once('.') {
                Some((digest, "zip")) => (AssetKind::Zip, digest),
                Some((digest, "image")) => (AssetKind::ImageManifest, digest),
                Some((digest, "blob")) => (AssetKind::ImageBlob, digest),
                Some(_) => return None,
                None => (AssetKind::File, name),
            },
            None => (AssetKind::Template, key.strip_prefix("templates/")?.strip_suffix(".json")?),
        };
        Some(Self { kind, digest: Digest::parse_hex(digest).ok()? })
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

/// The key of a template in every bucket.
pub fn template_key(digest: &Digest) -> String {
    format!("templates/{digest}.json")
}

/// The key of a zip of code in every bucket.
pub fn asset_key(digest: &Digest) -> String {
    Asset { kind: AssetKind::Zip, digest: *digest }.key()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assets_key_reads_back() {
        for kind in [
            AssetKind::Zip,
            AssetKind::File,
            AssetKind::ImageManifest,
            AssetKind::ImageBlob,
            AssetKind::Template,
        ] {
            let asset = Asset { kind, digest: Digest::of(b"x") };
            assert_eq!(Asset::parse_key(&asset.key()), Some(asset));
        }
        for key in ["", "assets/", "assets/x.zip", "templates/x", "other/x.zip", "assets/x.rar"] {
            assert_eq!(Asset::parse_key(key), None, "{key}");
        }
    }
}
