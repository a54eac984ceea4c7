//! Bundles that were signed for real, and bundles of a test signer, each broken in its own way.

use flotilla_domain::release::provenance::Provenance;
use flotilla_domain::{Code, Digest, Refusal};
use flotilla_provenance::testing::{Identity, Signer};
use flotilla_provenance::{Bundle, Roots};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Provenance that a workflow of github.com/cli/cli signed for the files of a release.
const WORKFLOW: &str = include_str!("fixtures/workflow.sigstore.json");
/// The attestation that GitHub signed for the same release, by its instance without a log.
const RELEASE: &str = include_str!("fixtures/github-release.sigstore.json");
/// Digests that both are about.
const TARBALL: &str = "83d5c2ccad5498f58bf6368acb1ab32588cf43ab3a4b1c301bf36328b1c8bd60";

static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::default);
static ROOTS: LazyLock<Roots> = LazyLock::new(|| Roots::parse(&SIGNER.root()).expect("a trusted root"));

fn digest() -> Digest {
    Digest::of(b"package")
}

fn workflow() -> Identity {
    Identity::workflow("acme/orders", "release.yml", "refs/heads/main")
}

fn verify(roots: &Roots, bundle: &str, digest: &Digest) -> Result<Provenance, Refusal> {
    roots.verify(&Bundle::parse(bundle.as_bytes())?, digest)
}

fn refused(bundle: &Value) -> String {
    let refusal = verify(&ROOTS, &bundle.to_string(), &digest()).expect_err("a refusal");
    assert_eq!(refusal.code, Code::SignatureInvalid);
    refusal.message
}

fn signed() -> Value {
    serde_json::from_str(&SIGNER.attest(&workflow(), &digest(), &["ann@example.com"])).expect("JSON")
}

#[test]
fn what_a_workflow_of_github_signed_verifies() {
    let found = verify(&Roots::built_in().unwrap(), WORKFLOW, &Digest::parse_hex(TARBALL).unwrap()).unwrap();
    assert_eq!(found.issuer, "https://token.actions.githubusercontent.com");
    let workflow = "https://github.com/cli/cli/.github/workflows/deployment.yml@refs/heads/trunk";
    assert_eq!((found.subject.as_str(), found.builder.as_deref()), (workflow, Some(workflow)));
    assert_eq!(found.repository.as_deref(), Some("https://github.com/cli/cli"));
    assert_eq!(found.git_ref.as_deref(), Some("refs/heads/trunk"));
    assert_eq!(found.commit.as_deref(), Some("b300f2ec7ec9dc9addc39b2ad88c54097ded7ca0"));
    assert_eq!((found.level, found.authors.len()), (2, 0));
}

#[test]
fn what_github_itself_signed_verifies_by_its_timestamp_and_names_no_signer() {
    let refusal =
        verify(&Roots::built_in().unwrap(), RELEASE, &Digest::parse_hex(TARBALL).unwrap()).unwrap_err();
    assert!(refusal.message.contains("names no issuer"), "{refusal}");
    let broken = RELEASE.replacen("\"sig\": \"ME", "\"sig\": \"MF", 1);
    assert_ne!(broken, RELEASE);
    let refusal =
        verify(&Roots::built_in().unwrap(), &broken, &Digest::parse_hex(TARBALL).unwrap()).unwrap_err();
    assert!(refusal.message.contains("does not verify"), "{refusal}");
}

#[test]
fn a_signature_is_for_its_bytes_only() {
    let roots = Roots::built_in().unwrap();
    assert!(verify(&roots, WORKFLOW, &digest()).unwrap_err().message.contains("other bytes"));
    assert!(verify(&roots, RELEASE, &digest()).unwrap_err().message.contains("other bytes"));
}

#[test]
fn a_test_signer_is_trusted_by_its_own_root_only() {
    let bundle = signed().to_string();
    let found = verify(&ROOTS, &bundle, &digest()).unwrap();
    assert_eq!(found.subject, workflow().subject);
    assert_eq!((found.level, found.signed), (2, digest()));
    assert_eq!(found.authors.iter().collect::<Vec<_>>(), ["ann@example.com"]);
    assert!(verify(&Roots::built_in().unwrap(), &bundle, &digest()).is_err());
    let other = Roots::parse(&Signer::default().root()).unwrap();
    assert!(verify(&other, &bundle, &digest()).is_err());
}

#[test]
fn a_person_who_signs_is_an_author() {
    let person = Identity {
        issuer: "https://accounts.google.com".into(),
        subject: "bob@example.com".into(),
        ..workflow()
    };
    let found = verify(&ROOTS, &SIGNER.attest(&person, &digest(), &[]), &digest()).unwrap();
    assert_eq!((found.level, found.authors.iter().next().map(String::as_str)), (1, Some("bob@example.com")));
}

#[test]
fn what_was_signed_cannot_be_changed() {
    let other = signed();
    for (what, why, change) in [
        (
            "another payload",
            "ECDSA_P256_SHA256 signature invalid",
            Box::new(|b: &mut Value| {
                b["dsseEnvelope"]["payload"] = {
                    let statement = json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": digest().to_string()}}], "predicateType": "x", "predicate": {}});
                    json!(base64(statement.to_string().as_bytes()))
                }
            }) as Box<dyn Fn(&mut Value)>,
        ),
        (
            "another signature",
            "ECDSA_P256_SHA256 signature invalid",
            Box::new(|b| b["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"].clone()),
        ),
        (
            "another certificate",
            "ECDSA_P256_SHA256 signature invalid",
            Box::new(|b| {
                let certificate = other["verificationMaterial"]["certificate"].clone();
                b["verificationMaterial"]["certificate"] = certificate;
            }),
        ),
        (
            "the entry of another signature",
            "log entry does not match the bundle",
            Box::new(|b| {
                b["verificationMaterial"]["tlogEntries"] =
                    other["verificationMaterial"]["tlogEntries"].clone();
            }),
        ),
        (
            "no entry",
            "must have an inclusion proof",
            Box::new(|b| b["verificationMaterial"]["tlogEntries"] = json!([])),
        ),
        ("no signature", "exactly one signature", Box::new(|b| b["dsseEnvelope"]["signatures"] = json!([]))),
        (
            "a later time",
            "SET verification failed",
            Box::new(|b| {
                b["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = json!("4000000000");
            }),
        ),
        (
            "no promise of the log",
            "no verified timestamp",
            Box::new(|b| {
                b["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"] = Value::Null;
            }),
        ),
        (
            "no proof of the log",
            "must have an inclusion proof",
            Box::new(|b| {
                b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"] = Value::Null;
            }),
        ),
        (
            "a checkpoint of another tree",
            "No valid Rekor signature",
            Box::new(|b| {
                let note = &mut b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"];
                *note = json!(note.as_str().unwrap().replacen("\n1\n", "\n2\n", 1));
            }),
        ),
    ] {
        let mut bundle = signed();
        change(&mut bundle);
        let message = refused(&bundle);
        assert!(message.contains(why), "{what}: {message}");
    }
}

#[test]
fn a_bare_signature_is_refused_with_what_to_do() {
    let mut bundle = signed();
    let envelope = bundle.as_object_mut().unwrap().remove("dsseEnvelope").unwrap();
    bundle["messageSignature"] = json!({
        "messageDigest": {"algorithm": "SHA2_256", "digest": base64(digest().as_bytes())},
        "signature": envelope["signatures"][0]["sig"],
    });
    assert!(refused(&bundle).contains("bare signature"));
}

#[test]
fn sizes_are_bounded_before_anything_is_read() {
    let large = vec![b' '; usize::try_from(Bundle::BYTES_MAX).unwrap() + 1];
    assert!(Bundle::parse(&large).unwrap_err().message.contains("over 262144 bytes"));
    for bad in ["", "{}", "[]", "\u{0}", "{\"mediaType\":\"x\"}"] {
        assert_eq!(Bundle::parse(bad.as_bytes()).unwrap_err().code, Code::SignatureInvalid, "{bad:?}");
    }
    assert!(Bundle::parse(b"\xff").is_err());
}

#[test]
fn roots_are_a_document_or_one_a_line() {
    let line = SIGNER.root();
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&line).unwrap()).unwrap();
    let other = Signer::default().root();
    for text in [line.clone(), pretty, format!("{other}\n{line}\n")] {
        let roots = Roots::parse(&text).unwrap();
        assert!(verify(&roots, &signed().to_string(), &digest()).is_ok());
    }
    for bad in ["", "\n", "{}", "x", "{\"tlogs\":1}"] {
        assert!(Roots::parse(bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whichever byte is changed, what still verifies says the same.
    #[test]
    fn a_changed_bundle_says_the_same_or_is_refused(at in any::<prop::sample::Index>(), to in 32_u8..127) {
        let mut bytes = signed().to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(bundle) = Bundle::parse(&bytes)
            && let Ok(found) = ROOTS.verify(&bundle, &digest())
        {
            prop_assert_eq!(found.subject, workflow().subject);
            prop_assert_eq!(found.git_ref, Some(workflow().git_ref));
            prop_assert_eq!(found.level, 2);
            prop_assert!(found.authors.contains("ann@example.com"));
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}
