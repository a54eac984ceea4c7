//! `flotilla push`: packs, uploads and follows the rollout.

use super::follow::follow;
use super::rollouts::finish;
use super::warnings;
use crate::api::Api;
use crate::args::{Global, Push};
use crate::error::{CliError, Exit};
use crate::packing::Packing;
use crate::{error_text, home, show};
use aws_config::SdkConfig;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use flotilla_contract::{Page, UploadView};
use flotilla_domain::git_ref::RefKind;
use flotilla_domain::release::upload_key::{RefOfService, UploadKey, bundle_key};
use flotilla_domain::{Digest, Digester, GitRef, ServiceName};
use flotilla_provenance::Bundle;
use futures::stream;
use http_body_util::StreamBody;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::time::Duration;

/// Attempts of an upload.
const ATTEMPTS: u32 = 3;
/// How long to wait for ingest, in polls of 150 ms. Ingest of a large package takes a while, and the sweep finds an
/// upload whose event was lost after two minutes.
const POLLS_MAX: u32 = 2_400;

pub async fn run(global: &Global, args: &Push) -> Result<Exit, CliError> {
    let file = package_file(args)?;
    let digest = digest_of(&file)?;
    let key = key(args, &digest)?;
    let bundle = args.bundle.as_deref().map(bundle_file).transpose()?;
    let Ingest { config, api, bucket } = ingest(global, args.bucket.as_ref()).await?;
    if let Some(bundle) = bundle {
        upload_bundle(&config, &bucket, &key, bundle).await?;
    }
    let version = upload(&config, &bucket, &key, &file, &digest, global.json).await?;
    let (Some(api), false) = (api, args.no_follow) else {
        uploaded(global, &bucket, &key.to_key(), &version);
        return Ok(Exit::Success);
    };
    let taken = wait_for_verdict(&api, &key.service, &version).await?;
    if taken.refusal.is_some() {
        return Ok(refused(global, &taken));
    }
    if args.path.is_file() {
        warn_of_release(&api, &taken).await?;
    }
    let rollout = follow(&api, taken.rollout.as_deref().unwrap_or_default(), global.json).await?;
    finish(global, &rollout)
}

/// Where uploads go.
pub struct Ingest {
    /// The AWS configuration.
    pub config: SdkConfig,
    /// The API; `None` if the bucket was named, so that uploading is the only right that is needed.
    pub api: Option<Api>,
    /// The ingest bucket.
    pub bucket: String,
}

/// Finds the ingest bucket, unless it is named.
pub async fn ingest(global: &Global, bucket: Option<&String>) -> Result<Ingest, CliError> {
    if let Some(bucket) = bucket {
        return Ok(Ingest { config: home::load(global).await?, api: None, bucket: bucket.clone() });
    }
    let api = Api::connect(global).await?;
    let outputs = home::control_plane(api.config(), &global.prefix).await?;
    let bucket = outputs.get("IngestBucket").cloned().unwrap_or_default();
    Ok(Ingest { config: api.config().clone(), api: Some(api), bucket })
}

/// Says that an object was uploaded.
pub fn uploaded(global: &Global, bucket: &str, key: &str, version: &str) {
    if global.json {
        show::json(&serde_json::json!({"bucket": bucket, "key": key, "version_id": version}));
    } else {
        println!("uploaded s3://{bucket}/{key} (version {version})");
    }
}

/// Says why an upload was refused.
pub fn refused(global: &Global, taken: &UploadView) -> Exit {
    if global.json {
        show::json(taken);
    } else {
        println!("{} {}", show::status(&taken.status), taken.key);
        taken.refusal.iter().for_each(|refusal| show::cause("  ", refusal));
    }
    Exit::UploadRefused
}

/// Shows the warnings of the release that an upload became.
async fn warn_of_release(api: &Api, upload: &UploadView) -> Result<(), CliError> {
    match (UploadKey::service_of(&upload.key), &upload.release) {
        (Some(service), Some(id)) => warnings::of_release(api, &service.to_string(), id).await,
        _ => Ok(()),
    }
}

/// The file to upload: a zip unchanged, or the packed folder, whose warnings are shown.
fn package_file(args: &Push) -> Result<File, CliError> {
    let path: &Path = &args.path;
    let failed = |e| CliError::failed(format!("cannot read {}", path.display()), e);
    if path.is_file() {
        return File::open(path).map_err(failed);
    }
    let mut packing = Packing::open(path, args.root.as_deref())?;
    packing.keep_external_code(args.external_code).finish()?;
    for warning in packing.draft.iter().flat_map(|draft| &draft.warnings) {
        show::warning(&warning.code.to_string(), &warning.path, &warning.message);
    }
    Ok(packing.write(tempfile::tempfile().map_err(failed)?)?)
}

fn digest_of(mut file: &File) -> Result<Digest, CliError> {
    let failed = |e| CliError::failed("cannot read the package", e);
    file.rewind().map_err(failed)?;
    let mut hash = Digester::default();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok(hash.finish());
        }
        hash.update(&buffer[..read]);
    }
}

fn key(args: &Push, digest: &Digest) -> Result<UploadKey, CliError> {
    let RefOfService { service, git_ref } = ref_of(&args.service, &args.git_ref)?;
    let build = args.build.clone().unwrap_or_else(|| show::short(&digest.to_string()).to_owned());
    let key = UploadKey { service, git_ref, build };
    UploadKey::parse(&key.to_key()).map_err(|refusal| CliError::usage(refusal.message, refusal.fix))
}

/// Reads the name of a service and a ref as CI has it.
pub fn ref_of(service: &str, git_ref: &str) -> Result<RefOfService, CliError> {
    let service = ServiceName::parse(service)
        .map_err(|e| CliError::usage(e.to_string(), "correct the service's name"))?;
    let git_ref = GitRef::parse_lenient(git_ref).ok_or_else(|| {
        let kind = git_ref.split_once(':').and_then(|(kind, _)| RefKind::parse(kind));
        let rule = kind.map(|kind| format!(": {}", GitRef::rule(kind))).unwrap_or_default();
        CliError::usage(
            format!("{git_ref:?} is not a ref{rule}"),
            "use a ref such as branch:main, tag:v1.2 or pr:42",
        )
    })?;
    Ok(RefOfService { service, git_ref })
}

/// The bytes of a Sigstore bundle.
fn bundle_file(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |e| CliError::failed(format!("cannot read {}", path.display()), e);
    let bytes = std::fs::read(path).map_err(failed)?;
    Bundle::parse(&bytes).map_err(|refusal| CliError::usage(refusal.message, refusal.fix))?;
    Ok(bytes)
}

/// Uploads the bundle of a package, before the package: ingest reads it with the package.
async fn upload_bundle(
    config: &SdkConfig,
    bucket: &str,
    key: &UploadKey,
    bundle: Vec<u8>,
) -> Result<(), CliError> {
    let put = aws_sdk_s3::Client::new(config).put_object().bucket(bucket);
    let put = put.key(bundle_key(&key.to_key())).body(ByteStream::from(bundle));
    let failed = |e| CliError::failed(format!("cannot upload to bucket {bucket}"), error_text(&e));
    put.send().await.map(drop).map_err(failed)
}

/// Uploads the file; answers the version ID of the object.
async fn upload(
    config: &SdkConfig,
    bucket: &str,
    key: &UploadKey,
    file: &File,
    digest: &Digest,
    quiet: bool,
) -> Result<String, CliError> {
    let failed = |e| CliError::failed("cannot read the package", e);
    let length = file.metadata().map_err(failed)?.len();
    let client = aws_sdk_s3::Client::new(config);
    let bar = if quiet || !console::Term::stderr().is_term() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(length)
    };
    let style = ProgressStyle::with_template("  upload {bar:30.cyan} {bytes}/{total_bytes} {bytes_per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    for attempt in 1.. {
        bar.set_position(0);
        let mut source = file.try_clone().map_err(failed)?;
        source.rewind().map_err(failed)?;
        let sent = client
            .put_object()
            .bucket(bucket)
            .key(key.to_key())
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .checksum_sha256(digest.to_base64())
            .body(ByteStream::new(SdkBody::from_body_1_x(body(source, bar.clone()))))
            .send()
            .await;
        match sent {
            Ok(done) => {
                bar.finish_and_clear();
                return Ok(done.version_id().unwrap_or_default().to_owned());
            }
            Err(error) if attempt >= ATTEMPTS || error.as_service_error().is_some() => {
                return Err(CliError::failed(
                    format!("cannot upload to bucket {bucket}"),
                    error_text(&error),
                ));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
    Err(CliError::usage("the upload was not attempted", "run the command again"))
}

type Frame = Result<http_body::Frame<Bytes>, std::io::Error>;

/// The bytes of the file as a request body; the bar counts them.
fn body(
    source: File,
    bar: ProgressBar,
) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send + Sync {
    let frames = stream::unfold(source, move |mut source| {
        let mut buffer = vec![0; 128 * 1024];
        let frame: Option<Frame> = match source.read(&mut buffer) {
            Ok(0) => None,
            Ok(read) => {
                bar.inc(read as u64);
                buffer.truncate(read);
                Some(Ok(http_body::Frame::data(Bytes::from(buffer))))
            }
            Err(error) => Some(Err(error)),
        };
        std::future::ready(frame.map(|frame| (frame, source)))
    });
    StreamBody::new(frames)
}

/// Waits until ingest has accepted or refused this version of the object.
pub async fn wait_for_verdict(
    api: &Api,
    service: &ServiceName,
    version: &str,
) -> Result<UploadView, CliError> {
    let path = format!("/v1/services/{service}/uploads?limit=20");
    for _ in 0..POLLS_MAX {
        let page: Page<UploadView> = api.get(&path).await?;
        if let Some(found) = page.items.into_iter().find(|upload| upload.version_id == version) {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    Err(CliError::usage(
        "ingest did not process the upload within six minutes",
        "check the log of the ingest function and the intake dead-letter queue",
    ))
}
