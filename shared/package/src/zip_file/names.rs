//! Checks the names of entries.

/// Why a name is refused, or `None` if it is accepted: relative, with plain segments, as Lambda's file system has them.
pub fn unsafe_because(name: &str) -> Option<&'static str> {
    let path = name.strip_suffix('/').unwrap_or(name);
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        return Some("it is absolute");
    }
    if path.contains('\\') {
        return Some(
            "it contains a backslash: PowerShell's Compress-Archive writes one between folders, or a file has one in its name",
        );
    }
    if path.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    path.split('/').find_map(|segment| match segment {
        "" => Some("it has an empty segment"),
        "." | ".." => Some("it leads out of its folder"),
        _ => None,
    })
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
        ] {
            assert!(unsafe_because(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_names_are_fine() {
        for good in [
            "a",
            "a/b.zip",
            "a/",
            ".serverless/x",
            "..a",
            "a..b",
            "node_modules/x/con.js",
            "aux",
            "NUL.txt",
            "ü/ñ",
            "a b",
        ] {
            assert!(unsafe_because(good).is_none(), "{good:?}");
        }
    }
}
