//! Generates packages of any size.

use crate::rng::Rng;
use serde_json::{Map, Value, json};
use std::io::{self, Seek, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// How a package contains its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One zip of all files, stored in the upload: S3 copies it.
    StoredAsset,
    /// One zip of all files, deflated once more in the upload.
    DeflatedAsset,
    /// One folder, its files in order, as `flotilla push` writes it.
    Folder,
    /// One folder, its files unsorted, as `zip -r` writes it.
    ShuffledFolder,
    /// Four folders, their files in order: all are read ahead concurrently.
    FourFolders,
    /// Four files of mostly zeros, with a high compression ratio.
    FourOfZeros,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 6] = [
        Self::StoredAsset,
        Self::DeflatedAsset,
        Self::Folder,
        Self::ShuffledFolder,
        Self::FourFolders,
        Self::FourOfZeros,
    ];
}

/// The description of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How it contains its code.
    pub shape: Shape,
    /// The number of files.
    pub files: usize,
    /// The size of each file in bytes.
    pub file_bytes: usize,
}

impl Load {
    /// Writes the package.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write<W: Write + Seek>(&self, out: W) -> io::Result<W> {
        let mut zip = ZipWriter::new(out);
        let mut rng = Rng::new(1);
        let code: Vec<String> = match self.shape {
            Shape::StoredAsset | Shape::DeflatedAsset => vec!["code.zip".into()],
            Shape::Folder | Shape::ShuffledFolder => vec!["code".into()],
            Shape::FourFolders => (0..4).map(|n| format!("code{n}")).collect(),
            Shape::FourOfZeros => (0..4).map(|n| format!("code{n}.zip")).collect(),
        };
        zip.start_file("template.json", options(CompressionMethod::Deflated))?;
        zip.write_all(template(&code).to_string().as_bytes())?;
        match self.shape {
            Shape::StoredAsset | Shape::DeflatedAsset => {
                let stored = self.shape == Shape::StoredAsset;
                let packing = if stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
                zip.start_file(&code[0], options(packing))?;
                let mut inner = ZipWriter::new_stream(&mut zip);
                self.files(&mut inner, &mut rng, |n| name("", n))?;
                inner.finish()?;
            }
            Shape::FourOfZeros => {
                let zeros = vec![0; self.file_bytes];
                for name in &code {
                    zip.start_file(name, options(CompressionMethod::Deflated))?;
                    // Each differs from the others.
                    zip.write_all(name.as_bytes())?;
                    (0..self.files / 4).try_for_each(|_| zip.write_all(&zeros))?;
                }
            }
            Shape::Folder | Shape::ShuffledFolder | Shape::FourFolders => {
                let folder = |n: usize| format!("{}/", code[n * code.len() / self.files]);
                let mut order: Vec<usize> = (0..self.files).collect();
                if self.shape == Shape::ShuffledFolder {
                    for at in (1..order.len()).rev() {
                        let other = rng.below(at as u64 + 1);
                        order.swap(at, usize::try_from(other).unwrap_or(at));
                    }
                }
                self.files(&mut zip, &mut rng, |n| name(&folder(order[n]), order[n]))?;
            }
        }
        Ok(zip.finish()?)
    }

    /// Writes the files of the code, stored, because their bytes cannot be compressed.
    fn files<W: Write + Seek>(
        &self,
        zip: &mut ZipWriter<W>,
        rng: &mut Rng,
        name: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        let mut content = vec![0; self.file_bytes];
        for n in 0..self.files {
            for eight in content.chunks_mut(8) {
                eight.copy_from_slice(&rng.next().to_le_bytes()[..eight.len()]);
            }
            zip.start_file(name(n), options(CompressionMethod::Stored))?;
            zip.write_all(&content)?;
        }
        Ok(())
    }
}

fn options(packing: CompressionMethod) -> SimpleFileOptions {
    let level = (packing == CompressionMethod::Deflated).then_some(1);
    SimpleFileOptions::default().compression_method(packing).compression_level(level)
}

fn name(folder: &str, n: usize) -> String {
    format!("{folder}node_modules/package-{:04}/dist/file-{n:05}.js", n / 50)
}

/// A template with one function for each piece of code.
fn template(code: &[String]) -> Value {
    let function =
        |code: &String| json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": format!("./{code}")}});
    let resources: Map<String, Value> =
        code.iter().enumerate().map(|(n, code)| (format!("App{n}"), function(code))).collect();
    json!({ "Resources": resources })
}
