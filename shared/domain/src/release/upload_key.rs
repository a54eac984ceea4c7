//! The key of an upload, which alone determines the service and the ref.
//!
//! IAM and the bucket policy restrict which keys a CI role may write. The contents of the upload cannot change the
//! service or the ref, so a pull request's upload cannot reach production.

use crate::code::{Code, Refusal};
use crate::git_ref::{GitRef, RefKind};
use crate::names::ServiceName;

/// The prefix of every upload's key.
pub const INCOMING: &str = "incoming/";

/// Longest key S3 allows, in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;

/// The last segment of the key of a close marker.
pub const CLOSED: &str = "closed";

/// What the key of a Sigstore bundle adds to that of its package.
const BUNDLE_SUFFIX: &str = ".sigstore.json";

/// The key of the Sigstore bundle beside a package.
pub fn bundle_key(package: &str) -> String {
    format!("{package}{BUNDLE_SUFFIX}")
}

/// What is uploaded below `incoming/`: a package, or a marker. The bundle beside a package has no meaning of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncomingKey {
    /// A package.
    Package(UploadKey),
    /// A close marker, `incoming/<service>/<branch|tag|pr>/<ref…>/closed`: the branch or pull request is gone.
    Closed(RefOfService),
}

/// A ref of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefOfService {
    /// The service.
    pub service: ServiceName,
    /// The ref.
    pub git_ref: GitRef,
}

impl IncomingKey {
    /// Reads a key that has been decoded (S3 events carry keys URL-encoded).
    ///
    /// # Errors
    /// [`Code::KeyMalformed`] with the part that is wrong.
    pub fn parse(key: &str) -> Result<Self, Refusal> {
        if !Self::is_marker(key) {
            return UploadKey::parse(key).map(Self::Package);
        }
        let (git_ref, _) = key.rsplit_once('/').unwrap_or_default();
        let UploadKey { service, git_ref, .. } =
            UploadKey::parse(&format!("{git_ref}/{CLOSED}.zip")).map_err(|refusal| refusal.at(shown(key)))?;
        Ok(Self::Closed(RefOfService { service, git_ref }))
    }

    /// Whether a key, of whatever form, is that of a close marker.
    pub fn is_marker(key: &str) -> bool {
        key.rsplit_once('/').is_some_and(|(_, last)| last == CLOSED)
    }

    /// Whether a key, of whatever form, is a [`bundle_key`].
    pub fn is_bundle(key: &str) -> bool {
        key.strip_suffix(BUNDLE_SUFFIX).is_some_and(|package| package.ends_with(".zip"))
    }

    /// The ref.
    pub fn git_ref(&self) -> &GitRef {
        match self {
            Self::Package(key) => &key.git_ref,
            Self::Closed(closed) => &closed.git_ref,
        }
    }
}

impl RefOfService {
    /// The key of the marker that closes the ref.
    pub fn to_key(&self) -> String {
        format!(
            "{INCOMING}{}/{}/{}/{CLOSED}",
            self.service,
            self.git_ref.kind().as_str(),
            self.git_ref.name()
        )
    }
}

/// The parts of a package's key: `incoming/<service>/<branch|tag|pr>/<ref…>/<build>.zip`. The ref may contain
/// slashes; the last segment is the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadKey {
    /// The service the upload is for.
    pub service: ServiceName,
    /// The ref that it was built from.
    pub git_ref: GitRef,
    /// CI's name of the build, such as a commit or a run number.
    pub build: String,
}

const FORM: &str = "upload to incoming/<service>/<branch|tag|pr>/<ref>/<build>.zip, for example incoming/orders/branch/main/4f2a9c1.zip";

impl UploadKey {
    /// Reads a key that has been decoded (S3 events carry keys URL-encoded).
    ///
    /// # Errors
    /// [`Code::KeyMalformed`] with the part that is wrong.
    pub fn parse(key: &str) -> Result<Self, Refusal> {
        let refuse = |what: String| Refusal::new(Code::KeyMalformed, what, FORM).at(shown(key));
        if key.len() > KEY_BYTES_MAX {
            return Err(refuse(format!("the key has {} bytes; S3 allows {KEY_BYTES_MAX}", key.len())));
        }
        let path = key
            .strip_prefix(INCOMING)
            .ok_or_else(|| refuse("the key does not begin with incoming/".into()))?;
        let mut parts = path.splitn(3, '/');
        let (service, kind, rest) = match (parts.next(), parts.next(), parts.next()) {
            (Some(service), Some(kind), Some(rest)) => (service, kind, rest),
            _ => return Err(refuse("the key has too few parts".into())),
        };
        let (name, file) = rest.rsplit_once('/').ok_or_else(|| refuse("the key has no build".into()))?;
        let build =
            file.strip_suffix(".zip").ok_or_else(|| refuse("the key does not end with .zip".into()))?;
        let build_ok = (1..=100).contains(&build.len())
            && build.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
            && !build.starts_with('.');
        if !build_ok {
            return Err(refuse("a build is 1 to 100 letters, digits, dots, plus signs, hyphens and underscores, not beginning with a dot".into()));
        }
        let kind =
            RefKind::parse(kind).ok_or_else(|| refuse("the ref's kind is not branch, tag or pr".into()))?;
        let name = kind.bare(name);
        Ok(Self {
            service: ServiceName::parse(service).map_err(|e| refuse(e.to_string()))?,
            git_ref: GitRef::new(kind, name).ok_or_else(|| refuse(GitRef::rule(kind).into()))?,
            build: build.to_owned(),
        })
    }

    /// The service that a key names, even if the rest of the key is wrong.
    pub fn service_of(key: &str) -> Option<ServiceName> {
        let (service, _) = key.strip_prefix(INCOMING)?.split_once('/')?;
        ServiceName::parse(service).ok()
    }

    /// The key of these parts.
    pub fn to_key(&self) -> String {
        format!(
            "{INCOMING}{}/{}/{}/{}.zip",
            self.service,
            self.git_ref.kind().as_str(),
            self.git_ref.name(),
            self.build
        )
    }
}

/// A key with its control characters escaped, for display.
fn shown(key: &str) -> String {
    key.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ref_may_contain_slashes_and_the_last_segment_is_the_build() {
        let key = UploadKey::parse("incoming/orders/branch/feature/a/b/4f2a9c1.zip").unwrap();
        assert_eq!(key.service.as_str(), "orders");
        assert_eq!(key.git_ref.to_string(), "branch:feature/a/b");
        assert_eq!(key.build, "4f2a9c1");
    }

    #[test]
    fn a_pull_request_is_named_by_its_number_and_a_wrong_key_still_names_its_service() {
        for key in [
            "incoming/orders/pr/12/1.zip",
            "incoming/orders/pr/12/merge/1.zip",
            "incoming/orders/pr/12/head/1.zip",
        ] {
            assert_eq!(UploadKey::parse(key).unwrap().git_ref.to_string(), "pr:12", "{key}");
        }
        for (key, rule) in [
            ("incoming/orders/pr/PR-12/1.zip", "number"),
            ("incoming/orders/branch/a b/1.zip", "no space"),
            (&format!("incoming/orders/branch/{}/1.zip", "x".repeat(201)), "200 bytes"),
        ] {
            let refused = UploadKey::parse(key).unwrap_err();
            assert!(refused.message.contains(rule), "{key}: {refused}");
            assert_eq!(UploadKey::service_of(key).unwrap().as_str(), "orders");
        }
        assert_eq!(UploadKey::service_of("incoming/Orders!/pr/1/1.zip"), None);
        assert_eq!(UploadKey::service_of("elsewhere/orders/1.zip"), None);
    }

    #[test]
    fn s04_keys_of_a_wrong_form_are_refused_with_the_right_form() {
        for bad in [
            "",
            "incoming/",
            "orders/branch/main/1.zip",
            "incoming/orders/branch/1.zip",
            "incoming/orders/branch/main/1",
            "incoming/orders/branch/main/.zip",
            "incoming/Orders/branch/main/1.zip",
            "incoming/orders/commit/main/1.zip",
            "incoming/orders/branch/../../x/1.zip",
            "incoming/orders/pr/x/1.zip",
            "incoming//branch/main/1.zip",
            "incoming/orders/branch/main/a b.zip",
            "incoming/orders/branch/main%2Fx/..zip",
            "incoming/orders/branch//1.zip",
        ] {
            let refusal = UploadKey::parse(bad).expect_err(bad);
            assert_eq!(refusal.code, Code::KeyMalformed, "{bad}");
            assert!(refusal.fix.contains("incoming/<service>"), "{bad}");
        }
    }

    #[test]
    fn a_marker_closes_a_ref() {
        for (key, git_ref) in [
            ("incoming/orders/pr/42/closed", "pr:42"),
            ("incoming/orders/pr/42/merge/closed", "pr:42"),
            ("incoming/orders/branch/feature/a/closed", "branch:feature/a"),
            ("incoming/orders/branch/closed/closed", "branch:closed"),
        ] {
            let IncomingKey::Closed(closed) = IncomingKey::parse(key).unwrap() else { panic!("{key}") };
            assert_eq!((closed.service.as_str(), closed.git_ref.to_string().as_str()), ("orders", git_ref));
            assert_eq!(IncomingKey::parse(&closed.to_key()), Ok(IncomingKey::Closed(closed)));
        }
        let package = IncomingKey::parse("incoming/orders/branch/closed/1.zip").unwrap();
        assert!(matches!(&package, IncomingKey::Package(key) if key.build == "1"));
        assert_eq!(package.git_ref().to_string(), "branch:closed");
        for bad in
            ["closed", "incoming/orders/closed", "incoming/orders/pr/closed", "incoming/orders/pr/x/closed"]
        {
            let refusal = IncomingKey::parse(bad).expect_err(bad);
            assert_eq!((refusal.code, refusal.path.as_deref()), (Code::KeyMalformed, Some(bad)));
        }
    }

    proptest! {
        #[test]
        fn no_key_panics_and_an_accepted_one_reads_back(key in "(incoming/)?[a-z/.%+ ü\\PC]{0,60}(/[a-z0-9]{1,5}\\.zip|/closed)?") {
            if let Ok(parsed) = UploadKey::parse(&key) {
                prop_assert_eq!(UploadKey::parse(&parsed.to_key()), Ok(parsed));
            }
            match IncomingKey::parse(&key) {
                Ok(IncomingKey::Closed(closed)) => {
                    prop_assert!(IncomingKey::is_marker(&key));
                    prop_assert_eq!(IncomingKey::parse(&closed.to_key()), Ok(IncomingKey::Closed(closed)));
                }
                parsed => prop_assert_eq!(parsed.is_ok(), UploadKey::parse(&key).is_ok()),
            }
        }
    }

    #[test]
    fn a_key_that_is_refused_is_shown_without_control_characters() {
        let refused = UploadKey::parse("incoming/orders/branch/ma\x1b[2Jin/1.zip").unwrap_err();
        assert_eq!(refused.path.as_deref(), Some("incoming/orders/branch/ma\\u{1b}[2Jin/1.zip"));
        let long = |bytes: usize| "k".repeat(bytes);
        assert!(UploadKey::parse(&long(KEY_BYTES_MAX + 1)).unwrap_err().message.contains("1025 bytes"));
        assert!(UploadKey::parse(&long(KEY_BYTES_MAX)).unwrap_err().message.contains("incoming/"));
    }

    #[test]
    fn a_bundle_is_named_after_its_package() {
        assert_eq!(bundle_key("incoming/o/branch/main/1.zip"), "incoming/o/branch/main/1.zip.sigstore.json");
        assert!(IncomingKey::is_bundle(&bundle_key("incoming/orders/branch/main/1.zip")));
        for other in ["incoming/orders/branch/main/1.zip", "1.sigstore.json", ".sigstore.json", "1.json"] {
            assert!(!IncomingKey::is_bundle(other), "{other}");
        }
    }

    #[test]
    fn a_key_is_written_as_it_was_read() {
        let key = "incoming/orders/branch/feature/a/b/4f2a9c1.zip";
        assert_eq!(UploadKey::parse(key).unwrap().to_key(), key);
    }
}
