//! Releases: packages that were accepted for a service.

pub mod asset;
pub mod limited_name;
pub mod package;
pub mod provenance;
pub mod stage_ids;
pub mod upload_key;

use crate::code::Refusal;
use crate::digest::Digest;
use crate::git_ref::GitRef;
use crate::ids::{ReleaseId, RolloutId, UploadId};
use crate::names::{ServiceName, StackPart, StageName};
use jiff::Timestamp;
use package::{FunctionAlias, FunctionCode, Package};
use provenance::Provenance;
use std::collections::{BTreeMap, BTreeSet};

/// The object version of an upload. It is pinned at the first read, and all later reads name the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The decoded key.
    pub key: String,
    /// S3's version id.
    pub version_id: String,
    /// When S3 stored it, to the second.
    pub uploaded_at: Timestamp,
}

impl ObjectVersion {
    /// The parts that identify this object version.
    fn parts(&self) -> [&str; 2] {
        [&self.key, &self.version_id]
    }

    /// The id of the upload.
    pub fn upload_id(&self) -> UploadId {
        UploadId::derive(self.uploaded_at, &self.parts())
    }

    /// The id of the release that the upload becomes.
    pub fn release_id(&self) -> ReleaseId {
        ReleaseId::derive(self.uploaded_at, &self.parts())
    }

    /// The id of the rollout that the upload starts.
    pub fn rollout_id(&self) -> RolloutId {
        RolloutId::derive(self.uploaded_at, &self.parts())
    }
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// The service.
    pub service: ServiceName,
    /// The ref that it was built from.
    pub git_ref: GitRef,
    /// CI's name of the build.
    pub build: String,
    /// The upload.
    pub object: ObjectVersion,
    /// The package.
    pub package: Package,
    /// Who signed it; `None` if it is not signed.
    pub provenance: Option<Provenance>,
}

/// The outcome of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It became a release and started a rollout.
    Accepted {
        /// The release.
        release: ReleaseId,
        /// Its package.
        digest: Digest,
        /// The rollout.
        rollout: RolloutId,
    },
    /// It was a close marker: the ref's preview ends.
    Closed {
        /// The removal; `None` if there was nothing to remove, or the ref was uploaded again after the marker.
        removal: Option<RolloutId>,
    },
    /// It was refused.
    Refused(Refusal),
}

impl Verdict {
    /// The rollout that it started.
    pub fn rollout(&self) -> Option<RolloutId> {
        match self {
            Self::Accepted { rollout, .. } => Some(*rollout),
            Self::Closed { removal } => *removal,
            Self::Refused(_) => None,
        }
    }
}

/// An upload as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// The service in its key; `None` if the key names none.
    pub service: Option<ServiceName>,
    /// The object.
    pub object: ObjectVersion,
    /// The outcome.
    pub verdict: Verdict,
    /// When the outcome was decided.
    pub decided_at: Timestamp,
}

/// What a release was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The ref.
    pub git_ref: GitRef,
    /// CI's name of the build.
    pub build: String,
}

/// The part of a release that a rollout needs. It is fixed when the rollout is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRef {
    /// The release.
    pub release: ReleaseId,
    /// Its package.
    pub package: Digest,
    /// What it was built from; `None` in rollouts that were saved before this was recorded.
    pub source: Option<Source>,
    /// Its stacks, in the order of their dependencies.
    pub stacks: Vec<StackRef>,
    /// Its [authors](Provenance::authors).
    pub authors: BTreeSet<String>,
}

/// The part of a stack of a release that a rollout needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackRef {
    /// The stack's name within the package.
    pub part: Option<StackPart>,
    /// The template: `templates/<digest>.json` in the target's bucket.
    pub template: Digest,
    /// The functions whose code is read back after the update.
    pub functions: Vec<FunctionCode>,
    /// The aliases whose traffic can be shifted.
    pub aliases: Vec<FunctionAlias>,
    /// The parameters that the template declares. Only their values are passed.
    pub parameters: BTreeSet<String>,
    /// The tags that the packaging tool sets on the stack.
    pub tags: BTreeMap<String, String>,
}

/// The part of a release that a deployment of one stack needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackRelease {
    /// The release.
    pub release: ReleaseId,
    /// Its package.
    pub package: Digest,
    /// The template: `templates/<digest>.json` in the target's bucket.
    pub template: Digest,
    /// The functions whose code is read back after the update.
    pub functions: Vec<FunctionCode>,
    /// The aliases whose traffic can be shifted.
    pub aliases: Vec<FunctionAlias>,
    /// Whether the template declares [`package::KEEP_BUCKET_PARAMETER`].
    pub may_keep_bucket: bool,
}

impl Release {
    /// The part of the release that rollouts to a stage need.
    pub fn to_ref(&self, stage: &StageName) -> ReleaseRef {
        let stacks = self.package.stacks.iter().map(|stack| stack.at_stage(stage)).map(|stack| StackRef {
            part: stack.part.clone(),
            template: stack.template,
            functions: stack.functions.clone(),
            aliases: stack.aliases.clone(),
            parameters: stack.parameters.keys().cloned().collect(),
            tags: stack.tags.clone(),
        });
        let source = Source { git_ref: self.git_ref.clone(), build: self.build.clone() };
        ReleaseRef {
            release: self.id,
            package: self.package.digest,
            source: Some(source),
            stacks: stacks.collect(),
            authors: self.provenance.iter().flat_map(|provenance| &provenance.authors).cloned().collect(),
        }
    }
}

impl ReleaseRef {
    /// One of its stacks.
    pub fn stack(&self, part: Option<&StackPart>) -> Option<&StackRef> {
        self.stacks.iter().find(|stack| stack.part.as_ref() == part)
    }
}
