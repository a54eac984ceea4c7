//! Zip files, read without trust: the directory from the file's last bytes, entries as their bytes pass.

mod directory;
mod entry;
mod names;

pub(crate) use directory::over;
pub use directory::{Directory, DirectoryStep, Entry, Packing, read_directory};
pub use entry::{EntryProof, EntryReader};
