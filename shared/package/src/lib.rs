//! Parses untrusted bytes into a [`Package`](flotilla_domain::release::package::Package).
//!
//! This crate does no input or output: the caller fetches the requested ranges and passes them in. An upload is
//! never unpacked to disk, and is held in memory as a whole only if it is small.
//!
//! Steps for an upload: [`zip_file::read_directory`] parses its last bytes → [`zip_file::EntryReader`] unpacks the
//! small files → [`formats::recognise`] finds the format and creates a [`formats::Draft`]: neutral templates that
//! still name files and folders → the caller hashes those, again through an `EntryReader`, each folder as the zip
//! that [`folder_zip`] writes → [`formats::Draft::finish`].
//!
//! [`limits::Limits`] bounds every step. Every refusal has a code, a place and a fix.

pub mod folder_zip;
pub mod formats;
pub mod image;
pub mod json;
pub mod limits;
pub mod listing;
pub mod template;
mod text;
pub mod write;
pub mod yaml;
pub mod zip_file;

pub use limits::Limits;
