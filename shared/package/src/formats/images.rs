//! Container images of a package: a manifest, and the blobs that it names.

use super::{Draft, Folder, Source, Stop};
use crate::image::{self, Found, INDEX};
use crate::zip_file;
use flotilla_domain::config::external_image::ExternalImage;
use flotilla_domain::release::package::{Asset, AssetKind};
use flotilla_domain::{Code, Digest, Refusal};

impl Draft {
    /// Records the image of an OCI image layout: the only one, or the one of this name. `layout` is the name of a folder, with its slash, or of
    /// an archive.
    pub(super) fn image(
        &mut self,
        folder: &Folder<'_>,
        layout: &str,
        name: Option<&str>,
    ) -> Result<usize, Stop> {
        let key = (layout.to_owned(), name.map(ToOwned::to_owned));
        if let Some(image) = self.images.get(&key) {
            return Ok(*image);
        }
        let base = if layout.ends_with('/') { layout.to_owned() } else { image::archive_base(layout) };
        let index = format!("{base}{INDEX}");
        let found = image::find(folder.read(&index)?, name).map_err(|refusal| refusal.at(&index))?;
        let manifest = match found {
            Found::Manifest(manifest) => manifest,
            Found::Index(inner) => {
                let inner = image::blob_name(&base, &inner);
                match image::find(folder.read(&inner)?, None).map_err(|refusal| refusal.at(&inner))? {
                    Found::Manifest(manifest) => manifest,
                    Found::Index(_) => {
                        let what = "an index of container images contains an index of indexes";
                        return Err(Refusal::new(Code::ImageUnsupported, what, "save one image")
                            .at(inner)
                            .into());
                    }
                }
            }
        };
        let file = image::blob_name(&base, &manifest);
        let image = self.image_parts(folder, file, manifest, |blob| image::blob_name(&base, blob))?;
        self.images.insert(key, image);
        Ok(image)
    }

    /// Records an image of a package that `flotilla pack` wrote, in which each part has its key.
    pub(super) fn packed_image(
        &mut self,
        folder: &Folder<'_>,
        base: &str,
        manifest: String,
        digest: Digest,
    ) -> Result<usize, Stop> {
        let key = |digest: &Digest| Asset { kind: AssetKind::ImageBlob, digest: *digest }.key();
        self.image_parts(folder, manifest, digest, |blob| format!("{base}{}", key(blob)))
    }

    /// Records an image in a repository of somebody else, from which its parts are fetched.
    pub(super) fn pulled_image(&mut self, folder: &Folder<'_>, image: &ExternalImage) -> Result<usize, Stop> {
        let pulled = |digest: Digest, kind: AssetKind| Source::Pulled {
            repository: image.repository.clone(),
            digest,
            kind,
        };
        let manifest = folder.manifest(image)?;
        let blobs = image::blobs(manifest).map_err(|refusal| refusal.at(image.to_string()))?;
        self.pulled.extend(image::declared_sizes(manifest));
        let bytes = self.pulled.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
        let bytes_max = folder.limits.unpacked_bytes_max;
        if bytes > bytes_max {
            return Err(zip_file::over("unpacked_bytes_max", bytes_max, bytes).at(image.to_string()).into());
        }
        for blob in blobs {
            let source = self.source(pulled(blob, AssetKind::ImageBlob));
            self.claims(source, blob);
        }
        let source = self.source(pulled(image.digest, AssetKind::ImageManifest));
        self.claims(source, image.digest);
        Ok(source)
    }

    /// Records the manifest in a file and the blobs that it names. Returns the number of the manifest.
    fn image_parts(
        &mut self,
        folder: &Folder<'_>,
        manifest: String,
        digest: Digest,
        file_of: impl Fn(&Digest) -> String,
    ) -> Result<usize, Stop> {
        let blobs = image::blobs(folder.read(&manifest)?).map_err(|refusal| refusal.at(&manifest))?;
        for blob in blobs {
            let source = self.source(Source::File { name: file_of(&blob), kind: AssetKind::ImageBlob });
            self.claims(source, blob);
        }
        let source = self.source(Source::File { name: manifest, kind: AssetKind::ImageManifest });
        self.claims(source, digest);
        Ok(source)
    }

    /// Refuses a part of an image that has other bytes than the image says: the registry would refuse it in each region.
    pub(super) fn check_image(&self, source: &Source, digest: Digest) -> Result<(), Refusal> {
        match self.claim(source) {
            Some(claim) if source.kind().is_of_image() && claim != digest => {
                let what = format!(
                    "{} has the digest sha256:{digest}, and the image names sha256:{claim}",
                    source.name()
                );
                Err(Refusal::new(Code::ImageUnsupported, what, "save the image again").at(source.name()))
            }
            _ => Ok(()),
        }
    }
}
