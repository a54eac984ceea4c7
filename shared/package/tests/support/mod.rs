//! Runs a whole zip in memory through the crate, as ingest does with ranges.
#![allow(dead_code, reason = "each test file uses a part")]

use flotilla_domain::{Digest, Refusal};
use flotilla_package::formats::{DraftStep, Files, Finished, recognise};
use flotilla_package::zip_file::{Directory, DirectoryStep, Entry, EntryReader, read_directory};
use flotilla_package::{Limits, write};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

pub fn directory(zip: &[u8]) -> Result<Directory, Refusal> {
    let total = zip.len() as u64;
    let mut tail = &zip[zip.len().saturating_sub(64)..];
    loop {
        match read_directory(tail, total, &Limits::DEFAULT)? {
            DirectoryStep::Done(directory) => return Ok(directory),
            DirectoryStep::NeedFrom(from) => tail = &zip[from as usize..],
        }
    }
}

pub fn unpack(zip: &[u8], entry: &Entry) -> Result<(Vec<u8>, Digest), Refusal> {
    let mut out = Vec::new();
    let mut reader = EntryReader::new(entry.clone());
    for chunk in zip[entry.header_start as usize..entry.end as usize].chunks(17) {
        reader.push(chunk, |bytes| out.extend_from_slice(bytes))?;
    }
    let proof = reader.finish()?;
    assert_eq!(proof.digest, Digest::of(&out));
    Ok((out, proof.digest))
}

pub fn package(zip: &[u8]) -> Result<Finished, Refusal> {
    let (directory, limits) = (directory(zip)?, Limits::DEFAULT);
    let recognised = recognise(&directory)?;
    let mut files = Files::new();
    let mut needs = recognised.needs.clone();
    let draft = loop {
        for name in needs.drain(..) {
            let entry = recognised.small_file(&directory, &name, &limits)?;
            files.insert(name, unpack(zip, entry)?.0);
        }
        match recognised.draft(&directory, &files, &limits)? {
            DraftStep::Done(draft) => break draft,
            DraftStep::Need(name) => needs.push(name),
        }
    };
    let mut proofs = BTreeMap::new();
    for name in draft.assets() {
        let entry = directory.entry(name).expect("the draft names entries");
        proofs.insert(name.to_owned(), (unpack(zip, entry)?.1, entry.unpacked_bytes));
    }
    draft.finish(&proofs)
}

pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let out =
        write::write_zip(Cursor::new(Vec::new()), files.iter().map(|(name, _)| (*name).to_owned()), |name| {
            let content = files.iter().find(|(n, _)| *n == name).expect("asked for one of them").1;
            Ok(write::SourceFile { name: name.into(), executable: false, content: Box::new(content) })
        });
    out.expect("writing to memory").into_inner()
}

pub fn zip_of_folder(folder: &Path) -> Vec<u8> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let entry = entry.expect("an entry");
        files.push((
            entry.file_name().into_string().expect("UTF-8"),
            std::fs::read(entry.path()).expect("a file"),
        ));
    }
    zip_of(&files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>())
}

pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path)
}
