//! An upload, accepted or refused with its reason: `SVC#<service>` / `UPL#<upload id>`.

use super::Record;
use super::common::{StoredCause, digest, parsed, time};
use super::config::service_pk;
use crate::ports::{Key, Query};
use flotilla_domain::release::{ObjectVersion, Upload, Verdict};
use flotilla_domain::{ReleaseId, RolloutId, ServiceName, UploadId};
use serde::{Deserialize, Serialize};

const SK: &str = "UPL#";

/// The key of an upload.
pub fn upload_key(service: Option<&ServiceName>, id: &UploadId) -> Key {
    Key::new(service_pk(service), format!("{SK}{id}"))
}

/// A page of uploads, newest first. `None` lists the uploads that name no service.
pub fn uploads_query(service: Option<&ServiceName>, after: Option<String>, limit: usize) -> Query {
    Query { pk: service_pk(service), prefix: SK.into(), after, newest_first: true, limit }
}

#[derive(Serialize, Deserialize)]
pub struct StoredUpload {
    format: u32,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    key: String,
    version_id: String,
    uploaded_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<StoredAccepted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<StoredCause>,
    /// A close marker: its removal, if there was something to remove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed: Option<StoredClosed>,
    decided_at: String,
}

#[derive(Serialize, Deserialize)]
pub struct StoredAccepted {
    release: String,
    digest: String,
    rollout: String,
}

#[derive(Serialize, Deserialize)]
pub struct StoredClosed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removal: Option<String>,
}

impl Record for Upload {
    type Stored = StoredUpload;

    fn key(&self) -> Key {
        upload_key(self.service.as_ref(), &self.id)
    }

    fn to_stored(&self) -> StoredUpload {
        let (mut accepted, mut refused, mut closed) = (None, None, None);
        match &self.verdict {
            Verdict::Accepted { release, digest, rollout } => {
                accepted = Some(StoredAccepted {
                    release: release.to_string(),
                    digest: digest.to_string(),
                    rollout: rollout.to_string(),
                });
            }
            Verdict::Closed { removal } => {
                closed = Some(StoredClosed { removal: removal.map(|id| id.to_string()) });
            }
            Verdict::Refused(refusal) => refused = Some(StoredCause::of_refusal(refusal)),
        }
        StoredUpload {
            format: 1,
            id: self.id.to_string(),
            service: self.service.as_ref().map(ToString::to_string),
            key: self.object.key.clone(),
            version_id: self.object.version_id.clone(),
            uploaded_at: self.object.uploaded_at.to_string(),
            accepted,
            refused,
            closed,
            decided_at: self.decided_at.to_string(),
        }
    }

    fn from_stored(stored: StoredUpload) -> Result<Self, String> {
        let verdict = match (stored.accepted, stored.refused, stored.closed) {
            (Some(accepted), None, None) => Verdict::Accepted {
                release: parsed("release", ReleaseId::parse(&accepted.release))?,
                digest: digest(&accepted.digest)?,
                rollout: parsed("rollout", RolloutId::parse(&accepted.rollout))?,
            },
            (None, Some(refused), None) => Verdict::Refused(refused.to_refusal()?),
            (None, None, Some(StoredClosed { removal })) => Verdict::Closed {
                removal: removal.map(|id| parsed("removal", RolloutId::parse(&id))).transpose()?,
            },
            _ => return Err("an upload is accepted, refused or a close marker".into()),
        };
        Ok(Self {
            id: parsed("id", UploadId::parse(&stored.id))?,
            service: stored.service.map(|s| parsed("service", ServiceName::parse(&s))).transpose()?,
            object: ObjectVersion {
                key: stored.key,
                version_id: stored.version_id,
                uploaded_at: time(&stored.uploaded_at)?,
            },
            verdict,
            decided_at: time(&stored.decided_at)?,
        })
    }
}
