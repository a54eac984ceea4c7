//! Checks the names of entries.

/// Why a name is refused, or `None` if it is accepted: relative, with plain segments, and valid on the file systems
/// of Linux, macOS and Windows.
pub fn unsafe_because(name: &str) -> Option<&'static str> {
    let path = name.strip_suffix('/').unwrap_or(name);
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        return Some("it is absolute");
    }
    if path.contains('\\') {
        return Some("it contains a backslash");
    }
    if path.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    path.split('/').find_map(|segment| match segment {
        "" => Some("it has an empty segment"),
        "." | ".." => Some("it leads out of its folder"),
        reserved if is_reserved(reserved) => Some("Windows reserves it"),
        _ => None,
    })
}

/// Device names of Windows, with or without an extension ("Naming Files, Paths, and Namespaces").
fn is_reserved(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or(segment).trim_end().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit() && n != "0")
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p02_names_that_lead_out_or_cannot_be_stored_are_refused() {
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/..",
            "./a",
            "a//b",
            "C:/x",
            "c:x",
            "a\\b",
            "a\u{0}b",
            "a\nb",
            "con",
            "NUL.txt",
            "a/com1.zip",
            "LPT9",
        ] {
            assert!(unsafe_because(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_names_are_fine() {
        for good in
            ["a", "a/b.zip", "a/", ".serverless/x", "..a", "a..b", "console", "com10", "com0", "ü/ñ", "a b"]
        {
            assert!(unsafe_because(good).is_none(), "{good:?}");
        }
    }
}
