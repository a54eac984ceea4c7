//! The size of the files in a zip, from its last bytes.

use super::directory::Tail;
use std::cell::Cell;
use zip::read::{ArchiveOffset, Config, ZipArchive};

/// How many of a zip's last bytes are kept: the directory of ten thousand files.
pub const TAIL_BYTES: usize = 1024 * 1024;

/// Keeps the last bytes of a zip that passes by.
#[derive(Debug, Default)]
pub struct Unzipped {
    tail: Vec<u8>,
    total_bytes: u64,
}

impl Unzipped {
    /// Begins with the last bytes of a zip of `total_bytes` bytes.
    pub fn of_tail(tail: Vec<u8>, total_bytes: u64) -> Self {
        Self { tail, total_bytes }
    }

    /// Takes the next bytes of the zip.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total_bytes += bytes.len() as u64;
        self.tail.extend_from_slice(bytes);
        // Cut only when it has doubled, so that most bytes are moved once.
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
    }

    /// The sum of the sizes of the zip's files, in bytes. `None` if it is no zip, is one of ZIP64, or its directory is larger than what is kept.
    pub fn bytes(&self) -> Option<u64> {
        // The parser reserves memory for as many files as the end says: 65,535 at most, but for ZIP64.
        const ZIP64: [&[u8]; 2] = [b"PK\x06\x06", b"PK\x06\x07"];
        if self.tail.windows(4).any(|bytes| ZIP64.contains(&bytes)) {
            return None;
        }
        let start = self.total_bytes.checked_sub(self.tail.len() as u64)?;
        let missing = Cell::new(None);
        let reader =
            Tail { bytes: &self.tail, start, total_bytes: self.total_bytes, position: 0, missing: &missing };
        // Nothing before the directory is read.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let archive = ZipArchive::with_config(config, reader).ok()?;
        (0..archive.len())
            .try_fold(0_u64, |sum, index| sum.checked_add(archive.by_index_data(index).ok()?.size()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn zip_of(sizes: &[usize]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (n, size) in sizes.iter().enumerate() {
            zip.start_file(n.to_string(), SimpleFileOptions::default()).unwrap();
            zip.write_all(&vec![0; *size]).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn pushed(bytes: &[u8], step: usize) -> Option<u64> {
        let mut unzipped = Unzipped::default();
        bytes.chunks(step).for_each(|chunk| unzipped.push(chunk));
        unzipped.bytes()
    }

    #[test]
    fn the_files_count_with_the_size_that_they_have_unzipped() {
        let zip = zip_of(&[50_000_000, 3, 0]);
        assert!(zip.len() < 1_000_000);
        assert_eq!(pushed(&zip, 1_000), Some(50_000_003));
        let end = zip[zip.len() - 20_000..].to_vec();
        assert_eq!(Unzipped::of_tail(end, zip.len() as u64).bytes(), Some(50_000_003));
        assert_eq!(pushed(&zip_of(&[]), 7), Some(0));
    }

    #[test]
    fn a_long_zip_is_measured_by_its_last_bytes() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file("large", stored).unwrap();
        zip.write_all(&vec![7; 5 * TAIL_BYTES]).unwrap();
        let zip = zip.finish().unwrap().into_inner();
        let mut unzipped = Unzipped::default();
        zip.chunks(100_000).for_each(|chunk| unzipped.push(chunk));
        assert!(unzipped.tail.len() <= 2 * TAIL_BYTES + 100_000);
        assert_eq!(unzipped.bytes(), Some(5 * TAIL_BYTES as u64));
    }

    #[test]
    fn the_size_of_what_is_no_zip_is_not_known() {
        assert_eq!(pushed(b"", 1), None);
        assert_eq!(pushed(&[b'x'; 3_000], 100), None);
        let zip = zip_of(&[1; 100]);
        assert_eq!(Unzipped::of_tail(zip[zip.len() - 500..].to_vec(), zip.len() as u64).bytes(), None);
    }

    #[test]
    fn what_looks_like_zip64_is_not_measured() {
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        let of = |content: &[u8]| {
            let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
            zip.start_file("a", stored).unwrap();
            zip.write_all(content).unwrap();
            pushed(&zip.finish().unwrap().into_inner(), 100)
        };
        assert_eq!([of(b"PK\x06\x05"), of(b"PK\x06\x06"), of(b"PK\x06\x07")], [Some(4), None, None]);
    }
}
