//! Keeps the house in order: dependency directions, file lengths, documented codes, what may stand at the
//! top. See the tests.

pub mod imports;
