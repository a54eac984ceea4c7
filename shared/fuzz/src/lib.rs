//! Hostile bytes: what `scripts/fuzz` feeds to the readers of uploads, signatures and cursors, and what has to be true of the answers.
//!
//! Each module's `run` takes any bytes and panics when a promise is broken: hostile input ends in a refusal that
//! says what is wrong, where, and how to fix it. `tests/corpus.rs` runs all of them over the inputs that are
//! checked in, without a fuzzer.

pub mod cursor;
pub mod files;
pub mod manifest;
pub mod mutate;
pub mod signature;
pub mod template;
pub mod upload_key;
pub mod zip_directory;

use flotilla_domain::code::TEXT_BYTES_MAX;
use flotilla_domain::{Code, Refusal};

/// Checks that a refusal can be understood and kept.
pub fn check(refusal: &Refusal) {
    let Refusal { code, message, fix, path } = refusal;
    assert!(!message.is_empty() && !fix.is_empty(), "{refusal:?} does not say enough");
    assert!(message.len() <= TEXT_BYTES_MAX && fix.len() <= TEXT_BYTES_MAX, "{refusal:?} is too long");
    assert!(path.as_ref().is_none_or(|path| path.len() <= TEXT_BYTES_MAX), "{refusal:?} is too long");
    // What is wrong with the upload as a whole has no place in it.
    let is_of_all =
        matches!(code, Code::NotAZip | Code::ZipDamaged | Code::EntriesInconsistent | Code::FormatUnknown)
            || matches!(code, Code::LimitExceeded | Code::StacksCircular);
    assert!(path.is_some() || is_of_all, "{refusal:?} does not say where");
}
