//! Zips a folder reproducibly: the same bytes on every machine, every time.
//!
//! Names are sorted, the time is the earliest that the format allows, and the mode is 0644, or 0755 for executable
//! files and for `bootstrap`, which Lambda executes. A pinned encoder deflates at one level. The zip is streamed: the
//! writer never seeks back and holds one chunk at most.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Writes a folder's zip.
pub struct FolderZip {
    zip: ZipWriter<StreamWriter<Pipe>>,
    pipe: Pipe,
}

/// Buffers the zip's bytes until they are fetched.
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
    /// Begins a file. Names are relative to the folder and must be passed in sorted order.
    ///
    /// # Errors
    /// If the name is not valid in a zip.
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
    /// If no file was begun.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.zip.write_all(bytes)
    }

    /// Takes the bytes of the zip that were written since the last call.
    pub fn fetch(&mut self) -> Vec<u8> {
        self.pipe.take()
    }

    /// Ends the zip and returns its last bytes.
    ///
    /// # Errors
    /// If there are too many files for a zip.
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

    /// Another encoder would change the digest of every unchanged folder and redeploy every function. This test
    /// detects a dependency update that does so.
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
