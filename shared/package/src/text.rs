//! What the readers of JSON and of YAML have in common.

/// What an error says of a key that occurs twice in one object.
pub const OCCURS_TWICE: &str = " occurs twice (aws and sam take the last one)";

/// Whether a text is UTF-16, by its mark or because its first character, which is ASCII, has a byte that is zero.
pub fn is_utf16(bytes: &[u8]) -> bool {
    let has_mark = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    has_mark || bytes.get(..2).is_some_and(|first| (first[0] == 0) != (first[1] == 0))
}
