//! A Sigstore bundle, before it is verified.

use crate::statement::Statement;
use flotilla_domain::{Code, Digest, Refusal};
use sigstore_types::SignatureContent;

/// A bundle that was read and not verified yet.
#[derive(Debug, Clone)]
pub struct Bundle {
    pub(crate) content: sigstore_types::Bundle,
    pub(crate) statement: Statement,
}

impl Bundle {
    /// Largest bundle, in bytes.
    pub const BYTES_MAX: u64 = 256 * 1024;

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`Code::SignatureInvalid`] if it is no bundle, or does not hold an in-toto statement.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let fix = "upload the bundle as the signing tool wrote it, such as the bundle-path of actions/attest-build-provenance";
        let refuse = |what: String| Refusal::new(Code::SignatureInvalid, what, fix);
        if bytes.len() as u64 > Self::BYTES_MAX {
            return Err(refuse(format!("the bundle has over {} bytes", Self::BYTES_MAX)));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("the bundle is not UTF-8".into()))?;
        let content = sigstore_types::Bundle::from_json(text)
            .map_err(|e| refuse(format!("this is not a Sigstore bundle: {e}")))?;
        let SignatureContent::DsseEnvelope(envelope) = &content.content else {
            let what = "the bundle holds a bare signature, which does not say what was built";
            let fix = "attest instead of sign: actions/attest-build-provenance, or cosign attest-blob";
            return Err(Refusal::new(Code::SignatureInvalid, what, fix));
        };
        let statement = Statement::parse(envelope.payload.as_bytes()).map_err(refuse)?;
        Ok(Self { content, statement })
    }

    /// Whether the bundle says that it is about this digest.
    pub fn names(&self, digest: &Digest) -> bool {
        self.statement.subjects.contains(digest)
    }
}
