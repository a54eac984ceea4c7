//! Untrusted bytes to a [`Package`](flotilla_domain::release::package::Package).
//!
//! Nothing here does input or output: the caller fetches the ranges that are asked for and hands them
//! in. An upload is never unpacked to disk, and never held whole in memory unless it is small.
//!
//! The way of an upload: [`zip_file::read_directory`] over its last bytes → [`zip_file::EntryReader`]
//! for the small files → [`formats::recognise`] makes a [`formats::Draft`], neutral templates that
//! still name files and folders → the caller hashes those, again through an `EntryReader`, folders as the
//! zip that [`folder_zip`] makes of them → [`formats::Draft::finish`].
//!
//! [`limits::Limits`] bounds all of it; every refusal has a code, a place and a fix.

pub mod folder_zip;
pub mod formats;
pub mod json;
pub mod limits;
pub mod listing;
pub mod template;
pub mod write;
pub mod yaml;
pub mod zip_file;

pub use limits::Limits;
