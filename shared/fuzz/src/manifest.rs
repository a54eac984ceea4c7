//! A package of a few small files, from its names to the finished package, and once more as `flotilla pack`
//! writes it.

use crate::{check, files};
use flotilla_domain::release::package::template_key;
use flotilla_domain::{Digest, Refusal};
use flotilla_package::Limits;
use flotilla_package::formats::{DraftStep, Files, Finished, Proof, Source, manifest_of, recognise};
use flotilla_package::image::{in_archive, is_in_archive, not_unpacked};
use flotilla_package::listing::{FileInfo, Listing};
use std::collections::BTreeMap;

/// More would take long to read again and again, and show nothing new.
const FILES_MAX: usize = 40;

/// Reads the input's files as a package.
pub fn run(data: &[u8]) {
    let mut contents = Files::new();
    for file in files::read(data).into_iter().take(FILES_MAX) {
        let name = file.name.and_then(|name| String::from_utf8(name).ok()).filter(|name| is_plain(name));
        if let Some(name) = name.filter(|name| fits(name, &contents)) {
            contents.insert(name, file.content);
        }
    }
    let finished = match package(&contents) {
        Ok(finished) => finished,
        Err(refusal) => return check(&refusal),
    };
    for (digest, template) in &finished.templates {
        assert_eq!(Digest::of(template), *digest);
        assert!(!template.contains(&0), "a token is left");
    }
    for stack in &finished.package.stacks {
        assert!(finished.templates.contains_key(&stack.template));
        assert!(stack.functions.iter().all(|f| finished.package.assets.keys().any(|a| a.digest == f.asset)));
    }
    match package(&packed(&finished)) {
        Ok(again) => assert_eq!(again.package.digest, finished.package.digest, "packing changes it"),
        Err(refusal) => check(&refusal),
    }
}

/// The files that `flotilla pack` writes, with assets of no bytes.
fn packed(finished: &Finished) -> Files {
    let templates = finished.templates.iter().map(|(digest, bytes)| (template_key(digest), bytes.clone()));
    let assets = finished.package.assets.keys().map(|asset| (asset.key(), Vec::new()));
    let mut files: Files = assets.chain(templates).collect();
    files.insert("flotilla.json".into(), manifest_of(finished));
    files
}

/// The way of a package, with proofs that follow from the names.
fn package(contents: &Files) -> Result<Finished, Refusal> {
    let info = |content: &Vec<u8>| FileInfo { bytes: content.len() as u64, executable: false };
    let listing = Listing {
        files: contents.iter().map(|(name, content)| (name.clone(), info(content))).collect(),
        ..Listing::default()
    };
    let limits = Limits::DEFAULT;
    let recognised = recognise(&listing, "")?;
    let mut read = Files::new();
    let draft = loop {
        match recognised.draft(&listing, &read, &limits)? {
            DraftStep::Done(draft) => break draft,
            DraftStep::Need(name) if is_in_archive(&listing, &name) => {
                return Err(not_unpacked(in_archive(&name).expect("a file in an archive").0));
            }
            DraftStep::Need(name) => {
                let content = contents.get(&name).expect("only what is there is needed").clone();
                assert!(read.insert(name, content).is_none(), "a file is needed once");
            }
            DraftStep::NeedManifest(image) => panic!("no repository is listed, and {image} is needed"),
        }
    };
    let proof = |source: &Source| {
        let digest = draft.claim(source).unwrap_or_else(|| Digest::of(source.name().as_bytes()));
        (source.clone(), Proof { digest, bytes: source.name().len() as u64, unzipped: None })
    };
    let proofs: BTreeMap<Source, Proof> = draft.sources().map(proof).collect();
    draft.finish(&proofs, &limits)
}

/// Whether a zip may hold a file of this name: see `zip_directory` for the others.
fn is_plain(name: &str) -> bool {
    let is_segment = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.len() <= 200 && !name.chars().any(|c| c.is_control() || c == '\\') && name.split('/').all(is_segment)
}

/// Whether a name is neither a file and a folder at once, nor there already.
fn fits(name: &str, contents: &Files) -> bool {
    let below = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    !contents.keys().any(|other| other == name || below(name, other) || below(other, name))
}
