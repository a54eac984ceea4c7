//! Trusted roots: whose certificates, transparency logs and timestamps are trusted.

use crate::bundle::Bundle;
use crate::level::build_level;
use crate::{cryptography, statement::Slsa};
use flotilla_domain::release::provenance::Provenance;
use flotilla_domain::{Code, Digest, Refusal};
use sigstore_crypto::SubjectAltName;
use sigstore_trust_root::{SIGSTORE_GITHUB_TRUSTED_ROOT, SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_types::Sha256Hash;
use sigstore_verify::{VerificationPolicy, VerificationResult, Verifier};

/// Trusted roots, each with what it lets verify.
pub struct Roots(Vec<(Verifier, VerificationPolicy)>);

impl Roots {
    /// Largest document of trusted roots, in bytes.
    pub const BYTES_MAX: u64 = 256 * 1024;

    /// The public instance of Sigstore, and GitHub's instance for private repositories, as they were when Flotilla was built.
    ///
    /// # Errors
    /// [`Code::SignatureInvalid`], if they cannot be read.
    pub fn built_in() -> Result<Self, Refusal> {
        Self::read(&[SIGSTORE_PRODUCTION_TRUSTED_ROOT, SIGSTORE_GITHUB_TRUSTED_ROOT])
    }

    /// Reads trusted roots: one JSON document, or one a line, as `gh attestation trusted-root` writes them.
    ///
    /// # Errors
    /// [`Code::SignatureInvalid`] if it is none.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() as u64 > Self::BYTES_MAX {
            let what = format!("the trusted root has over {} bytes", Self::BYTES_MAX);
            return Err(Refusal::new(Code::SignatureInvalid, what, "store only the roots that are needed"));
        }
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let is_document = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        if lines.iter().all(|line| is_document(line)) { Self::read(&lines) } else { Self::read(&[text]) }
    }

    fn read(documents: &[&str]) -> Result<Self, Refusal> {
        cryptography::install();
        let refuse = |what: String| {
            let fix = "store the trusted_root.json of your Sigstore instance, or delete the object to trust the built-in roots";
            Refusal::new(Code::SignatureInvalid, format!("the trusted root cannot be read: {what}"), fix)
        };
        let roots = documents.iter().map(|document| {
            let root = TrustedRoot::from_json(document).map_err(|e| refuse(e.to_string()))?;
            // An instance without logs, as GitHub's for private repositories, proves the time by its timestamp authority.
            let mut policy = VerificationPolicy::any_identity();
            if root.tlogs.is_empty() {
                policy = policy.skip_tlog_unsafe();
            }
            if root.ctlogs.is_empty() {
                policy = policy.skip_sct();
            }
            let verifier = Verifier::new(&root).map_err(|e| refuse(e.to_string()))?;
            Ok((verifier, policy))
        });
        let roots = roots.collect::<Result<Vec<_>, Refusal>>()?;
        if roots.is_empty() {
            return Err(refuse("it is empty".into()));
        }
        Ok(Self(roots))
    }

    /// Verifies that a bundle was signed for this digest, and reads what it says.
    ///
    /// # Errors
    /// [`Code::SignatureInvalid`].
    pub fn verify(&self, bundle: &Bundle, digest: &Digest) -> Result<Provenance, Refusal> {
        let refuse = |what: String| {
            let fix = "sign this very package, with an instance of Sigstore that the installation trusts";
            Refusal::new(Code::SignatureInvalid, what, fix)
        };
        if !bundle.names(digest) {
            return Err(refuse("the signature is for other bytes than those of the upload".into()));
        }
        let mut reasons = Vec::new();
        for (verifier, policy) in &self.0 {
            let artifact = Sha256Hash::new(*digest.as_bytes());
            match verifier.verify(artifact, &bundle.content, policy) {
                Ok(verified) => {
                    return provenance(&verified, bundle.statement.slsa.as_ref(), digest).map_err(refuse);
                }
                Err(error) => reasons.push(error.to_string()),
            }
        }
        reasons.dedup();
        Err(refuse(format!("the signature does not verify: {}", reasons.join("; or "))))
    }
}

fn provenance(
    verified: &VerificationResult,
    slsa: Option<&Slsa>,
    digest: &Digest,
) -> Result<Provenance, String> {
    // Each is certain by the policies above; a policy that skips one must not pass unnoticed.
    if !verified.certificate_verified() {
        return Err("the signer's certificate was not verified".into());
    }
    let time =
        verified.verified_timestamps().iter().min().ok_or("the time of the signature is not proven")?;
    let issuer = verified.issuer().ok_or("the certificate names no issuer of the signer's identity")?;
    let subject = verified.identity().ok_or("the certificate names no signer")?;
    let claims = verified.certificate().map(|certificate| certificate.ci_claims.clone()).unwrap_or_default();
    let repository = claims.source_repository_uri.as_deref();
    let mut authors = slsa.map(|slsa| slsa.authors(repository)).unwrap_or_default();
    if let SubjectAltName::Email(person) = subject {
        authors.insert(person.clone());
    }
    let found = Provenance {
        issuer: issuer.to_owned(),
        subject: subject.as_str().to_owned(),
        level: if slsa.is_some() { build_level(issuer, &claims) } else { 0 },
        repository: claims.source_repository_uri,
        git_ref: claims.source_repository_ref,
        commit: claims.source_repository_digest,
        builder: slsa.and_then(|slsa| slsa.builder.clone()),
        authors,
        signed: *digest,
        signed_at: *time,
    };
    let texts = [&found.repository, &found.git_ref, &found.commit, &found.builder];
    let bad = |text: &String| text.len() > Provenance::TEXT_BYTES_MAX || text.chars().any(char::is_control);
    if texts.into_iter().flatten().chain([&found.issuer, &found.subject]).any(bad) {
        return Err(format!(
            "a name in the signature is over {} bytes, or has control characters",
            Provenance::TEXT_BYTES_MAX
        ));
    }
    Ok(found)
}
