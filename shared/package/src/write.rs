//! Writes a package's zip reproducibly: sorted names, one fixed time, fixed modes.

use std::io::{self, Read, Seek, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// A file that is added to the zip.
pub struct SourceFile<'a> {
    /// Its name in the zip, with forward slashes.
    pub name: String,
    /// Whether its mode lets its owner execute it.
    pub executable: bool,
    /// Its bytes.
    pub content: Box<dyn Read + 'a>,
}

/// Writes a zip. Files that are already compressed (`.zip`, `.jar`, and `.blob`, the layers of container images) are stored, so that S3 can copy them out of the
/// upload unchanged.
///
/// # Errors
/// Errors of reading a file or writing the zip.
pub fn write_zip<'a, W: Write + Seek>(
    out: W,
    names: impl IntoIterator<Item = String>,
    mut open: impl FnMut(&str) -> io::Result<SourceFile<'a>>,
) -> io::Result<W> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    let mut zip = ZipWriter::new(out);
    for name in names {
        let mut file = open(&name)?;
        let packed =
            [".zip", ".jar", ".gz", ".blob", ".png", ".jpg"].iter().any(|ending| name.ends_with(ending));
        let options = SimpleFileOptions::default()
            .compression_method(if packed { CompressionMethod::Stored } else { CompressionMethod::Deflated })
            .compression_level((!packed).then_some(6))
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(if file.executable { 0o755 } else { 0o644 });
        zip.start_file(name, options).map_err(io::Error::other)?;
        io::copy(&mut file.content, &mut zip)?;
    }
    zip.finish().map_err(io::Error::other)
}
