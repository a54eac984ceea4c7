//! Verifies Sigstore bundles offline: who signed a package, and what the signed provenance says.
//!
//! A [bundle](https://docs.sigstore.dev/about/bundle/) holds a signed [in-toto statement](https://github.com/in-toto/attestation)
//! about digests, the signer's short-lived certificate, and the proof of a transparency log or timestamp authority of when it was
//! used. [`Roots`] say which authorities and logs are trusted. Nothing is fetched. The
//! library compares the times in a bundle with the real time, which is the only thing that is not an argument.

mod bundle;
mod cryptography;
mod level;
mod roots;
mod statement;
#[cfg(feature = "testing")]
pub mod testing;

pub use bundle::Bundle;
pub use roots::Roots;
