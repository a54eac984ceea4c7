//! The bytes of assets: where they come from, and what is known once they were read.

use crate::listing::{FileInfo, Listing};
use flotilla_domain::Digest;
use flotilla_domain::config::external_code::ExternalCode;
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::release::package::{Asset, AssetKind};

/// Where an asset's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A file of the package, unchanged.
    File {
        /// Its name.
        name: String,
        /// The kind of asset it becomes.
        kind: AssetKind,
    },
    /// The files of a folder, zipped by [`crate::folder_zip`].
    Folder {
        /// The folder, ending with a slash; empty for all files.
        folder: String,
    },
    /// One file, zipped in the same way.
    ZippedFile {
        /// Its name.
        name: String,
    },
    /// A zip of code in a bucket of somebody else.
    External(ExternalCode),
    /// A part of a container image in a repository of somebody else, in which it has this digest.
    Pulled {
        /// The repository.
        repository: ImageRepository,
        /// The digest of the part.
        digest: Digest,
        /// Whether it is a manifest or a blob.
        kind: AssetKind,
    },
}

impl Source {
    /// The name that is shown to users.
    pub fn name(&self) -> &str {
        match self {
            Self::File { name, .. } => name,
            Self::Folder { folder } => folder,
            Self::ZippedFile { name } => name,
            Self::External(code) => &code.key,
            Self::Pulled { repository, .. } => &repository.name,
        }
    }

    /// The files to zip, sorted by name, and the folder that their names in the zip are relative to; `None` for a file that stays as it is.
    pub fn to_zip<'a>(&'a self, listing: &'a Listing) -> Option<(&'a str, Vec<(&'a str, FileInfo)>)> {
        match self {
            Self::File { .. } | Self::External(_) | Self::Pulled { .. } => None,
            Self::Folder { folder } => Some((folder, listing.folder(folder).collect())),
            Self::ZippedFile { name } => {
                let folder = name.rfind('/').map_or("", |slash| &name[..=slash]);
                let file = listing.files.get_key_value(name).map(|(name, info)| (name.as_str(), *info));
                Some((folder, file.into_iter().collect()))
            }
        }
    }

    /// The asset it becomes.
    pub fn asset(&self, digest: Digest) -> Asset {
        Asset { kind: self.kind(), digest }
    }

    pub(super) fn kind(&self) -> AssetKind {
        match self {
            Self::File { kind, .. } | Self::Pulled { kind, .. } => *kind,
            Self::Folder { .. } | Self::ZippedFile { .. } | Self::External(_) => AssetKind::Zip,
        }
    }
}

/// What is known about a source after its bytes were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The digest of the asset: of the file, or of the folder's zip.
    pub digest: Digest,
    /// The size of the asset in bytes.
    pub bytes: u64,
    /// The size of the files in it, in bytes, if it is a zip and it is known: see [`crate::zip_file::Unzipped`].
    pub unzipped: Option<u64>,
}
