//! Sigstore bundles and trusted roots, as they lie beside uploads and in the ingest bucket.

use crate::check;
use flotilla_domain::release::provenance::Provenance;
use flotilla_domain::{Digest, Refusal};
use flotilla_provenance::{Bundle, Roots};
use std::sync::LazyLock;

/// A bundle that a workflow of GitHub signed, and a digest that it is about.
const SIGNED: &[u8] = include_bytes!("../../provenance/tests/fixtures/workflow.sigstore.json");
const DIGEST: &str = "83d5c2ccad5498f58bf6368acb1ab32588cf43ab3a4b1c301bf36328b1c8bd60";

static ROOTS: LazyLock<Roots> = LazyLock::new(|| Roots::built_in().expect("the built-in roots"));
static SAID: LazyLock<Provenance> = LazyLock::new(|| verify(SIGNED).expect("the signature verifies"));

/// Reads the input as a bundle and as trusted roots, and changes the signed bundle by it: what still verifies says the same.
pub fn run(data: &[u8]) {
    if let Err(refusal) = verify(data) {
        check(&refusal.at("package.zip.sigstore.json"));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Err(refusal) = Roots::parse(text)
    {
        check(&refusal.at("trust/sigstore.json"));
    }
    // Three bytes are one change: where, and what is there instead.
    let mut changed = SIGNED.to_vec();
    for change in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
        if let Some(byte) = changed.get_mut(at) {
            *byte = change[2];
        }
    }
    match verify(&changed) {
        Ok(said) => assert_eq!(said, *SAID, "a changed bundle says something else"),
        Err(refusal) => check(&refusal.at("package.zip.sigstore.json")),
    }
}

fn verify(bundle: &[u8]) -> Result<Provenance, Refusal> {
    let digest = Digest::parse_hex(DIGEST).expect("a digest");
    ROOTS.verify(&Bundle::parse(bundle)?, &digest)
}
