//! Unpacks one entry of a zip as a stream; it holds one chunk at most.

use super::directory::{Entry, Packing};
use flate2::{Decompress, FlushDecompress, Status};
use flotilla_domain::{Code, Digest, Refusal};
use sha2::Digest as _;

/// What is known about an entry after all of it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryProof {
    /// The digest of the unpacked bytes.
    pub digest: Digest,
    /// The number of unpacked bytes.
    pub bytes: u64,
}

/// Takes the bytes from an entry's local header to its end, in chunks of any size, and returns its unpacked bytes,
/// checked against the directory.
pub struct EntryReader {
    entry: Entry,
    header: Vec<u8>,
    header_done: bool,
    /// The number of packed bytes that are still missing.
    packed_left: u64,
    /// The number of bytes after the packed ones: none, or a data descriptor.
    behind: u64,
    behind_seen: u64,
    inflate: Option<Decompress>,
    hash: sha2::Sha256,
    crc: crc32fast::Hasher,
    unpacked: u64,
    buffer: Vec<u8>,
}

const HEADER_BYTES: usize = 30;
const BUFFER_BYTES: usize = 64 * 1024;

impl EntryReader {
    /// Creates a reader for the bytes from [`Entry::header_start`] to [`Entry::end`].
    pub fn new(entry: Entry) -> Self {
        Self {
            header: Vec::with_capacity(HEADER_BYTES + entry.name.len()),
            header_done: false,
            packed_left: entry.packed_bytes,
            behind: 0,
            behind_seen: 0,
            inflate: (entry.packing == Packing::Deflated).then(|| Decompress::new(false)),
            hash: sha2::Sha256::new(),
            crc: crc32fast::Hasher::new(),
            unpacked: 0,
            buffer: Vec::new(),
            entry,
        }
    }

    /// Takes the next bytes and passes the unpacked ones to `sink`.
    ///
    /// # Errors
    /// A refusal that names the entry, if its local header or its bytes contradict the directory.
    pub fn push(&mut self, mut chunk: &[u8], mut sink: impl FnMut(&[u8])) -> Result<(), Refusal> {
        if !self.header_done {
            chunk = self.take_header(chunk)?;
        }
        let packed = usize::try_from(self.packed_left).unwrap_or(usize::MAX).min(chunk.len());
        let (packed, behind) = chunk.split_at(packed);
        self.packed_left -= packed.len() as u64;
        self.behind_seen += behind.len() as u64;
        match self.inflate {
            None => self.take_unpacked(packed, &mut sink),
            Some(_) => self.take_deflated(packed, &mut sink),
        }
    }

    /// Ends the entry.
    ///
    /// # Errors
    /// A refusal if bytes are missing, superfluous, or do not match the directory.
    pub fn finish(self) -> Result<EntryProof, Refusal> {
        if self.packed_left > 0 || !self.header_done || self.behind_seen != self.behind {
            return Err(self.refuse(Code::ZipDamaged, "it is cut off"));
        }
        if self.unpacked != self.entry.unpacked_bytes || self.crc.finalize() != self.entry.crc32 {
            let what = format!("{} does not match its checksum or length", self.entry.name);
            return Err(Refusal::new(Code::EntryCorrupt, what, FIX).at(&self.entry.name));
        }
        Ok(EntryProof { digest: Digest::from_bytes(self.hash.finalize().into()), bytes: self.unpacked })
    }

    /// The offset of the packed bytes, once the local header was read.
    pub fn data_start(&self) -> Option<u64> {
        self.header_done.then(|| self.entry.header_start + self.header.len() as u64)
    }

    /// Collects and checks the local header, and returns the bytes after it.
    fn take_header<'c>(&mut self, chunk: &'c [u8]) -> Result<&'c [u8], Refusal> {
        let wanted = self.header_bytes();
        let take = (wanted - self.header.len()).min(chunk.len());
        self.header.extend_from_slice(&chunk[..take]);
        let rest = &chunk[take..];
        if self.header.len() < wanted {
            return Ok(rest);
        }
        if wanted == HEADER_BYTES {
            // The name and the extra field follow; their lengths become known here.
            if self.header_bytes() > HEADER_BYTES {
                return self.take_header(rest);
            }
        }
        self.check_header()?;
        self.header_done = true;
        Ok(rest)
    }

    /// The known length of the local header.
    fn header_bytes(&self) -> usize {
        if self.header.len() < HEADER_BYTES {
            return HEADER_BYTES;
        }
        HEADER_BYTES + usize::from(self.u16_at(26)) + usize::from(self.u16_at(28))
    }

    fn u16_at(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.header[at], self.header[at + 1]])
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.header[at], self.header[at + 1], self.header[at + 2], self.header[at + 3]])
    }

    /// The local header must agree with the directory (APPNOTE.TXT 4.3.7), so that a reader that trusts the one and a
    /// reader that trusts the other see the same file.
    fn check_header(&mut self) -> Result<(), Refusal> {
        let refuse = |what: &str| Err(self.refuse(Code::HeaderMismatch, what));
        if !self.header.starts_with(b"PK\x03\x04") {
            return refuse("it does not begin with a local header");
        }
        let name_bytes = usize::from(self.u16_at(26));
        let name = &self.header[HEADER_BYTES..HEADER_BYTES + name_bytes];
        if name != self.entry.name.as_bytes() && name.strip_prefix(b"./") != Some(self.entry.name.as_bytes())
        {
            return refuse("its header gives another name");
        }
        let method = match self.entry.packing {
            Packing::Stored => 0,
            Packing::Deflated => 8,
        };
        let flags = self.u16_at(6);
        if self.u16_at(8) != method || flags & 1 != 0 {
            return refuse("its header gives another compression method");
        }
        // Bit 3: a data descriptor holds checksum and sizes, which may be zero here.
        let described_behind = flags & 8 != 0;
        let differs = |found: u32, expected: u64| {
            u64::from(found) != expected && found != u32::MAX && !(described_behind && found == 0)
        };
        if differs(self.u32_at(14), u64::from(self.entry.crc32))
            || differs(self.u32_at(18), self.entry.packed_bytes)
            || differs(self.u32_at(22), self.entry.unpacked_bytes)
        {
            return refuse("its header gives another checksum or length");
        }
        let used = self.header.len() as u64 + self.entry.packed_bytes;
        let behind = (self.entry.end - self.entry.header_start).checked_sub(used);
        match behind {
            Some(0) if !described_behind => self.behind = 0,
            // A data descriptor: checksum and sizes of 4 or 8 bytes, with or without a signature.
            Some(behind @ (12 | 16 | 20 | 24)) if described_behind => self.behind = behind,
            _ => return refuse("bytes after it belong to no entry"),
        }
        Ok(())
    }

    fn take_deflated(&mut self, mut packed: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<(), Refusal> {
        let mut inflate = self.inflate.take().expect("only called for deflated entries");
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(BUFFER_BYTES, 0);
        let result = loop {
            let (read_before, written_before) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(packed, &mut buffer, FlushDecompress::None);
            let read = usize::try_from(inflate.total_in() - read_before).unwrap_or(packed.len());
            let written = usize::try_from(inflate.total_out() - written_before).unwrap_or(0);
            packed = &packed[read..];
            let taken = self.take_unpacked(&buffer[..written], sink);
            match status {
                _ if taken.is_err() => break taken,
                Err(_) => {
                    break Err(self.refuse(Code::EntryCorrupt, "its packed bytes are not a deflate stream"));
                }
                Ok(Status::StreamEnd) if !packed.is_empty() => {
                    break Err(self.refuse(Code::EntryCorrupt, "packed bytes follow the end of its stream"));
                }
                Ok(Status::StreamEnd) => break Ok(()),
                // No progress: more input is needed from the next chunk.
                Ok(_) if read == 0 && written == 0 => break Ok(()),
                Ok(_) => {}
            }
        };
        self.inflate = Some(inflate);
        self.buffer = buffer;
        result
    }

    fn take_unpacked(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<(), Refusal> {
        self.unpacked += bytes.len() as u64;
        if self.unpacked > self.entry.unpacked_bytes {
            return Err(
                self.refuse(Code::EntryCorrupt, "it unpacks to more bytes than the directory declares")
            );
        }
        self.hash.update(bytes);
        self.crc.update(bytes);
        sink(bytes);
        Ok(())
    }

    fn refuse(&self, code: Code, what: &str) -> Refusal {
        Refusal::new(code, format!("{}: {what}", self.entry.name), FIX).at(&self.entry.name)
    }
}

const FIX: &str = "zip the package again and check that the upload was complete";
