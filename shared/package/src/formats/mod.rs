//! What packaging tools write, one file a format, and the one thing all of it becomes.

mod draft;
mod native;
mod serverless;

pub use draft::{Draft, Finished};

use crate::Limits;
use crate::zip_file::{Directory, Entry};
use flotilla_domain::package::PackageFormat;
use flotilla_domain::{Code, Refusal};
use std::collections::BTreeMap;

/// A package of a known format whose small files are still to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// The format.
    pub format: PackageFormat,
    /// The folder in the zip that holds the package: empty, or ending with a slash.
    pub folder: String,
    /// The files that [`Recognised::draft`] needs, without the folder.
    pub needs: Vec<String>,
}

/// Recognises a package by its manifest, at the top of the zip or in its one folder.
///
/// # Errors
/// [`Code::FormatUnknown`] when there is no known manifest.
pub fn recognise(directory: &Directory) -> Result<Recognised, Refusal> {
    let first = directory.entries.first().map(|entry| entry.name.as_str()).unwrap_or_default();
    let folder = first.split_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    for folder in [String::new(), folder] {
        for (manifest, format) in
            [(serverless::MANIFEST, PackageFormat::Serverless), (native::MANIFEST, PackageFormat::Native)]
        {
            if directory.entry(&format!("{folder}{manifest}")).is_some() {
                let needs = match format {
                    PackageFormat::Serverless => {
                        vec![serverless::MANIFEST.into(), serverless::TEMPLATE.into()]
                    }
                    PackageFormat::Native => vec![native::MANIFEST.into()],
                };
                return Ok(Recognised { format, folder, needs });
            }
        }
    }
    Err(Refusal::new(
        Code::FormatUnknown,
        format!("neither {} nor {} is at the top of the package", serverless::MANIFEST, native::MANIFEST),
        "zip the folder that `osls package` or `serverless package` writes (.serverless), or a folder with a flotilla.json",
    ))
}

/// The small files of a package, by their names without the folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What came of the files at hand.
#[derive(Debug)]
pub enum DraftStep {
    /// The draft.
    Done(Box<Draft>),
    /// This file is needed as well.
    Need(String),
}

impl Recognised {
    /// The zip's entry of one of the package's files.
    ///
    /// # Errors
    /// [`Code::AssetMissing`], or [`Code::LimitExceeded`] for a small file that is not small.
    pub fn small_file<'d>(
        &self,
        directory: &'d Directory,
        name: &str,
        limits: &Limits,
    ) -> Result<&'d Entry, Refusal> {
        let entry = find(directory, &self.folder, name)?;
        if entry.unpacked_bytes > limits.manifest_bytes_max {
            return Err(crate::zip_file::over(
                "manifest_bytes_max",
                limits.manifest_bytes_max,
                entry.unpacked_bytes,
            )
            .at(name));
        }
        Ok(entry)
    }

    /// Makes the draft from the small files.
    ///
    /// # Errors
    /// A refusal with a code of the 02xx group and the place.
    pub fn draft(&self, directory: &Directory, files: &Files, limits: &Limits) -> Result<DraftStep, Refusal> {
        match self.format {
            PackageFormat::Serverless => serverless::draft(directory, &self.folder, files, limits)
                .map(|draft| DraftStep::Done(Box::new(draft))),
            PackageFormat::Native => native::draft(directory, &self.folder, files, limits),
        }
    }
}

/// The entry of a file that a manifest or template names.
fn find<'d>(directory: &'d Directory, folder: &str, name: &str) -> Result<&'d Entry, Refusal> {
    directory.entry(&format!("{folder}{name}")).ok_or_else(|| {
        Refusal::new(
            Code::AssetMissing,
            format!("{name} is not in the package"),
            "zip the whole package folder",
        )
        .at(name)
    })
}

/// A small file that the caller was asked to read.
fn file<'f>(files: &'f Files, name: &str) -> &'f [u8] {
    files.get(name).map(Vec::as_slice).unwrap_or_default()
}
