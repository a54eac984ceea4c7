//! A zip's directory, and every entry that it names.

use crate::check;
use flotilla_domain::Refusal;
use flotilla_package::Limits;
use flotilla_package::zip_file::{Directory, DirectoryStep, Entry, EntryReader, read_directory};
use std::collections::BTreeSet;

/// Reads the input as ingest reads an upload: the directory from the last bytes, then each entry.
pub fn run(data: &[u8]) {
    let Some((first, zip)) = data.split_first() else { return };
    let directory = match directory(zip, usize::from(*first)) {
        Ok(directory) => directory,
        Err(refusal) => return check(&refusal),
    };
    let mut names = BTreeSet::new();
    let mut end = 0;
    for entry in &directory.entries {
        assert!(names.insert(&entry.name), "{} is there twice", entry.name);
        assert!(!entry.name.split('/').any(|part| part == ".." || part.is_empty()), "{}", entry.name);
        assert!(entry.header_start >= end, "{} overlaps another entry", entry.name);
        assert!(entry.end <= zip.len() as u64, "{} ends behind the upload", entry.name);
        assert_eq!(directory.entry(&entry.name), Some(entry));
        end = entry.end;
        let in_pieces = unpack(zip, entry, usize::from(*first) + 1);
        let at_once = unpack(zip, entry, usize::MAX);
        assert_eq!(in_pieces.as_ref().ok(), at_once.as_ref().ok(), "{} depends on the pieces", entry.name);
        for refusal in [in_pieces, at_once].iter().filter_map(|read| read.as_ref().err()) {
            check(refusal);
        }
    }
}

fn directory(zip: &[u8], tail_bytes: usize) -> Result<Directory, Refusal> {
    let total = zip.len() as u64;
    let mut from = zip.len().saturating_sub(tail_bytes);
    loop {
        match read_directory(&zip[from..], total, &Limits::DEFAULT)? {
            DirectoryStep::Done(directory) => return Ok(directory),
            DirectoryStep::NeedFrom(more) => {
                let more = usize::try_from(more).expect("an offset in the zip");
                assert!(more < from, "{more} is at hand already, from {from}");
                from = more;
            }
        }
    }
}

/// How many bytes an entry has, and the digest of them.
fn unpack(zip: &[u8], entry: &Entry, piece: usize) -> Result<(u64, String), Refusal> {
    let span = |at: u64| usize::try_from(at).expect("an offset in the zip");
    let mut reader = EntryReader::new(entry.clone());
    let mut seen = 0;
    for chunk in zip[span(entry.header_start)..span(entry.end)].chunks(piece) {
        reader.push(chunk, |bytes| seen += bytes.len() as u64)?;
        assert!(seen <= entry.unpacked_bytes, "{} gives more than it says", entry.name);
    }
    let start = reader.data_start();
    let proof = reader.finish()?;
    assert_eq!((proof.bytes, seen), (entry.unpacked_bytes, entry.unpacked_bytes));
    assert!(start.is_some_and(|start| start + entry.packed_bytes <= entry.end), "{start:?}");
    Ok((proof.bytes, proof.digest.to_string()))
}
