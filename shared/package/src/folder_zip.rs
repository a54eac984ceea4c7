//! A folder as the zip that runs: the same bytes on every machine, every time.
//!
//! Names in order, the time of the format's beginning, mode 0644, or 0755 for what its owner may execute and
//! for `bootstrap`, which Lambda executes; deflated at one level by a pinned encoder. The zip is written as
//! its files pass: nothing is sought back to, and no more than a chunk is held.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Writes a folder's zip.
pub struct FolderZip {
    zip: ZipWriter<StreamWriter<Pipe>>,
    pipe: Pipe,
}

/// Where the zip's bytes wait until they are fetched.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Pipe {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Default for FolderZip {
    fn default() -> Self {
        let pipe = Pipe::default();
        Self { zip: ZipWriter::new_stream(pipe.clone()), pipe }
    }
}

impl FolderZip {
    /// Begins a file. The names, relative to the folder, have to come in order.
    ///
    /// # Errors
    /// When the name is not fit for a zip.
    pub fn begin(&mut self, name: &str, executable: bool) -> io::Result<()> {
        let executable = executable || name == "bootstrap";
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(if executable { 0o755 } else { 0o644 });
        self.zip.start_file(name, options).map_err(io::Error::other)
    }

    /// Adds bytes of the file that was begun last.
    ///
    /// # Errors
    /// When no file was begun.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.zip.write_all(bytes)
    }

    /// The zip's bytes that have come of it since they were fetched last.
    pub fn fetch(&mut self) -> Vec<u8> {
        self.pipe.take()
    }

    /// Ends the zip; answers its last bytes.
    ///
    /// # Errors
    /// When there are too many files for a zip.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        let Self { zip, pipe } = self;
        zip.finish().map_err(io::Error::other)?;
        Ok(pipe.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::Digest;
    use std::io::Read;

    fn zipped(chunk: usize) -> Vec<u8> {
        let mut zip = FolderZip::default();
        let mut out = Vec::new();
        for (name, content) in [("bootstrap", "run".repeat(1_000)), ("lib/a.py", "pass\n".repeat(20_000))] {
            zip.begin(name, false).unwrap();
            for chunk in content.as_bytes().chunks(chunk) {
                zip.push(chunk).unwrap();
                out.extend(zip.fetch());
            }
        }
        out.extend(zip.finish().unwrap());
        out
    }

    #[test]
    fn the_bytes_do_not_depend_on_how_they_came() {
        assert_eq!(zipped(7), zipped(60_000));
    }

    /// Another encoder would give every unchanged folder a new digest, and every function a new deployment: an
    /// update of a dependency that does so has to be noticed.
    #[test]
    fn the_bytes_are_those_of_every_earlier_version() {
        let digest = Digest::of(&zipped(1_000)).to_string();
        assert_eq!(digest, "1161a54b9aeecb37f537bb5599d9b8585daeac0766fbea33d7192934d723264c");
    }

    #[test]
    fn an_ordinary_reader_reads_it() {
        let mut archive = zip::ZipArchive::new(io::Cursor::new(zipped(1_000))).unwrap();
        let mut file = archive.by_name("lib/a.py").unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.len(), file.unix_mode()), (100_000, Some(0o100_644)));
        drop(file);
        assert_eq!(archive.by_name("bootstrap").unwrap().unix_mode(), Some(0o100_755));
    }
}
