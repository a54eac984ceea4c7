//! Excerpts of the output of other programs, safe to store and show.

/// The first bytes as one line of text, control characters replaced.
pub(crate) fn excerpt(bytes: &[u8], bytes_max: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(bytes_max)]);
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // A character that was cut in the middle becomes longer when it is replaced.
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn an_excerpt_is_one_short_line_of_text() {
        assert_eq!(excerpt(b"one\r\ntwo\x1b[31m\0", 300), "one  two [31m ");
        assert_eq!(excerpt("aü".as_bytes(), 2), "a");
        assert_eq!(excerpt(&[0xff; 300], 300).len(), 300);
        assert_eq!(excerpt(b"", 300), "");
    }
}
