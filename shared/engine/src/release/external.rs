//! Code of other buckets: fetched once, and a part of the package from then on.

use super::stream::UploadBytes;
use crate::EngineError;
use crate::ports::{Body, ErrorKind, ExternalObject, PortError};
use flotilla_domain::config::external_code::ExternalCode;
use flotilla_domain::release::package::asset_key;
use flotilla_domain::{Code, Digest, Refusal};
use flotilla_package::formats::Proof;

/// Stores code of another bucket under the digest that the service's configuration gives. It is read only if it is not stored yet.
pub async fn store_external(upload: &UploadBytes, code: &ExternalCode) -> Result<Proof, EngineError> {
    // Its length is not known if it is stored already; the sum of a release's sizes is without it.
    let proof = Proof { digest: code.digest, bytes: 0, unzipped: None };
    let key = asset_key(&code.digest);
    // Only what the service itself has brought before: another one's code is fetched from where the configuration says it is.
    if upload.known.contains(&code.digest) && upload.holds(&key, &code.digest).await? {
        return Ok(proof);
    }
    let from = ExternalObject {
        bucket: code.bucket_in(&upload.region),
        key: code.key.clone(),
        version: code.version.clone(),
    };
    let packages = upload.packages.as_ref();
    let parked = format!("parked/{}/{}", upload.id, code.digest);
    let fetched = packages.fetch(&from, &parked).await.map_err(|error| unreadable(&from, error))?;
    match fetched {
        Some(found) if found != code.digest => return Err(differs(&from, code, Some(found)).into()),
        Some(_) if packages.settle(&parked, &key, &code.digest).await? => return Ok(proof),
        // S3 reports no digest of its copies: the bytes pass through this process, and S3 proves what is put.
        _ => {}
    }
    let (bytes, body) = packages.read_parked(&parked).await?;
    match packages.put(&key, &code.digest, Body::Stream(bytes, body)).await {
        Err(error) if error.message.starts_with("BadDigest") => Err(differs(&from, code, None).into()),
        put => Ok(put.map(|()| proof)?),
    }
}

fn unreadable(from: &ExternalObject, error: PortError) -> EngineError {
    let fix = match error.kind {
        ErrorKind::Denied => format!(
            "check bucket and key; let ingest read it: add the ARN of {}/* to those of flotilla install --external-code; and have its owner allow it, if the bucket is not public or has a key of its own",
            from.bucket
        ),
        ErrorKind::Missing => {
            "correct bucket, key and version of external_code in the service's configuration".into()
        }
        _ => return error.into(),
    };
    Refusal::new(Code::ExternalCodeDiffers, format!("{from} cannot be read: {error}"), fix).into()
}

fn differs(from: &ExternalObject, code: &ExternalCode, found: Option<Digest>) -> Refusal {
    let found = found.map_or("another digest".to_owned(), |found| format!("the digest sha256:{found}"));
    let what = format!("{from} has {found}, and the service's configuration expects sha256:{}", code.digest);
    let fix = "if the new bytes are wanted, write their digest into external_code of the service, then upload again; or name a version";
    Refusal::new(Code::ExternalCodeDiffers, what, fix)
}
