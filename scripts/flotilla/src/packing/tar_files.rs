//! The files of a tar, read where they are.

use super::chunks;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// Entries of a tar.
const ENTRIES_MAX: usize = 10_000;
/// How many links lead to a file.
const LINKS_MAX: usize = 8;

/// A tar and the places of its files.
pub struct TarFiles {
    tar: File,
    files: BTreeMap<String, Entry>,
}

enum Entry {
    /// The bytes of a file.
    Bytes { from: u64, length: u64 },
    /// A link to another file, by its name in the tar.
    Link(String),
}

impl TarFiles {
    /// Lists a tar.
    ///
    /// # Errors
    /// It is not a tar, or has too many entries.
    pub fn list(tar: File) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut archive = tar::Archive::new(tar.try_clone()?);
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            if files.len() >= ENTRIES_MAX {
                return Err(io::Error::other(format!("it has more than {ENTRIES_MAX} entries")));
            }
            let Some(name) = name_of("", &entry.path()?) else { continue };
            let kind = entry.header().entry_type();
            if kind.is_file() {
                files.insert(name, Entry::Bytes { from: entry.raw_file_position(), length: entry.size() });
            } else if kind.is_symlink() || kind.is_hard_link() {
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                let from = if kind.is_symlink() { folder } else { "" };
                let target = entry.link_name()?.and_then(|target| name_of(from, &target));
                files.extend(target.map(|target| (name, Entry::Link(target))));
            }
        }
        Ok(Self { tar, files })
    }

    fn find(&self, name: &str) -> Option<(u64, u64)> {
        let mut name = name_of("", Path::new(name))?;
        for _ in 0..LINKS_MAX {
            match self.files.get(&name)? {
                Entry::Bytes { from, length } => return Some((*from, *length)),
                Entry::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    /// The length of a file; `None` if it does not exist.
    pub fn bytes_of(&self, name: &str) -> Option<u64> {
        self.find(name).map(|(_, length)| length)
    }

    /// Passes the bytes of a file to `sink`.
    ///
    /// # Errors
    /// Those of reading it, as the end of the tar in the middle of it.
    pub fn read(&self, name: &str, sink: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (from, length) = self.find(name).ok_or(io::ErrorKind::NotFound)?;
        let mut tar = self.tar.try_clone()?;
        tar.seek(SeekFrom::Start(from))?;
        let mut passed = 0;
        chunks(&mut tar.take(length), &mut |chunk| {
            passed += chunk.len() as u64;
            sink(chunk)
        })?;
        if passed < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Whether a file begins with these bytes.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn begins_with(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let (from, length) = self.find(name).ok_or(io::ErrorKind::NotFound)?;
        let mut tar = self.tar.try_clone()?;
        tar.seek(SeekFrom::Start(from))?;
        let mut begin = Vec::new();
        tar.take(length.min(bytes.len() as u64)).read_to_end(&mut begin)?;
        Ok(begin == bytes)
    }
}

/// A name in the tar, relative to a folder of it; `None` if it leads out of the tar.
fn name_of(folder: &str, path: &Path) -> Option<String> {
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for component in path.components() {
        match component {
            Component::Normal(segment) => segments.push(segment.to_str()?),
            Component::ParentDir => drop(segments.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(segments.join("/"))
}
