//! The signature of an upload: the Sigstore bundle beside it, verified.

use crate::EngineError;
use crate::ports::{ObjectRef, PackageStore, Tail};
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::release::provenance::Provenance;
use flotilla_domain::release::upload_key::{KEY_BYTES_MAX, bundle_key};
use flotilla_domain::{Code, Digest, Digester, Refusal};
use flotilla_provenance::{Bundle, Roots};

/// Where an installation keeps trusted roots that replace the built-in ones, in the ingest bucket.
const TRUSTED_ROOTS: &str = "trust/sigstore.json";

/// Who signed an upload; `None` if there is no bundle beside it. The bundle is about the package, or about the zip that was uploaded.
///
/// # Errors
/// [`Code::SignatureInvalid`] as a refusal: an upload with a bundle that does not verify is not taken for an unsigned one.
pub async fn provenance(
    packages: &dyn PackageStore,
    object: &ObjectVersion,
    tail: &Tail,
    package: &Digest,
) -> Result<Option<Provenance>, EngineError> {
    let key = bundle_key(&object.key);
    if key.len() > KEY_BYTES_MAX {
        return Ok(None);
    }
    let Some(bundle) = packages.read_latest(&key, Bundle::BYTES_MAX).await? else { return Ok(None) };
    let bundle = Bundle::parse(&bundle).map_err(|refusal| refusal.at(&key))?;
    let roots = match packages.read_latest(TRUSTED_ROOTS, Roots::BYTES_MAX).await? {
        None => Roots::built_in()?,
        Some(bytes) => {
            let text = std::str::from_utf8(&bytes).map_err(|_| {
                Refusal::new(Code::SignatureInvalid, "the trusted root is not UTF-8", "store it again")
                    .at(TRUSTED_ROOTS)
            })?;
            Roots::parse(text).map_err(|refusal| refusal.at(TRUSTED_ROOTS))?
        }
    };
    let signed = if bundle.names(package) { *package } else { zip_digest(packages, object, tail).await? };
    Ok(Some(roots.verify(&bundle, &signed).map_err(|refusal| refusal.at(&key))?))
}

/// The digest of the uploaded zip. A large one is read for it.
async fn zip_digest(
    packages: &dyn PackageStore,
    object: &ObjectVersion,
    tail: &Tail,
) -> Result<Digest, EngineError> {
    if tail.bytes.len() as u64 == tail.total_bytes {
        return Ok(Digest::of(&tail.bytes));
    }
    let object = ObjectRef { key: object.key.clone(), version_id: object.version_id.clone() };
    let mut stream = packages.read(&object, 0..tail.total_bytes).await?;
    let mut digester = Digester::default();
    while let Some(chunk) = stream.next().await? {
        digester.update(&chunk);
    }
    Ok(digester.finish())
}
