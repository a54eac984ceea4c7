//! Refs: what an upload was built from: a branch, a tag or a pull request.

use std::fmt;

/// The kind of a ref: a segment of an upload's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefKind {
    /// `branch`
    Branch,
    /// `tag`
    Tag,
    /// `pr`: a pull request, by its number.
    Pr,
}

impl RefKind {
    /// Reads `branch`, `tag` or `pr`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "branch" => Some(Self::Branch),
            "tag" => Some(Self::Tag),
            "pr" => Some(Self::Pr),
            _ => None,
        }
    }

    /// The word that [`RefKind::parse`] reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Tag => "tag",
            Self::Pr => "pr",
        }
    }

    /// The name of a ref without what CI's variables add: the merge of a pull request is `refs/pull/42/merge` there.
    pub fn bare(self, name: &str) -> &str {
        match self {
            Self::Pr => name.strip_suffix("/merge").or_else(|| name.strip_suffix("/head")).unwrap_or(name),
            Self::Branch | Self::Tag => name,
        }
    }
}

/// A ref: `branch:feature/x`, `tag:v1.2.3`, `pr:42`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitRef {
    kind: RefKind,
    name: String,
}

/// Longest name of a ref in bytes; git hosts allow about this much.
pub const REF_NAME_BYTES_MAX: usize = 200;

impl GitRef {
    /// A ref of a kind. The name follows the rules of `git check-ref-format` that matter for safety: no control
    /// characters, no space, none of `~^:?*[\`, no empty, `.`-led or `..` segments. A pull request's name is its number.
    ///
    /// Returns `None` for a name that violates them.
    pub fn new(kind: RefKind, name: &str) -> Option<Self> {
        let segments_ok = name
            .split('/')
            .all(|s| !s.is_empty() && !s.starts_with('.') && !s.ends_with(".lock") && !s.contains(".."));
        let characters_ok =
            !name.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c));
        let number_ok = kind != RefKind::Pr || (name.len() <= 10 && name.bytes().all(|b| b.is_ascii_digit()));
        (name.len() <= REF_NAME_BYTES_MAX && segments_ok && characters_ok && number_ok)
            .then(|| Self { kind, name: name.to_owned() })
    }

    /// Reads `<kind>:<name>`, as [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        Self::new(RefKind::parse(kind)?, name)
    }

    /// Reads a ref as [`GitRef::parse`] does, or as a CI's variable has it: `refs/heads/main`, `refs/tags/v1.2`, `refs/pull/42/merge`.
    pub fn parse_lenient(text: &str) -> Option<Self> {
        let Some(full) = text.strip_prefix("refs/") else {
            let (kind, name) = text.split_once(':')?;
            let kind = RefKind::parse(kind)?;
            return Self::new(kind, kind.bare(name));
        };
        let (kind, name) = full.split_once('/')?;
        match kind {
            "heads" => Self::new(RefKind::Branch, name),
            "tags" => Self::new(RefKind::Tag, name),
            "pull" | "merge-requests" => Self::new(RefKind::Pr, name.split('/').next()?),
            _ => None,
        }
    }

    /// The full name, as a CI's variable has it: `refs/heads/main`, `refs/tags/v1.2`, `refs/pull/42/merge`.
    pub fn full_name(&self) -> String {
        match self.kind {
            RefKind::Branch => format!("refs/heads/{}", self.name),
            RefKind::Tag => format!("refs/tags/{}", self.name),
            RefKind::Pr => format!("refs/pull/{}/merge", self.name),
        }
    }

    /// Why [`GitRef::new`] refuses a name.
    pub fn rule(kind: RefKind) -> &'static str {
        match kind {
            RefKind::Pr => "a pull request is named by its number, such as pr/42",
            RefKind::Branch | RefKind::Tag => {
                "the name of a branch or tag has 200 bytes at most, no space and none of ~^:?*[\\, and no part that is empty, begins with a dot or ends with .lock"
            }
        }
    }

    /// Its kind.
    pub fn kind(&self) -> RefKind {
        self.kind
    }

    /// Its name without the kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name as part of a stage's name: lower case, each run of other characters replaced by one hyphen, at most 32
    /// characters. A name that is changed gets six digits of its hash, so that it stays unique. `feature/X` becomes
    /// `feature-x-1d0b5c`, `42` stays `42`.
    pub fn slug(&self) -> String {
        let mut slug = String::new();
        for c in self.name.chars() {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_lowercase() || c.is_ascii_digit() => slug.push(c),
                _ if slug.ends_with('-') || slug.is_empty() => {}
                _ => slug.push('-'),
            }
        }
        let slug = slug.trim_end_matches('-');
        if slug == self.name && slug.len() <= 32 {
            return slug.to_owned();
        }
        let hash = crate::Digest::of(self.name.as_bytes()).to_string();
        let cut = slug[..slug.len().min(25)].trim_end_matches('-');
        if cut.is_empty() { hash[..6].to_owned() } else { format!("{cut}-{}", &hash[..6]) }
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.name)
    }
}

impl fmt::Debug for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ref_is_read_as_ci_has_it() {
        let read = |text: &str| GitRef::parse_lenient(text).map(|git_ref| git_ref.to_string());
        assert_eq!(read("refs/heads/feature/x").as_deref(), Some("branch:feature/x"));
        assert_eq!(read("refs/tags/v1.2").as_deref(), Some("tag:v1.2"));
        assert_eq!(read("refs/pull/42/merge").as_deref(), Some("pr:42"));
        assert_eq!(read("pr:42/merge").as_deref(), Some("pr:42"));
        assert_eq!(read("branch:fix/merge").as_deref(), Some("branch:fix/merge"));
        assert_eq!(read("pr:42").as_deref(), Some("pr:42"));
        assert_eq!(read("refs/notes/x"), None);
        assert_eq!(read("refs/pull/x/merge"), None);
    }

    #[test]
    fn a_run_of_other_characters_is_one_hyphen_and_none_begins_a_slug() {
        let slug = |text: &str| GitRef::parse(text).unwrap().slug();
        assert!(slug("branch:a__b").starts_with("a-b-"), "{}", slug("branch:a__b"));
        assert!(slug("branch:_a").starts_with("a-"), "{}", slug("branch:_a"));
    }

    #[test]
    fn refs_follow_gits_rules() {
        for good in ["branch:main", "branch:feature/x", "tag:v1.2.3", "pr:42", "branch:ünï"] {
            assert_eq!(GitRef::parse(good).expect(good).to_string(), good);
        }
        for bad in [
            "main",
            "branch:",
            "branch:a//b",
            "branch:../x",
            "branch:a/..",
            "branch:.x",
            "branch:a b",
            "branch:a*",
            "pr:x",
            "pr:",
            "pr:12345678901",
            "commit:abc",
            "branch:a\u{0}b",
        ] {
            assert!(GitRef::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_slug_keeps_what_it_can_and_stays_unique() {
        let slug = |text| GitRef::parse(text).unwrap().slug();
        assert_eq!(slug("pr:42"), "42");
        assert_eq!(slug("branch:main"), "main");
        assert!(slug("branch:feature/X").starts_with("feature-x-"));
        assert_ne!(slug("branch:feature/x"), slug("branch:feature-x"));
        assert_ne!(slug("branch:A"), slug("branch:a"));
    }

    proptest! {
        #[test]
        fn every_slug_can_stand_in_a_stage_name(name in "\\PC{1,220}") {
            if let Some(git_ref) = GitRef::new(RefKind::Branch, &name) {
                let stage = format!("b-{}", git_ref.slug());
                prop_assert!(crate::StageName::parse(&stage).is_ok(), "{stage}");
            }
        }
    }
}
