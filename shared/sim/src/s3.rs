//! S3: the ingest bucket, the artifact buckets, and the buckets of previews.

use crate::state::{Object, Shared, State};
use async_trait::async_trait;
use bytes::Bytes;
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::release::upload_key::INCOMING;
use flotilla_domain::replica::Copies;
use flotilla_domain::{Digest, Timestamp};
use flotilla_engine::ports::{
    Body, Buckets, ChunkStream, CopySource, Emptied, ErrorKind, ExternalObject, Incoming, IncomingPage,
    ObjectRef, PackageStore, Place, PortError, Presence, ReplicaStore, Seen, StackResource, Tail,
};
use std::ops::Range;

/// The ingest bucket.
pub struct SimPackages(pub Shared);

/// One chunk, followed by the end, or by an error if more was requested than exists.
struct Once {
    chunk: Option<Bytes>,
    is_short: bool,
}

/// A stream of these bytes.
pub fn whole(bytes: Bytes) -> Box<dyn ChunkStream> {
    Box::new(Once { chunk: Some(bytes), is_short: false })
}

#[async_trait]
impl ChunkStream for Once {
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        match self.chunk.take() {
            None if self.is_short => {
                Err(PortError::new(ErrorKind::Transient, "s3:GetObject", "the body ended early"))
            }
            chunk => Ok(chunk),
        }
    }
}

fn missing() -> PortError {
    PortError::new(ErrorKind::Missing, "s3:GetObject", "NoSuchVersion: The specified version does not exist.")
}

async fn collect(body: Body) -> Result<Bytes, PortError> {
    match body {
        Body::Bytes(bytes) => Ok(bytes),
        Body::Stream(_, mut stream) => {
            let mut all = Vec::new();
            while let Some(chunk) = stream.next().await? {
                all.extend_from_slice(&chunk);
            }
            Ok(Bytes::from(all))
        }
    }
}

/// An object of another bucket.
fn external(state: &State, from: &ExternalObject) -> Result<Bytes, PortError> {
    let place = (from.bucket.clone(), from.key.clone(), from.version.clone());
    state.external.get(&place).cloned().ok_or_else(missing)
}

/// An upload's pinned version.
fn uploaded<'s>(state: &'s State, object: &ObjectRef) -> Result<&'s Object, PortError> {
    state.uploads.get(&(object.key.clone(), object.version_id.clone())).ok_or_else(missing)
}

#[async_trait]
impl PackageStore for SimPackages {
    async fn read_tail(&self, object: &ObjectRef, bytes: u64) -> Result<Tail, PortError> {
        self.0
            .call("s3:GetObject", None, |state| {
                let found = uploaded(state, object)?;
                let start = found.bytes.len().saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
                Ok(Tail {
                    bytes: found.bytes.slice(start..),
                    total_bytes: found.bytes.len() as u64,
                    uploaded_at: found.uploaded_at,
                })
            })
            .await
    }

    async fn read_latest(&self, key: &str, bytes_max: u64) -> Result<Option<Bytes>, PortError> {
        self.0
            .call("s3:GetObject", None, |state| {
                let versions = state.uploads.iter().filter(|((at, _), _)| at == key);
                let latest =
                    versions.max_by_key(|((_, version), object)| (object.uploaded_at, version.clone()));
                let end =
                    |bytes: &Bytes| bytes.len().min(usize::try_from(bytes_max + 1).unwrap_or(usize::MAX));
                let bytes = latest.map(|(_, object)| object.bytes.slice(..end(&object.bytes)));
                Ok(bytes)
            })
            .await
    }

    async fn read(&self, object: &ObjectRef, range: Range<u64>) -> Result<Box<dyn ChunkStream>, PortError> {
        self.0
            .call("s3:GetObject", None, |state| {
                let found = uploaded(state, object)?;
                let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(found.bytes.len());
                let chunk = Some(found.bytes.slice(at(range.start)..at(range.end)));
                let is_short = range.end > found.bytes.len() as u64;
                Ok(Box::new(Once { chunk, is_short }) as Box<dyn ChunkStream>)
            })
            .await
    }

    async fn holds(&self, key: &str, digest: &Digest) -> Result<Option<Timestamp>, PortError> {
        let held = |state: &mut State| {
            let stored_at = state.objects.stored_at(None, key);
            Ok(stored_at.filter(|_| state.home.get(key) == Some(digest)))
        };
        self.0.call("s3:HeadObject", None, held).await
    }

    async fn renew(&self, key: &str, digest: &Digest) -> Result<bool, PortError> {
        let renew = |state: &mut State| {
            if state.home.get(key) != Some(digest) {
                return Ok(false);
            }
            let bytes = state.objects.latest_bytes(None, key);
            state.keep(None, key, *digest, bytes);
            Ok(true)
        };
        self.0.call("s3:CopyObject", None, renew).await
    }

    async fn put(&self, key: &str, digest: &Digest, body: Body) -> Result<(), PortError> {
        let bytes = collect(body).await?;
        let bytes_len = bytes.len() as u64;
        self.0
            .call("s3:PutObject", None, |state| {
                if Digest::of(&bytes) != *digest {
                    return Err(PortError::new(
                        ErrorKind::Permanent,
                        "s3:PutObject",
                        "BadDigest: The SHA256 you specified did not match",
                    ));
                }
                if key.starts_with("templates/") {
                    state.templates.insert(*digest, bytes);
                } else if key.ends_with(".image") {
                    state.manifests.insert(*digest, bytes);
                }
                state.keep(None, key, *digest, bytes_len);
                Ok(())
            })
            .await
    }

    async fn lift(
        &self,
        object: &ObjectRef,
        range: Range<u64>,
        parked: &str,
    ) -> Result<Option<Digest>, PortError> {
        self.0
            .call("s3:UploadPartCopy", None, |state| {
                let found = uploaded(state, object)?;
                let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                if range.start >= range.end || range.end > found.bytes.len() as u64 {
                    return Err(PortError::new(ErrorKind::Permanent, "s3:UploadPartCopy", "InvalidArgument"));
                }
                let digest = Digest::of(&found.bytes[at(range.start)..at(range.end)]);
                state.keep(None, parked, digest, range.end - range.start);
                Ok(Some(digest))
            })
            .await
    }

    async fn settle(&self, parked: &str, key: &str, digest: &Digest) -> Result<bool, PortError> {
        self.0
            .call("s3:CopyObject", None, |state| {
                let found = state.home.get(parked).copied().ok_or_else(missing)?;
                if found != *digest {
                    let what = "what was parked has another digest";
                    return Err(PortError::new(ErrorKind::Permanent, "s3:CopyObject", what));
                }
                if state.home_copies_unproven {
                    return Ok(false);
                }
                let bytes = state.objects.latest_bytes(None, parked);
                state.keep(None, key, found, bytes);
                Ok(true)
            })
            .await
    }

    async fn fetch(&self, from: &ExternalObject, parked: &str) -> Result<Option<Digest>, PortError> {
        self.0
            .call("s3:CopyObject", None, |state| {
                let found = external(state, from)?;
                let (digest, bytes) = (Digest::of(&found), found.len() as u64);
                state.keep(None, parked, digest, bytes);
                Ok(Some(digest).filter(|_| !state.home_copies_unproven))
            })
            .await
    }

    async fn read_parked(&self, parked: &str) -> Result<(u64, Box<dyn ChunkStream>), PortError> {
        self.0
            .call("s3:GetObject", None, |state| {
                let digest = state.home.get(parked).ok_or_else(missing)?;
                let found = state.external.values().find(|bytes| Digest::of(bytes) == *digest);
                let found = found.cloned().ok_or_else(missing)?;
                let length = found.len() as u64;
                Ok((length, whole(found)))
            })
            .await
    }

    async fn list_incoming(&self, after: Option<&str>) -> Result<IncomingPage, PortError> {
        const PAGE: usize = 3;
        self.0
            .call("s3:ListObjectVersions", None, |state| {
                let mut latest: Vec<Incoming> = Vec::new();
                let incoming = state.uploads.iter().filter(|((key, _), _)| key.starts_with(INCOMING));
                for ((key, version_id), object) in incoming {
                    let version = ObjectVersion {
                        key: key.clone(),
                        version_id: version_id.clone(),
                        uploaded_at: object.uploaded_at,
                    };
                    let upload = Incoming { object: version, is_multipart: object.is_multipart };
                    match latest.last_mut().filter(|last| last.object.key == *key) {
                        Some(last) if last.object.uploaded_at <= object.uploaded_at => *last = upload,
                        Some(_) => {}
                        None => latest.push(upload),
                    }
                }
                latest.retain(|upload| after.is_none_or(|after| upload.object.key.as_str() > after));
                let next = (latest.len() > PAGE).then(|| latest[PAGE - 1].object.key.clone());
                latest.truncate(PAGE);
                Ok(IncomingPage { objects: latest, next })
            })
            .await
    }
}

/// The artifact buckets.
pub struct SimReplicas(pub Shared);

#[async_trait]
impl ReplicaStore for SimReplicas {
    async fn presence(&self, place: &Place, key: &str) -> Result<Seen, PortError> {
        self.0
            .call("s3:HeadObject", Some(&place.site), |state| {
                let found = state.replicas.get(&(place.site.clone(), key.to_owned()));
                Ok(Seen {
                    presence: found.map_or(Presence::Absent, |digest| Presence::Proven(*digest)),
                    stored_at: state.objects.stored_at(Some(&place.site), key),
                })
            })
            .await
    }

    async fn copy(&self, place: &Place, source: &CopySource, how: Copies) -> Result<Presence, PortError> {
        let operation = match how {
            Copies::S3 => "s3:CopyObject",
            Copies::Streamed => "s3:PutObject",
        };
        self.0
            .call(operation, Some(&place.site), |state| {
                if let Some(refusal) = state.replica_refusals.get(&place.site) {
                    return Err(refusal.clone());
                }
                let digest = *state.home.get(&source.key).ok_or_else(missing)?;
                if how == Copies::Streamed && digest != source.digest {
                    // S3 refuses bytes whose digest differs from the given one.
                    let found = state.replicas.get(&(place.site.clone(), source.key.clone()));
                    return Ok(found.map_or(Presence::Absent, |digest| Presence::Proven(*digest)));
                }
                state.copies += 1;
                let bytes = state.objects.latest_bytes(None, &source.key);
                state.keep(Some(&place.site), &source.key, digest, bytes);
                // S3 proves the bytes of a PUT, whatever it reports of its own copies.
                let seems = state.replica_proofs.get(&place.site).filter(|_| how == Copies::S3);
                Ok(seems.copied().unwrap_or(Presence::Proven(digest)))
            })
            .await
    }
}

/// The buckets that every stack contains.
pub fn buckets(state: &State, stack: &str) -> Vec<StackResource> {
    let bucket = |name: &String| StackResource {
        logical_id: name.clone(),
        physical_id: name.clone(),
        resource_type: "AWS::S3::Bucket".into(),
        status: "CREATE_COMPLETE".into(),
    };
    state.buckets.keys().filter(|_| stack.ends_with(&state.buckets_in)).map(bucket).collect()
}

/// Buckets of previews.
pub struct SimBuckets(pub Shared);

#[async_trait]
impl Buckets for SimBuckets {
    async fn empty(&self, place: &Place, bucket: &str) -> Result<Emptied, PortError> {
        self.0
            .call("s3:DeleteObjects", Some(&place.site), |state| {
                let mut none = 0;
                let parts = state.buckets.get_mut(bucket).unwrap_or(&mut none);
                let removed = u64::from(*parts > 0);
                *parts = parts.saturating_sub(1);
                Ok(Emptied { removed, done: *parts == 0 })
            })
            .await
    }
}
