//! A release: `SVC#<service>` / `REL#<release id>`.

use super::Record;
use super::common::{StoredFunction, digest, parsed, read_functions, store_functions, time};
use super::config::service_pk;
use crate::ports::{Key, Query};
use flotilla_domain::package::{Package, PackageFormat, Warning};
use flotilla_domain::release::{ObjectVersion, Release};
use flotilla_domain::{GitRef, ReleaseId, ServiceName, StageName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const SK: &str = "REL#";

/// The key of a release.
pub fn release_key(service: &ServiceName, id: &ReleaseId) -> Key {
    Key::new(service_pk(Some(service)), format!("{SK}{id}"))
}

/// A page of a service's releases, newest first.
pub fn releases_query(service: &ServiceName, after: Option<String>, limit: usize) -> Query {
    Query { pk: service_pk(Some(service)), prefix: SK.into(), after, newest_first: true, limit }
}

#[derive(Serialize, Deserialize)]
pub struct StoredRelease {
    format: u32,
    id: String,
    service: String,
    #[serde(rename = "ref")]
    git_ref: String,
    build: String,
    key: String,
    version_id: String,
    uploaded_at: String,
    digest: String,
    package_format: String,
    template: String,
    /// Sizes in bytes by digest.
    assets: BTreeMap<String, u64>,
    functions: Vec<StoredFunction>,
    capabilities: BTreeSet<String>,
    parameters: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made_for: Option<String>,
    /// Path and message of each.
    warnings: Vec<[String; 2]>,
}

/// Most warnings that are kept with a release.
const WARNINGS_MAX: usize = 100;

impl Record for Release {
    type Stored = StoredRelease;

    fn key(&self) -> Key {
        release_key(&self.service, &self.id)
    }

    fn to_stored(&self) -> StoredRelease {
        let package = &self.package;
        StoredRelease {
            format: 1,
            id: self.id.to_string(),
            service: self.service.to_string(),
            git_ref: self.git_ref.to_string(),
            build: self.build.clone(),
            key: self.object.key.clone(),
            version_id: self.object.version_id.clone(),
            uploaded_at: self.object.uploaded_at.to_string(),
            digest: package.digest.to_string(),
            package_format: package.format.as_str().into(),
            template: package.template.to_string(),
            assets: package.assets.iter().map(|(digest, bytes)| (digest.to_string(), *bytes)).collect(),
            functions: store_functions(&package.functions),
            capabilities: package.capabilities.clone(),
            parameters: package.parameters.clone(),
            made_for: package.made_for.as_ref().map(ToString::to_string),
            warnings: package
                .warnings
                .iter()
                .take(WARNINGS_MAX)
                .map(|w| [w.path.clone(), w.message.clone()])
                .collect(),
        }
    }

    fn from_stored(stored: StoredRelease) -> Result<Self, String> {
        let assets: Result<_, String> =
            stored.assets.into_iter().map(|(asset, bytes)| Ok((digest(&asset)?, bytes))).collect();
        let package = Package {
            digest: digest(&stored.digest)?,
            format: PackageFormat::parse(&stored.package_format).ok_or("package_format")?,
            template: digest(&stored.template)?,
            assets: assets?,
            functions: read_functions(stored.functions)?,
            capabilities: stored.capabilities,
            parameters: stored.parameters,
            made_for: stored.made_for.map(|s| parsed("made_for", StageName::parse(&s))).transpose()?,
            warnings: stored.warnings.into_iter().map(|[path, message]| Warning { path, message }).collect(),
        };
        Ok(Self {
            id: parsed("id", ReleaseId::parse(&stored.id))?,
            service: parsed("service", ServiceName::parse(&stored.service))?,
            git_ref: GitRef::parse(&stored.git_ref).ok_or("ref")?,
            build: stored.build,
            object: ObjectVersion {
                key: stored.key,
                version_id: stored.version_id,
                uploaded_at: time(&stored.uploaded_at)?,
            },
            package,
        })
    }
}
