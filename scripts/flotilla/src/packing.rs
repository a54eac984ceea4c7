//! Packs a package folder, or a zip of one, on this machine, with the result that ingest would have.

use crate::error::CliError;
use flotilla_domain::release::package::template_key;
use flotilla_domain::{AliasName, Code, Digester, Refusal};
use flotilla_package::Limits;
use flotilla_package::folder_zip::FolderZip;
use flotilla_package::formats::{Draft, DraftStep, Files, Finished, Proof, Source, manifest_of, recognise};
use flotilla_package::listing::{FileInfo, Listing};
use flotilla_package::write::{SourceFile, write_zip};
use flotilla_package::zip_file::{Directory, DirectoryStep, EntryReader, Unzipped, read_directory};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

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
    links: Links,
    /// The files.
    pub listing: Listing,
    /// The alias that the functions get.
    alias: Option<AliasName>,
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
    /// Opens a package folder or a zip of one. Symbolic links of a folder are followed to what is below `root`, which is the folder by
    /// default.
    ///
    /// # Errors
    /// The path does not exist, cannot be read, or is not a package folder or a zip.
    pub fn open(path: &Path, root: Option<&Path>) -> Result<Self, PackError> {
        let failed = |e: io::Error| CliError::failed(format!("cannot read {}", path.display()), e);
        let (root, listing, links) = if path.is_dir() {
            let base = project_of(path);
            let below = root.map(Path::canonicalize).transpose().map_err(failed)?;
            let (listing, links) = list(&base, below.as_deref().unwrap_or(&base))?;
            (Root::Folder(base), listing, links)
        } else if path.is_file() {
            let mut file = File::open(path).map_err(failed)?;
            let directory = directory(&mut file).map_err(failed)??;
            let listing = Listing::from(&directory);
            (Root::Zip(file, directory), listing, Links::new())
        } else {
            let fix = "use a package folder, such as .serverless, cdk.out or .aws-sam/build, or a zip of it";
            return Err(CliError::usage(format!("{} does not exist", path.display()), fix).into());
        };
        Ok(Self { root, listing, links, alias: None, draft: None, proofs: BTreeMap::new(), finished: None })
    }

    /// Lets each function get an alias of this name.
    pub fn with_alias(&mut self, alias: Option<AliasName>) -> &mut Self {
        self.alias = alias;
        self
    }

    /// Reads the package to its end. If it is refused, what was read until then stays available for a report.
    ///
    /// # Errors
    /// Why the package cannot be deployed or read.
    pub fn finish(&mut self) -> Result<&Finished, PackError> {
        let limits = Limits::DEFAULT;
        let recognised = recognise(&self.listing)?;
        let mut files = Files::new();
        let mut draft = loop {
            match recognised.draft(&self.listing, &files, &limits)? {
                DraftStep::Done(draft) => break *draft,
                DraftStep::Need(name) => {
                    let mut bytes = Vec::new();
                    self.root.read(&name, |chunk| bytes.write_all(chunk))?;
                    files.insert(name, bytes);
                }
            }
        };
        draft.alias = self.alias.clone();
        self.draft = Some(draft.clone());
        for source in draft.sources() {
            check_links(&self.links, source)?;
            let (mut digest, mut bytes, mut unzipped) = (Digester::default(), 0, Unzipped::default());
            self.root.asset(&self.listing, source, |chunk| {
                digest.update(chunk);
                bytes += chunk.len() as u64;
                unzipped.push(chunk);
                Ok(())
            })?;
            self.proofs
                .insert(source.clone(), Proof { digest: digest.finish(), bytes, unzipped: unzipped.bytes() });
        }
        let finished = draft.finish(&self.proofs, &limits)?;
        Ok(self.finished.insert(finished))
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
                    self.root
                        .asset(&self.listing, source, |chunk| file.write_all(chunk))
                        .map_err(io::Error::other)?;
                    file.rewind()?;
                    Box::new(file)
                }
                (None, None) => return Err(io::ErrorKind::NotFound.into()),
            };
            Ok(SourceFile { name: name.to_owned(), executable: false, content })
        };
        Ok(write_zip(out, names, open).map_err(failed)?)
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

    /// Passes the bytes of an asset to `sink`: a file unchanged, a folder as a zip.
    fn asset(
        &self,
        listing: &Listing,
        source: &Source,
        mut sink: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), PackError> {
        let Some((folder, files)) = source.to_zip(listing) else { return self.read(source.name(), sink) };
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

fn chunks(from: &mut impl Read, sink: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => sink(&buffer[..read])?,
        }
    }
}

/// The folder whose files a package may use. For a build folder of SAM it is the project, which its template refers to.
fn project_of(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match path.ancestors().nth(2) {
        Some(project) if path.ends_with(".aws-sam/build") => project.to_owned(),
        _ => path,
    }
}

/// The symbolic links of a folder that are not followed, and why, by their names.
type Links = BTreeMap<String, &'static str>;

/// Lists the files of a folder. Symbolic links are followed to what is below `root`, except those that form a loop.
fn list(base: &Path, root: &Path) -> Result<(Listing, Links), CliError> {
    let (mut listing, links) = (Listing::default(), RefCell::new(Links::new()));
    let name_of = |path: &Path| {
        let path = path.strip_prefix(base).unwrap_or(path);
        let name =
            path.to_str().map(|name| if cfg!(windows) { name.replace('\\', "/") } else { name.to_owned() });
        name.ok_or_else(|| {
            CliError::usage(
                format!("the name of {} is not UTF-8", path.display()),
                "rename or remove the file",
            )
        })
    };
    let skip = |path: &Path, why| {
        if let Ok(name) = name_of(path) {
            links.borrow_mut().insert(name, why);
        }
    };
    let inside = |path: PathBuf| path.starts_with(base) || path.starts_with(root);
    let wanted = |entry: &walkdir::DirEntry| {
        if entry.path_is_symlink() && !entry.path().canonicalize().is_ok_and(inside) {
            skip(entry.path(), "it leads to a file outside of the folder");
            return false;
        }
        entry.file_name() != ".git"
    };
    for entry in WalkDir::new(base).follow_links(true).into_iter().filter_entry(wanted) {
        if listing.files.len() > Limits::DEFAULT.entries_max {
            let what = format!("{} has more than {} files", base.display(), Limits::DEFAULT.entries_max);
            return Err(CliError::usage(
                what,
                "use the folder that the packaging tool wrote, without files that are not deployed",
            ));
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) if error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => {
                error.path().into_iter().for_each(|path| skip(path, "what it leads to does not exist"));
                continue;
            }
            Err(error) => return Err(CliError::failed(format!("cannot list {}", base.display()), error)),
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let name = name_of(entry.path())?;
        if name.contains('\\') {
            let what = format!("the name of {name} contains a backslash");
            return Err(CliError::usage(what, "rename the file: a zip cannot contain it everywhere"));
        }
        let metadata = entry.metadata().map_err(|e| CliError::failed(format!("cannot read {name}"), e))?;
        let executable = is_executable(&metadata);
        listing.files.insert(name, FileInfo { bytes: metadata.len(), executable });
    }
    Ok((listing, links.into_inner()))
}

/// Refuses a folder of code that has a link which is not followed: its code would lack the file.
fn check_links(links: &Links, source: &Source) -> Result<(), Refusal> {
    let Source::Folder { folder } = source else { return Ok(()) };
    let Some((name, why)) = links.iter().find(|(name, _)| name.starts_with(folder.as_str())) else {
        return Ok(());
    };
    let what = format!("the symbolic link {name} is not followed: {why}");
    let fix = "pack with --root FOLDER, which contains what the link leads to; or remove the link";
    Err(Refusal::new(Code::AssetMissing, what, fix).at(name))
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    false
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace: `shared/i.js`, and `app` with a function whose folder has a link to it.
    #[cfg(unix)]
    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("shared")).expect("a folder");
        std::fs::create_dir_all(at("app/src/node_modules")).expect("a folder");
        std::fs::write(at("shared/i.js"), "1").expect("a file");
        std::fs::write(at("app/src/a.js"), "1").expect("a file");
        std::os::unix::fs::symlink("../../../shared", at("app/src/node_modules/shared")).expect("a link");
        let template =
            r#"{"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "src"}}}}"#;
        std::fs::write(at("app/template.json"), template).expect("a file");
        folder
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_below_the_root_and_refused_by_its_name_elsewhere() {
        let folder = workspace();
        let app = folder.path().join("app");
        let pack = |root: Option<&Path>| {
            let mut packing = Packing::open(&app, root).expect("a folder");
            packing.finish()?;
            Ok::<_, PackError>(packing.listing.files.into_keys().collect::<Vec<_>>())
        };
        let Err(PackError::Refused(refused)) = pack(None) else { panic!("the link was dropped") };
        assert_eq!(
            (refused.code, refused.path.as_deref()),
            (Code::AssetMissing, Some("src/node_modules/shared"))
        );
        let followed = pack(Some(folder.path())).expect("a package");
        assert!(followed.contains(&"src/node_modules/shared/i.js".to_owned()), "{followed:?}");

        // A dangling link of the code is refused; one beside the code does not matter, and a loop ends.
        std::os::unix::fs::symlink("nowhere", app.join("dangling")).expect("a link");
        std::os::unix::fs::symlink("..", app.join("src/loop")).expect("a link");
        assert!(pack(Some(folder.path())).is_ok());
        std::os::unix::fs::symlink("nowhere", app.join("src/dangling")).expect("a link");
        let Err(PackError::Refused(refused)) = pack(Some(folder.path())) else {
            panic!("the link was dropped")
        };
        assert!(
            refused.message.contains("src/dangling") && refused.message.contains("does not exist"),
            "{refused}"
        );
    }
}
