//! Provenance: who signed a release, and whose signature a profile requires.
//!
//! Identities are compared exactly, never by pattern. A profile that many services share writes `{service}` and `{ref}` where
//! the identity contains them.

use super::Release;
use crate::code::{Code, Refusal};
use crate::digest::Digest;
use crate::git_ref::GitRef;
use crate::names::ProfileName;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A level of the build track of SLSA v1.0.
pub type BuildLevel = u8;

/// The highest [`BuildLevel`].
pub const BUILD_LEVEL_MAX: BuildLevel = 3;

/// What a verified signature says of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The issuer of the identity token that the signer had, such as `https://token.actions.githubusercontent.com`.
    pub issuer: String,
    /// The signer: the URI of a workflow with its ref, or an email address.
    pub subject: String,
    /// The repository that was built, as a URL.
    pub repository: Option<String>,
    /// The full name of the ref that was built, such as `refs/heads/main`.
    pub git_ref: Option<String>,
    /// The commit that was built.
    pub commit: Option<String>,
    /// The builder that the SLSA provenance names.
    pub builder: Option<String>,
    /// The SLSA build level that the signer's identity proves; 0 if what was signed is not SLSA provenance.
    pub level: BuildLevel,
    /// Who wrote what was built, as the signer says: the signer, if it is a person, and the authors in the provenance.
    pub authors: BTreeSet<String>,
    /// The digest that was signed: of the package, or of the uploaded zip.
    pub signed: Digest,
    /// When it was signed, by a timestamp authority or a transparency log.
    pub signed_at: Timestamp,
}

impl Provenance {
    /// Most authors that are kept.
    pub const AUTHORS_MAX: usize = 20;
    /// Longest name of an author, in bytes.
    pub const AUTHOR_BYTES_MAX: usize = 254;
    /// Longest other text, in bytes.
    pub const TEXT_BYTES_MAX: usize = 1_024;
}

/// Whose signature a profile requires. Texts may contain `{service}` and `{ref}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenancePolicy {
    /// The issuer of the signer's identity token.
    pub issuer: String,
    /// The signer.
    pub subject: String,
    /// The repository that was built. If `None`, the signer's own: a workflow signs for every repository that may call it.
    pub repository: Option<String>,
    /// The builder; any if `None`.
    pub builder: Option<String>,
    /// The lowest SLSA build level.
    pub level: BuildLevel,
}

impl ProvenancePolicy {
    /// Whether a release was signed as the profile requires.
    ///
    /// # Errors
    /// [`Code::ProvenanceMissing`], [`Code::ProvenanceRefused`].
    pub fn check(&self, profile: &ProfileName, release: &Release) -> Result<(), Refusal> {
        let Some(found) = &release.provenance else {
            let what = format!("the release is not signed, and the profile {profile} requires a signature");
            let fix = "upload the Sigstore bundle beside the package, before it: flotilla push --bundle FILE, or <build>.zip.sigstore.json";
            return Err(Refusal::new(Code::ProvenanceMissing, what, fix));
        };
        let git_ref = release.git_ref.full_name();
        let named = |text: &String| {
            text.replace("{service}", release.service.as_str()).replace("{ref}", git_ref.as_str())
        };
        let refuse = |what: String| {
            let fix = "sign with the workflow that the profile names, or correct provenance in the profile";
            Err(Refusal::new(Code::ProvenanceRefused, what, fix).at("provenance"))
        };
        let (issuer, subject) = (named(&self.issuer), named(&self.subject));
        if found.issuer != issuer {
            return refuse(format!(
                "the signer's identity was issued by {}, and the profile {profile} requires {issuer}",
                found.issuer
            ));
        }
        if found.subject != subject {
            return refuse(format!(
                "the release was signed by {}, and the profile {profile} requires {subject}",
                found.subject
            ));
        }
        let repository = self.repository.as_ref().map(named);
        let is_own = |built: &String| found.subject.starts_with(&format!("{built}/"));
        match (&repository, &found.repository) {
            (Some(wanted), Some(built)) if wanted != built => {
                return refuse(format!(
                    "the signer built {built}, and the profile {profile} requires {wanted}"
                ));
            }
            (Some(wanted), None) => {
                return refuse(format!(
                    "the signature names no repository, and the profile {profile} requires {wanted}"
                ));
            }
            (None, Some(built)) if !is_own(built) => {
                return refuse(format!(
                    "the signer built {built}, which is not its own repository, and the profile {profile} names none"
                ));
            }
            _ => {}
        }
        let is_other = |built: &&String| GitRef::parse_lenient(built).as_ref() != Some(&release.git_ref);
        if let Some(built) = found.git_ref.as_ref().filter(is_other) {
            return refuse(format!("the signer built {built}, and the upload is for {}", release.git_ref));
        }
        let builder = self.builder.as_ref().map(named);
        if builder.is_some() && builder != found.builder {
            return refuse(format!(
                "the builder is {}, and the profile {profile} requires {}",
                found.builder.as_deref().unwrap_or("not named"),
                builder.unwrap_or_default()
            ));
        }
        if found.level < self.level {
            return refuse(format!(
                "the signature proves SLSA build level {}, and the profile {profile} requires {}",
                found.level, self.level
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ServiceName;
    use crate::release::ObjectVersion;
    use crate::release::package::{Package, PackageFormat};
    use std::collections::BTreeMap;

    const WORKFLOW: &str = "https://github.com/acme/orders/.github/workflows/release.yml@refs/heads/main";

    fn signed() -> Release {
        let provenance = Provenance {
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: WORKFLOW.into(),
            repository: Some("https://github.com/acme/orders".into()),
            git_ref: Some("refs/heads/main".into()),
            commit: None,
            builder: Some(WORKFLOW.into()),
            level: 2,
            authors: BTreeSet::new(),
            signed: Digest::of(b"package"),
            signed_at: Timestamp::UNIX_EPOCH,
        };
        let object = ObjectVersion {
            key: "incoming/orders/branch/main/1.zip".into(),
            version_id: "v1".into(),
            uploaded_at: Timestamp::UNIX_EPOCH,
        };
        let package = Package {
            digest: Digest::of(b"package"),
            format: PackageFormat::Cloudformation,
            stacks: Vec::new(),
            assets: BTreeMap::new(),
            made_for: None,
            rewrites: Vec::new(),
            warnings: Vec::new(),
        };
        Release {
            id: object.release_id(),
            service: ServiceName::parse("orders").unwrap(),
            git_ref: GitRef::parse("branch:main").unwrap(),
            build: "1".into(),
            object,
            package,
            provenance: Some(provenance),
        }
    }

    fn policy() -> ProvenancePolicy {
        ProvenancePolicy {
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: "https://github.com/acme/{service}/.github/workflows/release.yml@{ref}".into(),
            repository: None,
            builder: None,
            level: 2,
        }
    }

    fn code(policy: &ProvenancePolicy, release: &Release) -> Option<Code> {
        policy.check(&ProfileName::parse("production").unwrap(), release).err().map(|refusal| refusal.code)
    }

    #[test]
    fn the_signer_that_the_profile_names_is_accepted() {
        assert_eq!(code(&policy(), &signed()), None);
        let builder = Some("https://github.com/acme/{service}/.github/workflows/release.yml@{ref}".into());
        assert_eq!(code(&ProvenancePolicy { builder, ..policy() }, &signed()), None);
    }

    #[test]
    fn a_release_without_a_signature_is_refused() {
        let unsigned = Release { provenance: None, ..signed() };
        assert_eq!(code(&policy(), &unsigned), Some(Code::ProvenanceMissing));
    }

    #[test]
    fn another_signer_issuer_ref_builder_or_level_is_refused() {
        let with = |change: fn(&mut Provenance)| {
            let mut release = signed();
            release.provenance.as_mut().map(change);
            release
        };
        for (n, release) in [
            with(|p| p.issuer = "https://gitlab.com".into()),
            with(|p| p.subject.push('x')),
            with(|p| p.subject = p.subject.replace("acme", "evil")),
            with(|p| p.git_ref = Some("refs/heads/feature".into())),
            with(|p| p.level = 1),
        ]
        .iter()
        .enumerate()
        {
            assert_eq!(code(&policy(), release), Some(Code::ProvenanceRefused), "{n}");
        }
        let builder = Some("https://github.com/acme/builder".to_owned());
        let strict = ProvenancePolicy { builder, ..policy() };
        assert_eq!(code(&strict, &signed()), Some(Code::ProvenanceRefused));
        assert_eq!(code(&strict, &with(|p| p.builder = None)), Some(Code::ProvenanceRefused));
    }

    #[test]
    fn a_workflow_that_others_may_call_signs_for_the_repository_that_the_profile_names() {
        let shared = "https://github.com/acme/workflows/.github/workflows/sign.yml@v1";
        let mut release = signed();
        release.provenance.as_mut().unwrap().subject = shared.into();
        let of = |repository: Option<&str>| ProvenancePolicy {
            subject: shared.into(),
            repository: repository.map(str::to_owned),
            ..policy()
        };
        assert_eq!(code(&of(None), &release), Some(Code::ProvenanceRefused));
        assert_eq!(code(&of(Some("https://github.com/acme/{service}")), &release), None);
        assert_eq!(
            code(&of(Some("https://github.com/evil/{service}")), &release),
            Some(Code::ProvenanceRefused)
        );
        release.provenance.as_mut().unwrap().repository = None;
        assert_eq!(
            code(&of(Some("https://github.com/acme/{service}")), &release),
            Some(Code::ProvenanceRefused)
        );
        // A repository whose name begins like that of the signer is another one.
        let mut release = signed();
        release.provenance.as_mut().unwrap().repository = Some("https://github.com/acme/ord".into());
        assert_eq!(code(&policy(), &release), Some(Code::ProvenanceRefused));
    }

    #[test]
    fn a_placeholder_is_the_name_and_not_a_pattern() {
        let literal = ProvenancePolicy { subject: WORKFLOW.replace("main", "*"), ..policy() };
        assert_eq!(code(&literal, &signed()), Some(Code::ProvenanceRefused));
    }
}
