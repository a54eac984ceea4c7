//! Reads a zip's directory from the file's last bytes and checks its consistency.
//!
//! The `zip` crate parses it. This module checks what a parser accepts but an attacker can exploit: names, kinds,
//! duplicates, overlaps, and bytes that belong to no entry.

use super::names::unsafe_because;
use crate::Limits;
use flotilla_domain::{Code, Refusal};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Seek, SeekFrom};
use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipArchive};

/// How an entry is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not compressed.
    Stored,
    /// Deflate, RFC 1951.
    Deflated,
}

/// A file in the zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: relative, with plain segments.
    pub name: String,
    /// The offset of its local header.
    pub header_start: u64,
    /// The offset of what follows it: the next local header or the directory. The entry ends exactly here.
    pub end: u64,
    /// Its compressed size in bytes.
    pub packed_bytes: u64,
    /// Its uncompressed size in bytes.
    pub unpacked_bytes: u64,
    /// The CRC-32 of the uncompressed bytes.
    pub crc32: u32,
    /// Its compression.
    pub packing: Packing,
    /// Whether its mode lets its owner execute it.
    pub executable: bool,
}

/// The files of a zip's directory, without folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The files in the order of their offsets.
    pub entries: Vec<Entry>,
    /// Their indices by name.
    by_name: HashMap<String, usize>,
}

impl Directory {
    /// The file with this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).and_then(|at| self.entries.get(*at))
    }
}

/// The result of reading the available bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum DirectoryStep {
    /// The directory.
    Done(Directory),
    /// The directory begins before the available bytes: call again with all bytes from this offset on.
    NeedFrom(u64),
}

/// Reads the directory of a zip of `total_bytes` bytes; `tail` holds the last of them.
///
/// # Errors
/// A refusal with a code of the 02xx group that names the entry.
pub fn read_directory(tail: &[u8], total_bytes: u64, limits: &Limits) -> Result<DirectoryStep, Refusal> {
    if total_bytes > limits.upload_bytes_max {
        return Err(over("upload_bytes_max", limits.upload_bytes_max, total_bytes));
    }
    let tail_start = total_bytes.saturating_sub(tail.len() as u64);
    let missing = Cell::new(None);
    let reader = Tail { bytes: tail, start: tail_start, total_bytes, position: 0, missing: &missing };
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let archive = match ZipArchive::with_config(config, reader) {
        Ok(archive) => archive,
        Err(_) if missing.get().is_some_and(|from| total_bytes - from <= limits.directory_bytes_max) => {
            return Ok(DirectoryStep::NeedFrom(missing.take().unwrap_or(0)));
        }
        Err(_) if missing.get().is_some() => {
            return Err(over("directory_bytes_max", limits.directory_bytes_max, total_bytes));
        }
        Err(error) => return Err(no_zip(&error, tail)),
    };
    check_end(&archive, tail)?;
    if archive.len() > limits.entries_max {
        return Err(over("entries_max", limits.entries_max as u64, archive.len() as u64));
    }
    if archive.has_duplicate_names() {
        return Err(inconsistent("two entries have the same name"));
    }
    let mut entries = Vec::with_capacity(archive.len());
    let mut spans = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(|e| damaged(e.to_string()))?;
        // Some tools write the folder itself.
        let is_whole = entry.name_raw() == b"./";
        let name = if is_whole { "./".to_owned() } else { entry_name(entry.name_raw(), limits)? };
        let known = check_kind(&name, entry.unix_mode(), entry.encrypted(), entry.compression())?;
        spans.push((entry.header_start(), entry.compressed_size(), name.clone()));
        if !name.ends_with('/') {
            entries.push(Entry {
                name,
                header_start: entry.header_start(),
                end: 0,
                packed_bytes: entry.compressed_size(),
                unpacked_bytes: entry.size(),
                crc32: entry.crc32(),
                packing: known,
                executable: entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0),
            });
        } else if entry.size() != 0 {
            return Err(inconsistent("a folder has content").at(name));
        }
    }
    let ends = check_spans(spans, archive.central_directory_start())?;
    for entry in &mut entries {
        entry.end = ends.get(&entry.header_start).copied().unwrap_or(0);
    }
    check_names(&entries)?;
    let unpacked = entries.iter().try_fold(0_u64, |sum, entry| sum.checked_add(entry.unpacked_bytes));
    match unpacked {
        Some(sum) if sum <= limits.unpacked_bytes_max => {}
        sum => return Err(over("unpacked_bytes_max", limits.unpacked_bytes_max, sum.unwrap_or(u64::MAX))),
    }
    entries.sort_by_key(|entry| entry.header_start);
    let by_name = entries.iter().enumerate().map(|(at, entry)| (entry.name.clone(), at)).collect();
    Ok(DirectoryStep::Done(Directory { entries, by_name }))
}

/// A refusal that names the limit.
pub(crate) fn over(limit: &str, max: u64, found: u64) -> Refusal {
    Refusal::new(
        Code::LimitExceeded,
        format!("{limit} is {max}; this package has {found}"),
        "make the package smaller: leave out what is not deployed, or split the service",
    )
}

fn damaged(what: String) -> Refusal {
    Refusal::new(Code::ZipDamaged, what, "zip the package again and check that the upload was complete")
}

fn inconsistent(what: &str) -> Refusal {
    Refusal::new(
        Code::EntriesInconsistent,
        what,
        "zip the package again with a common zip tool, or use flotilla push",
    )
}

/// Distinguishes a damaged zip from a file that is not a zip.
fn no_zip(error: &zip::result::ZipError, tail: &[u8]) -> Refusal {
    let has_local_header = tail.starts_with(b"PK\x03\x04");
    if has_local_header || tail.windows(4).any(|window| window == b"PK\x05\x06") {
        return damaged(format!("the zip's directory cannot be read: {error}"));
    }
    Refusal::new(
        Code::NotAZip,
        "the upload has no zip directory at its end",
        "upload a zip of the package folder",
    )
}

/// The end record must be the last record of the file, followed by at most its comment, and must follow the directory
/// directly.
fn check_end<R: Read + Seek>(archive: &ZipArchive<R>, tail: &[u8]) -> Result<(), Refusal> {
    let comment_bytes = archive.comment().len();
    let at = tail.len().checked_sub(22 + comment_bytes);
    let is_last = at.is_some_and(|at| {
        tail[at..].starts_with(b"PK\x05\x06")
            && usize::from(u16::from_le_bytes([tail[at + 20], tail[at + 21]])) == comment_bytes
    });
    if is_last { Ok(()) } else { Err(inconsistent("bytes follow the zip's end")) }
}

fn entry_name(raw: &[u8], limits: &Limits) -> Result<String, Refusal> {
    let shown: String = String::from_utf8_lossy(raw).chars().take(200).collect();
    let refuse = |why: &str| {
        Refusal::new(
            Code::EntryNameUnsafe,
            format!("the entry {shown:?} is refused: {why}"),
            if why.contains("backslash") {
                "zip with 7-Zip, tar -a -c -f app.zip, or PowerShell 7"
            } else {
                "rename the file or leave it out"
            },
        )
        .at(shown.escape_debug().to_string())
    };
    if raw.len() > limits.name_bytes_max {
        return Err(refuse("its name is too long (name_bytes_max)"));
    }
    let name = std::str::from_utf8(raw).map_err(|_| refuse("its name is not UTF-8"))?;
    // `zip -r app.zip .` of some tools writes it.
    let name = name.strip_prefix("./").filter(|rest| !rest.is_empty()).unwrap_or(name);
    match unsafe_because(name) {
        Some(why) => Err(refuse(why)),
        None => Ok(name.to_owned()),
    }
}

/// Accepts only plain files and folders that are stored or deflated, and not encrypted.
fn check_kind(
    name: &str,
    mode: Option<u32>,
    encrypted: bool,
    method: CompressionMethod,
) -> Result<Packing, Refusal> {
    const TYPE_MASK: u32 = 0o170_000;
    let plain = matches!(mode.map(|mode| mode & TYPE_MASK), None | Some(0 | 0o100_000 | 0o040_000));
    if !plain {
        let what = "it is a link, a device or another special file";
        return Err(Refusal::new(
            Code::EntrySpecial,
            format!("{name}: {what}"),
            "package the file itself (zip without -y)",
        )
        .at(name));
    }
    match method {
        _ if encrypted => {}
        CompressionMethod::Stored => return Ok(Packing::Stored),
        CompressionMethod::Deflated => return Ok(Packing::Deflated),
        _ => {}
    }
    let what =
        if encrypted { "it is encrypted".to_owned() } else { format!("it is compressed with {method:?}") };
    Err(Refusal::new(
        Code::EntryUnreadable,
        format!("{name}: {what}"),
        "zip with deflate and without a password",
    )
    .at(name))
}

/// Refuses entries that overlap, and more bytes between two entries than headers need. Returns each entry's end by
/// its start.
fn check_spans(
    mut spans: Vec<(u64, u64, String)>,
    directory_start: u64,
) -> Result<HashMap<u64, u64>, Refusal> {
    /// A local header without name and extra field.
    const HEADER_BYTES: u64 = 30;
    /// An extra field has at most 65,535 bytes; a data descriptor with signature and ZIP64 sizes has 24.
    const SLACK_BYTES_MAX: u64 = 65_535 + 24;
    spans.sort();
    if spans.first().is_some_and(|(start, ..)| *start != 0) || (spans.is_empty() && directory_start != 0) {
        return Err(inconsistent("bytes precede the first entry"));
    }
    let mut ends = HashMap::with_capacity(spans.len());
    for (index, (start, packed, name)) in spans.iter().enumerate() {
        let end = spans.get(index + 1).map_or(directory_start, |(next, ..)| *next);
        let needed =
            start.checked_add(HEADER_BYTES + name.len() as u64).and_then(|at| at.checked_add(*packed));
        let slack = needed.and_then(|needed| end.checked_sub(needed));
        match slack {
            None => return Err(inconsistent("two entries overlap").at(name.clone())),
            Some(slack) if slack > SLACK_BYTES_MAX => {
                return Err(inconsistent("bytes after an entry belong to no entry").at(name.clone()));
            }
            Some(_) => {
                ends.insert(*start, end);
            }
        }
    }
    Ok(ends)
}

/// Refuses a name that is both a file and a folder.
fn check_names(entries: &[Entry]) -> Result<(), Refusal> {
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    let names_set: HashSet<&str> = names.iter().copied().collect();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(inconsistent("two entries have the same name").at(twice[0].to_owned()));
    }
    for name in names {
        let mut parents = name.match_indices('/').map(|(at, _)| &name[..at]);
        if let Some(parent) = parents.find(|parent| names_set.contains(parent)) {
            return Err(inconsistent("a name is both a file and a folder").at(parent.to_owned()));
        }
    }
    Ok(())
}

/// The last bytes of a file as a seekable reader. It records the offset of a read before them.
pub(super) struct Tail<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) start: u64,
    pub(super) total_bytes: u64,
    pub(super) position: u64,
    pub(super) missing: &'a Cell<Option<u64>>,
}

impl Read for Tail<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position < self.start && !buffer.is_empty() {
            self.missing.set(Some(self.position));
            return Err(io::Error::other("these bytes are not available"));
        }
        let from = usize::try_from(self.position - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        let read = (&self.bytes[from..]).read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Tail<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.total_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
