//! Compresses the layers of container images.

use super::CHUNK_BYTES;
use super::tar_files::TarFiles;
use flate2::write::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use flotilla_domain::{Digest, Digester};
use std::io::{self, Write};
use tempfile::TempPath;

/// A layer as it is sent.
#[derive(Clone)]
pub struct Layer {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// The digest of the uncompressed layer.
    pub diff_id: Digest,
}

/// Compresses a layer: the same bytes on every machine, without a time or a name.
pub fn compressed(tar: &TarFiles, file: &str) -> io::Result<(Layer, TempPath)> {
    // By its path: an image may have more layers than a process may have open files.
    let (out, path) = tempfile::NamedTempFile::new()?.into_parts();
    let hashed =
        Hashed { out: io::BufWriter::with_capacity(CHUNK_BYTES, out), digest: Digester::default(), bytes: 0 };
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(hashed, Compression::new(6));
    let mut diff_id = Digester::default();
    tar.read(file, &mut |chunk| {
        diff_id.update(chunk);
        gzip.write_all(chunk)
    })?;
    let Hashed { out, digest, bytes } = gzip.finish()?;
    out.into_inner()?.flush()?;
    Ok((Layer { digest: digest.finish(), bytes, diff_id: diff_id.finish() }, path))
}

/// A layer that gzip has compressed already.
pub fn already_compressed(tar: &TarFiles, file: &str) -> io::Result<Layer> {
    let plain = Hashed { out: io::sink(), digest: Digester::default(), bytes: 0 };
    let (mut digest, mut bytes, mut plain) = (Digester::default(), 0, MultiGzDecoder::new(plain));
    tar.read(file, &mut |chunk| {
        digest.update(chunk);
        bytes += chunk.len() as u64;
        plain.write_all(chunk)
    })?;
    Ok(Layer { digest: digest.finish(), bytes, diff_id: plain.finish()?.digest.finish() })
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
