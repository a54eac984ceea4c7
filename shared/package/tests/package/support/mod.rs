//! Runs a whole zip in memory through the crate, as ingest does with ranges.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod assembly;

use flotilla_domain::release::package::template_key;
use flotilla_domain::{Code, Digest, Refusal};
use flotilla_package::folder_zip::FolderZip;
use flotilla_package::formats::{
    Draft, DraftStep, ExternalPolicy, Files, Finished, Proof, Source, manifest_name, manifest_of, recognise,
};
use flotilla_package::image::{in_archive, not_unpacked};
use flotilla_package::listing::Listing;
use flotilla_package::zip_file::{Directory, DirectoryStep, Entry, EntryReader, read_directory};
use flotilla_package::{Limits, write};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
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
    package_with(zip, &ExternalPolicy::default())
}

/// Code of other buckets counts as read: it has the bytes that it must have.
pub fn package_with(zip: &[u8], external: &ExternalPolicy) -> Result<Finished, Refusal> {
    package_pulling(zip, external, &Parts::new())
}

/// A reference to content by its digest, as manifests and indexes of images have it.
pub fn described(kind: &str, bytes: &[u8]) -> serde_json::Value {
    json!({"mediaType": kind, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len()})
}

/// The manifest of an image with this configuration and one layer.
pub fn image_manifest(config: &[u8], layer: &[u8]) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2,
        "config": described("application/vnd.oci.image.config.v1+json", config),
        "layers": [described("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
    });
    manifest.to_string().into_bytes()
}

/// The parts of images in repositories, by digest.
pub type Parts = BTreeMap<Digest, Vec<u8>>;

pub fn package_pulling(zip: &[u8], external: &ExternalPolicy, parts: &Parts) -> Result<Finished, Refusal> {
    let (draft, contents) = read(zip, external, parts)?;
    let proof =
        |bytes: &Vec<u8>| Proof { digest: Digest::of(bytes), bytes: bytes.len() as u64, unzipped: None };
    let mut proofs: BTreeMap<Source, Proof> =
        contents.iter().map(|(source, bytes)| (source.clone(), proof(bytes))).collect();
    for source in draft.sources() {
        if let Source::External(code) = source {
            proofs.insert(source.clone(), Proof { digest: code.digest, bytes: 0, unzipped: None });
        }
    }
    draft.finish(&proofs, &Limits::DEFAULT)
}

/// The assets of a zip's package by their keys, as `flotilla pack` writes them.
pub fn assets(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    assets_with(zip, &ExternalPolicy::default())
}

fn assets_with(zip: &[u8], external: &ExternalPolicy) -> Vec<(String, Vec<u8>)> {
    let (_, contents) = read(zip, external, &Parts::new()).expect("a package");
    let key = |source: &Source, bytes: &[u8]| source.asset(Digest::of(bytes)).key();
    contents.into_iter().map(|(source, bytes)| (key(&source, &bytes), bytes)).collect()
}

/// What `flotilla pack` writes for a zip's package, by name.
pub fn packed(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    packed_with(zip, &ExternalPolicy::default())
}

pub fn packed_with(zip: &[u8], external: &ExternalPolicy) -> Vec<(String, Vec<u8>)> {
    let raw = package_with(zip, external).expect("a package");
    let templates = raw.templates.iter().map(|(digest, bytes)| (template_key(digest), bytes.clone()));
    let manifest = ("flotilla.json".to_owned(), manifest_of(&raw));
    std::iter::once(manifest).chain(templates).chain(assets_with(zip, external)).collect()
}

/// A zip of files whose names are made.
pub fn zip_of_all(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    zip_of(&files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>())
}

/// Holds a package to being refused by this code at this place.
#[track_caller]
pub fn refused_at(zip: &[u8], code: Code, path: &str) -> Refusal {
    let refusal = package(zip).expect_err("a refusal");
    assert_eq!((refusal.code, refusal.path.as_deref()), (code, Some(path)), "{refusal}");
    assert!(!refusal.fix.is_empty());
    refusal
}

/// The draft of a package and the bytes of what it names.
fn read(
    zip: &[u8],
    external: &ExternalPolicy,
    parts: &Parts,
) -> Result<(Draft, BTreeMap<Source, Vec<u8>>), Refusal> {
    let (directory, limits) = (directory(zip)?, Limits::DEFAULT);
    let listing = Listing::from(&directory);
    let recognised = recognise(&listing, "")?;
    let mut files = Files::new();
    let read = |name: &str| unpack(zip, directory.entry(name).expect("it is listed"));
    let draft = loop {
        match recognised.draft_with(&listing, &files, &limits, external)? {
            DraftStep::Done(draft) => break draft,
            DraftStep::Need(name) if directory.entry(&name).is_none() && in_archive(&name).is_some() => {
                return Err(not_unpacked(in_archive(&name).expect("an archive").0));
            }
            DraftStep::Need(name) => files.insert(name.clone(), read(&name)?.0),
            DraftStep::NeedManifest(image) => {
                files.insert(manifest_name(&image), parts[&image.digest].clone())
            }
        };
    };
    let mut contents = BTreeMap::new();
    for source in draft.sources().filter(|source| !matches!(source, Source::External(_))) {
        let bytes = match (source, source.to_zip(&listing)) {
            (Source::Pulled { digest, .. }, _) => parts[digest].clone(),
            (_, None) => read(source.name())?.0,
            (_, Some((folder, files))) => {
                let mut zipped = FolderZip::default();
                for (name, info) in files {
                    zipped.begin(&name[folder.len()..], info.executable).expect("a good name");
                    zipped.push(&read(name)?.0).expect("a file was begun");
                }
                zipped.finish().expect("not too many")
            }
        };
        contents.insert(source.clone(), bytes);
    }
    Ok((*draft, contents))
}

/// The template of a package of one stack.
pub fn template(finished: &Finished) -> serde_json::Value {
    serde_json::from_slice(&finished.templates[&finished.package.stacks[0].template]).expect("JSON")
}

pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let out =
        write::write_zip(Cursor::new(Vec::new()), files.iter().map(|(name, _)| (*name).to_owned()), |name| {
            let content = files.iter().find(|(n, _)| *n == name).expect("asked for one of them").1;
            Ok(write::SourceFile { name: name.into(), executable: false, content: Box::new(content) })
        });
    out.expect("writing to memory").into_inner()
}

/// A zip whose files stand in this order.
pub fn zip_in_order(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("a good name");
        zip.write_all(content).expect("writing to memory");
    }
    zip.finish().expect("not too many").into_inner()
}

/// The files below a folder, by their names.
pub fn files_of_folder(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    collect(folder, "", &mut files);
    files
}

/// Zips a folder with everything below it.
pub fn zip_of_folder(folder: &Path) -> Vec<u8> {
    let files = files_of_folder(folder);
    zip_of(&files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>())
}

/// The files below a folder, by their names relative to it.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().into_string().expect("UTF-8"));
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push((name, std::fs::read(entry.path()).expect("a file")));
        }
    }
}

pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path)
}
