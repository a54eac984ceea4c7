//! Checks the rules of this repository: dependency directions, file lengths, documented codes, top-level files. See the
//! tests.

pub mod imports;
pub mod texts;
