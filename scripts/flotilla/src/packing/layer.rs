//! Compresses the layers of container images.

use super::CHUNK_BYTES;
use super::tar_files::TarFiles;
use flate2::{Compression, GzBuilder};
use flotilla_domain::{Digest, Digester};
use std::fs::File;
use std::io::{self, Write};

/// A layer as it is sent.
#[derive(Clone)]
pub struct Layer {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// The digest of the uncompressed layer, if it was compressed here.
    pub diff_id: Option<Digest>,
}

/// Compresses a layer: the same bytes on every machine, without a time or a name.
pub fn compressed(tar: &TarFiles, file: &str) -> io::Result<(Layer, File)> {
    let out = tempfile::tempfile()?;
    let hashed =
        Hashed { out: io::BufWriter::with_capacity(CHUNK_BYTES, out), digest: Digester::default(), bytes: 0 };
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(hashed, Compression::new(6));
    let mut diff_id = Digester::default();
    tar.read(file, &mut |chunk| {
        diff_id.update(chunk);
        gzip.write_all(chunk)
    })?;
    let Hashed { out, digest, bytes } = gzip.finish()?;
    let layer = Layer { digest: digest.finish(), bytes, diff_id: Some(diff_id.finish()) };
    Ok((layer, out.into_inner()?))
}

/// Hashes what is written.
struct Hashed<W> {
    out: W,
    digest: Digester,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
