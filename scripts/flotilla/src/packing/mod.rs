//! Packs a package folder, or a zip of one, on this machine, with the result that ingest would have.

mod archive;
#[cfg(test)]
mod archive_tests;
mod folder;
mod layer;
mod tar_files;

use crate::error::CliError;
use archive::Archive;
use flotilla_domain::release::package::template_key;
use flotilla_domain::{AliasName, Code, Digester, Refusal};
use flotilla_package::Limits;
use flotilla_package::folder_zip::FolderZip;
use flotilla_package::formats::{
    Draft, DraftStep, ExternalPolicy, Files, Finished, Proof, Source, manifest_of, recognise,
};
use flotilla_package::image::in_archive;
use flotilla_package::listing::Listing;
use flotilla_package::write::{SourceFile, write_zip};
use flotilla_package::zip_file::{Directory, DirectoryStep, EntryReader, Unzipped, read_directory};
use folder::{list, project_of};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes per read.
const CHUNK_BYTES: usize = 256 * 1024;

/// Why a package could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The package cannot be deployed.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// A file could not be read or written.
    #[error(transparent)]
    Failed(#[from] CliError),
}

impl From<PackError> for CliError {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Refused(refusal) => Self::Package(refusal),
            PackError::Failed(error) => error,
        }
    }
}

impl From<Refusal> for PackError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// A package, as far as it has been read.
pub struct Packing {
    root: Root,
    /// The folder of the package in the listing: empty, or ending with a slash.
    folder: String,
    /// A folder above the package's that its templates may name files of, until it is listed.
    above: Option<PathBuf>,
    /// The archives of container images that were unpacked, by their names.
    archives: BTreeMap<String, Archive>,
    /// The files.
    pub listing: Listing,
    /// The alias that the functions get.
    alias: Option<AliasName>,
    /// What becomes of code in other buckets.
    external: ExternalPolicy,
    /// The draft, if a format was recognised.
    pub draft: Option<Draft>,
    /// Digest and size of each asset.
    pub proofs: BTreeMap<Source, Proof>,
    /// The result, if the package can be deployed.
    pub finished: Option<Finished>,
}

/// Where the files are read from.
enum Root {
    Folder(PathBuf),
    Zip(File, Directory),
}

impl Packing {
    /// Opens a package folder or a zip of one. Symbolic links of a folder are followed to what is below `root`, and its templates may name
    /// files there (`../src`). By default, `root` is the folder itself.
    ///
    /// # Errors
    /// The path does not exist, cannot be read, or is not a package folder or a zip.
    pub fn open(path: &Path, root: Option<&Path>) -> Result<Self, PackError> {
        let failed = |e: io::Error| CliError::failed(format!("cannot read {}", path.display()), e);
        let (root, above, listing) = if path.is_dir() {
            let base = project_of(path);
            let below = root.map(Path::canonicalize).transpose().map_err(failed)?;
            let listing = list(&base, below.as_deref().unwrap_or(&base))?;
            let above = below.filter(|root| base != *root && base.starts_with(root));
            (Root::Folder(base), above, listing)
        } else if path.is_file() {
            let mut file = File::open(path).map_err(failed)?;
            let directory = directory(&mut file).map_err(failed)??;
            let listing = Listing::from(&directory);
            (Root::Zip(file, directory), None, listing)
        } else {
            let fix = "use a package folder, such as .serverless, cdk.out or .aws-sam/build, or a zip of it";
            return Err(CliError::usage(format!("{} does not exist", path.display()), fix).into());
        };
        Ok(Self {
            root,
            folder: String::new(),
            above,
            archives: BTreeMap::new(),
            listing,
            alias: None,
            external: ExternalPolicy::default(),
            draft: None,
            proofs: BTreeMap::new(),
            finished: None,
        })
    }

    /// Lets each function get an alias of this name.
    pub fn with_alias(&mut self, alias: Option<AliasName>) -> &mut Self {
        self.alias = alias;
        self
    }

    /// Keeps code in other buckets where it is.
    pub fn keep_external_code(&mut self, keep: bool) -> &mut Self {
        self.external = if keep { ExternalPolicy::Kept } else { ExternalPolicy::default() };
        self
    }

    /// Reads the package to its end. If it is refused, what was read until then stays available for a report.
    ///
    /// # Errors
    /// Why the package cannot be deployed or read.
    pub fn finish(&mut self) -> Result<&Finished, PackError> {
        let mut draft = match self.draft() {
            Err(PackError::Refused(refusal)) if refusal.code == Code::AssetMissing && self.widen()? => {
                self.draft()?
            }
            drafted => drafted?,
        };
        draft.alias = self.alias.clone();
        self.draft = Some(draft.clone());
        for source in draft.sources() {
            if let Source::Folder { folder } = source {
                self.listing.check_links_in(folder)?;
            }
            let (mut digest, mut bytes, mut unzipped) = (Digester::default(), 0, Unzipped::default());
            self.asset(source, |chunk| {
                digest.update(chunk);
                bytes += chunk.len() as u64;
                unzipped.push(chunk);
                Ok(())
            })?;
            self.proofs
                .insert(source.clone(), Proof { digest: digest.finish(), bytes, unzipped: unzipped.bytes() });
        }
        let finished = draft.finish(&self.proofs, &Limits::DEFAULT)?;
        Ok(self.finished.insert(finished))
    }

    /// Reads the manifest, the templates and what else the draft needs.
    fn draft(&mut self) -> Result<Draft, PackError> {
        let recognised = recognise(&self.listing, &self.folder)?;
        let mut files = Files::new();
        loop {
            match recognised.draft_with(&self.listing, &files, &Limits::DEFAULT, &self.external)? {
                DraftStep::Done(draft) => return Ok(*draft),
                DraftStep::Need(name) => {
                    if !self.listing.has(&name) {
                        self.unpack(&name)?;
                    }
                    let mut bytes = Vec::new();
                    self.read(&name, |chunk| bytes.write_all(chunk))?;
                    files.insert(name, bytes);
                }
                // No repository is listed here: ingest takes images from those of the service.
                DraftStep::NeedManifest(image) => {
                    let what = format!("{image} is in a repository that is read at the upload only");
                    return Err(Refusal::new(Code::ImageUnsupported, what, "upload the package").into());
                }
            }
        }
    }

    /// Lists the folder above the package's too, once. It may have many more files than the package needs.
    fn widen(&mut self) -> Result<bool, PackError> {
        let (Root::Folder(base), Some(above)) = (&self.root, self.above.take()) else { return Ok(false) };
        let below = base.strip_prefix(&above).unwrap_or(base);
        let names: Option<Vec<&str>> = below.iter().map(|name| name.to_str()).collect();
        let Some(names) = names else { return Ok(false) };
        self.folder = format!("{}/", names.join("/"));
        self.listing = list(&above, &above)?;
        self.root = Root::Folder(above);
        // Their names were relative to the former folder.
        self.archives.clear();
        Ok(true)
    }

    /// Writes the packed package: a zip with a manifest, neutral templates, and assets named by their digests.
    ///
    /// # Errors
    /// The package is not finished, or a file cannot be read or written.
    pub fn write<W: Write + Seek>(&self, out: W) -> Result<W, PackError> {
        let finished = self
            .finished
            .as_ref()
            .ok_or_else(|| CliError::usage("the package has not been read", "read it to its end first"))?;
        let mut small: BTreeMap<String, Vec<u8>> = finished
            .templates
            .iter()
            .map(|(digest, template)| (template_key(digest), template.clone()))
            .collect();
        small.insert("flotilla.json".into(), manifest_of(finished));
        let assets: BTreeMap<String, &Source> =
            self.proofs.iter().map(|(source, proof)| (source.asset(proof.digest).key(), source)).collect();
        let names: Vec<String> = small.keys().chain(assets.keys()).cloned().collect();
        let failed = |e: io::Error| CliError::failed("cannot write the package", e);
        let open = |name: &str| -> io::Result<SourceFile<'_>> {
            let content: Box<dyn Read> = match (small.get(name), assets.get(name)) {
                (Some(bytes), _) => Box::new(Cursor::new(bytes.clone())),
                (None, Some(source)) => {
                    let mut file = tempfile::tempfile()?;
                    self.asset(source, |chunk| file.write_all(chunk)).map_err(io::Error::other)?;
                    file.rewind()?;
                    Box::new(file)
                }
                (None, None) => return Err(io::ErrorKind::NotFound.into()),
            };
            Ok(SourceFile { name: name.to_owned(), executable: false, content })
        };
        Ok(write_zip(out, names, open).map_err(failed)?)
    }

    /// Unpacks the archive that a file's name leads into, unless it is already.
    fn unpack(&mut self, name: &str) -> Result<(), PackError> {
        let Some((archive, _)) =
            in_archive(name).filter(|(archive, _)| !self.archives.contains_key(*archive))
        else {
            return Ok(());
        };
        let failed = |e: io::Error| CliError::failed(format!("cannot read {archive}"), e);
        let file = match &self.root {
            Root::Folder(base) => File::open(base.join(archive)).map_err(failed)?,
            Root::Zip(..) => {
                let mut file = tempfile::tempfile().map_err(failed)?;
                self.root.read(archive, |chunk| file.write_all(chunk))?;
                file.rewind().map_err(failed)?;
                file
            }
        };
        self.archives.insert(archive.to_owned(), Archive::open(archive, file)?);
        Ok(())
    }

    /// Passes the bytes of a file to `sink`. It may be one of an unpacked archive.
    fn read(&self, name: &str, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), PackError> {
        let unpacked = in_archive(name).and_then(|(archive, file)| Some((self.archives.get(archive)?, file)));
        let Some((archive, file)) = unpacked else { return self.root.read(name, sink) };
        match archive.read(file, &mut sink) {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(CliError::failed(format!("cannot read {name}"), "the archive does not have it").into())
            }
            Err(error) => Err(CliError::failed(format!("cannot read {name}"), error).into()),
        }
    }

    /// Passes the bytes of an asset to `sink`: a file unchanged, a folder as a zip.
    fn asset(&self, source: &Source, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), PackError> {
        let Some((folder, files)) = source.to_zip(&self.listing) else {
            return self.read(source.name(), sink);
        };
        let failed = |e: io::Error| CliError::failed(format!("cannot zip {}", source.name()), e);
        let mut zip = FolderZip::default();
        for (name, info) in files {
            zip.begin(&name[folder.len()..], info.executable).map_err(failed)?;
            self.read(name, |chunk| {
                zip.push(chunk)?;
                sink(&zip.fetch())
            })?;
        }
        Ok(zip.finish().and_then(|rest| sink(&rest)).map_err(failed)?)
    }
}

impl Root {
    /// Passes the bytes of a file to `sink`.
    fn read(&self, name: &str, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), PackError> {
        let failed = |e: io::Error| CliError::failed(format!("cannot read {name}"), e);
        match self {
            Self::Folder(base) => {
                let mut file = File::open(base.join(name)).map_err(failed)?;
                Ok(chunks(&mut file, &mut sink).map_err(failed)?)
            }
            Self::Zip(file, directory) => {
                let entry = directory.entry(name).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
                let mut reader = EntryReader::new(entry.clone());
                let mut file = file.try_clone().map_err(failed)?;
                file.seek(SeekFrom::Start(entry.header_start)).map_err(failed)?;
                let mut packed = file.take(entry.end - entry.header_start);
                let (mut refused, mut sunk) = (None, Ok(()));
                chunks(&mut packed, &mut |chunk| {
                    let pushed = reader.push(chunk, |bytes| {
                        if sunk.is_ok() {
                            sunk = sink(bytes);
                        }
                    });
                    refused = pushed.err();
                    if refused.is_some() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
                })
                .map_err(|e| refused.take().map_or_else(|| failed(e).into(), PackError::from))?;
                sunk.map_err(failed)?;
                reader.finish()?;
                Ok(())
            }
        }
    }
}

fn chunks(from: &mut impl Read, sink: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => sink(&buffer[..read])?,
        }
    }
}

/// Reads the central directory of a zip.
fn directory(file: &mut File) -> io::Result<Result<Directory, Refusal>> {
    let total = file.metadata()?.len();
    let mut from = total.saturating_sub(CHUNK_BYTES as u64);
    loop {
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        match read_directory(&tail, total, &Limits::DEFAULT) {
            Ok(DirectoryStep::Done(directory)) => return Ok(Ok(directory)),
            Ok(DirectoryStep::NeedFrom(earlier)) => from = earlier,
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}
