//! A signer with a certificate authority and a transparency log of its own, for tests. It makes bundles as Sigstore's public instance
//! does, of one entry in a log of one entry.

use flotilla_domain::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The name of the log, which its checkpoints begin with.
const ORIGIN: &str = "log.test";

/// Whom a certificate is for, and what it says of the build.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The issuer of the identity token.
    pub issuer: String,
    /// The signer: an email address, or a URI.
    pub subject: String,
    /// The repository.
    pub repository: String,
    /// The full name of the ref.
    pub git_ref: String,
    /// The kind of runner.
    pub runner: String,
}

impl Identity {
    /// A workflow of GitHub, on a branch.
    pub fn workflow(repository: &str, file: &str, git_ref: &str) -> Self {
        Self {
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: format!("https://github.com/{repository}/.github/workflows/{file}@{git_ref}"),
            repository: format!("https://github.com/{repository}"),
            git_ref: git_ref.into(),
            runner: "github-hosted".into(),
        }
    }
}

/// The authority and the log.
pub struct Signer {
    authority: KeyPair,
    log: KeyPair,
}

impl Default for Signer {
    fn default() -> Self {
        Self { authority: key(), log: key() }
    }
}

impl Signer {
    /// The trusted root of the signer.
    pub fn root(&self) -> String {
        let since = json!({"start": "2020-01-01T00:00:00Z"});
        let key = self.log.subject_public_key_info();
        let log = json!({
            "baseUrl": "https://log.test",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {"rawBytes": base64(&key), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": since},
            "logId": {"keyId": base64(Digest::of(&key).as_bytes())},
        });
        let certificate = authority().self_signed(&self.authority).expect("a certificate");
        let authority = json!({
            "subject": {"organization": "test", "commonName": "test"},
            "uri": "https://authority.test",
            "certChain": {"certificates": [{"rawBytes": base64(certificate.der())}]},
            "validFor": since,
        });
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log],
            "certificateAuthorities": [authority],
            "ctlogs": [],
            "timestampAuthorities": [],
        });
        root.to_string()
    }

    /// A bundle with SLSA provenance for a digest. `authors` annotate the source.
    pub fn attest(&self, identity: &Identity, digest: &Digest, authors: &[&str]) -> String {
        let source = json!({"uri": format!("git+{}@{}", identity.repository, identity.git_ref), "annotations": {"author": authors}});
        let predicate = json!({
            "buildDefinition": {
                "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                "externalParameters": {},
                "resolvedDependencies": [source],
            },
            "runDetails": {"builder": {"id": identity.subject}},
        });
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "package.zip", "digest": {"sha256": digest.to_string()}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": predicate,
        });
        self.bundle(identity, &statement).to_string()
    }

    /// A bundle of a statement.
    pub fn bundle(&self, identity: &Identity, statement: &Value) -> Value {
        let payload = statement.to_string();
        let leaf = key();
        let certificate = self.certificate(identity, &leaf);
        let signed = format!("DSSEv1 {} {IN_TOTO} {} {payload}", IN_TOTO.len(), payload.len());
        let signature = base64(&sign(&leaf, signed.as_bytes()));
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": base64(&certificate)},
                "tlogEntries": [self.entry(&certificate, &payload, &signature)],
            },
            "dsseEnvelope": {
                "payload": base64(payload.as_bytes()),
                "payloadType": IN_TOTO,
                "signatures": [{"sig": signature}],
            },
        })
    }

    fn entry(&self, certificate: &[u8], payload: &str, signature: &str) -> Value {
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(certificate));
        let hash = |bytes: &[u8]| json!({"algorithm": "sha256", "value": Digest::of(bytes).to_string()});
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": hash(payload.as_bytes()),
                "payloadHash": hash(payload.as_bytes()),
                "signatures": [{"signature": signature, "verifier": base64(pem.as_bytes())}],
            },
        });
        let body = body.to_string();
        let log_id = Digest::of(&self.log.subject_public_key_info());
        let now = now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        let (at, body_text) = (now, base64(body.as_bytes()));
        // Keys in the order of RFC 8785.
        let promise =
            format!(r#"{{"body":"{body_text}","integratedTime":{at},"logID":"{log_id}","logIndex":0}}"#);
        // A tree of one leaf: its root is the hash of the leaf (RFC 9162).
        let root = Digest::of(&[&[0], body.as_bytes()].concat());
        let note = format!("{ORIGIN}\n1\n{}\n", base64(root.as_bytes()));
        let hint = &log_id.as_bytes()[..4];
        let signature = base64(&[hint, &sign(&self.log, note.as_bytes())].concat());
        json!({
            "logIndex": "0",
            "logId": {"keyId": base64(log_id.as_bytes())},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": at.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": base64(&sign(&self.log, promise.as_bytes()))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": base64(root.as_bytes()),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": format!("{note}\n\u{2014} {ORIGIN} {signature}\n")},
            },
            "canonicalizedBody": body_text,
        })
    }

    fn certificate(&self, identity: &Identity, leaf: &KeyPair) -> Vec<u8> {
        let mut params = CertificateParams::default();
        let text = |text: &str| text.try_into().expect("an ASCII name");
        params.subject_alt_names = vec![if identity.subject.contains("://") {
            SanType::URI(text(&identity.subject))
        } else {
            SanType::Rfc822Name(text(&identity.subject))
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let now = now();
        let minutes = Duration::from_secs(300);
        params.not_before = (now - minutes).into();
        params.not_after = (now + minutes).into();
        // https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
        for (number, value) in [
            (8, &identity.issuer),
            (9, &identity.subject),
            (11, &identity.runner),
            (12, &identity.repository),
            (14, &identity.git_ref),
            (18, &identity.subject),
        ] {
            let oid = [1, 3, 6, 1, 4, 1, 57264, 1, number];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, utf8_string(value)));
        }
        let issuer = Issuer::new(authority(), &self.authority);
        params.signed_by(leaf, &issuer).expect("a certificate").der().to_vec()
    }
}

/// What the authority's own certificate says.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// The real time, which verification compares with.
#[expect(clippy::disallowed_methods, reason = "a signature is made now, in the simulation too")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn sign(key: &KeyPair, message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der(), &random)
        .expect("a key of this kind");
    key.sign(&random, message).expect("a signature").as_ref().to_vec()
}

/// A `UTF8String` in DER.
fn utf8_string(text: &str) -> Vec<u8> {
    let length = match text.len() {
        length @ 0..=127 => vec![length as u8],
        length @ 128..=255 => vec![0x81, length as u8],
        length => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [&[0x0c], length.as_slice(), text.as_bytes()].concat()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
