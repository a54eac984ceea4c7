//! Reads untrusted zip files: the directory from the file's last bytes, the entries as streams.

mod directory;
mod entry;
mod names;
mod unzipped;

pub(crate) use directory::over;
pub use directory::{Directory, DirectoryStep, Entry, Packing, read_directory};
pub use entry::{EntryProof, EntryReader};
pub use unzipped::{TAIL_BYTES, Unzipped};
