//! A release: `SVC#<service>` / `REL#<release id>`.

use super::Record;
use super::common::{
    StoredAlias, StoredFunction, digest, parsed, read_aliases, read_functions, store_aliases,
    store_functions, time,
};
use super::config::service_pk;
use crate::ports::{Key, Query};
use flotilla_domain::release::limited_name::LimitedName;
use flotilla_domain::release::package::{
    Asset, AssetKind, GlobalName, Package, PackageFormat, PackagedStack, Rewrite, Warning,
};
use flotilla_domain::release::provenance::{BuildLevel, Provenance};
use flotilla_domain::release::{ObjectVersion, Release};
use flotilla_domain::{Code, GitRef, ReleaseId, ServiceName, StackPart, StageName};
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
    /// In format 1, the release itself was its only stack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stacks: Vec<StoredStack>,
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    only: Option<StoredStack>,
    /// Sizes in bytes by key; in format 1, by the digest of a zip.
    assets: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made_for: Option<String>,
    /// Path, literal, parameter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rewrites: Vec<[String; 3]>,
    /// Code, path, message; in format 1, without the code.
    warnings: Vec<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<StoredProvenance>,
}

/// Who signed the release.
#[derive(Serialize, Deserialize)]
struct StoredProvenance {
    issuer: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    git_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    builder: Option<String>,
    level: BuildLevel,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    authors: BTreeSet<String>,
    signed: String,
    signed_at: String,
}

impl StoredProvenance {
    fn of(provenance: &Provenance) -> Self {
        let Provenance {
            issuer,
            subject,
            repository,
            git_ref,
            commit,
            builder,
            level,
            authors,
            signed,
            signed_at,
        } = provenance.clone();
        let (signed, signed_at) = (signed.to_string(), signed_at.to_string());
        Self { issuer, subject, repository, git_ref, commit, builder, level, authors, signed, signed_at }
    }

    fn read(self) -> Result<Provenance, String> {
        let Self { issuer, subject, repository, git_ref, commit, builder, level, authors, signed, signed_at } =
            self;
        let (signed, signed_at) = (digest(&signed)?, time(&signed_at)?);
        Ok(Provenance {
            issuer,
            subject,
            repository,
            git_ref,
            commit,
            builder,
            level,
            authors,
            signed,
            signed_at,
        })
    }
}

/// One stack of the package.
#[derive(Serialize, Deserialize)]
struct StoredStack {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    after: BTreeSet<String>,
    template: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    stage_templates: BTreeMap<String, String>,
    functions: Vec<StoredFunction>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<StoredAlias>,
    capabilities: BTreeSet<String>,
    parameters: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    secret_parameters: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    global_names: Vec<StoredGlobal>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    long_names: Vec<StoredName>,
    /// Older releases have none.
    #[serde(default)]
    resources: usize,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

/// A name that exists once for all regions.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredGlobal {
    Path(String),
    OfParameters { path: String, parameters: BTreeSet<String> },
}

impl StoredGlobal {
    fn of(name: &GlobalName) -> Self {
        let GlobalName { path, parameters } = name.clone();
        if parameters.is_empty() { Self::Path(path) } else { Self::OfParameters { path, parameters } }
    }

    fn read(self) -> GlobalName {
        match self {
            Self::Path(path) => GlobalName { path, parameters: BTreeSet::new() },
            Self::OfParameters { path, parameters } => GlobalName { path, parameters },
        }
    }
}

/// A name that may be too long.
#[derive(Serialize, Deserialize)]
struct StoredName {
    path: String,
    max: usize,
    literal: usize,
    stages: usize,
    regions: usize,
    stacks: usize,
}

impl StoredName {
    fn of(name: &LimitedName) -> Self {
        let LimitedName { path, max, literal, stages, regions, stacks } = name.clone();
        Self { path, max, literal, stages, regions, stacks }
    }

    fn read(self) -> LimitedName {
        let Self { path, max, literal, stages, regions, stacks } = self;
        LimitedName { path, max, literal, stages, regions, stacks }
    }
}

impl StoredStack {
    fn of(stack: &PackagedStack) -> Self {
        Self {
            part: stack.part.as_ref().map(ToString::to_string),
            after: stack.after.iter().map(ToString::to_string).collect(),
            template: stack.template.to_string(),
            stage_templates: stack
                .stage_templates
                .iter()
                .map(|(stage, template)| (stage.to_string(), template.to_string()))
                .collect(),
            functions: store_functions(&stack.functions),
            aliases: store_aliases(&stack.aliases),
            capabilities: stack.capabilities.clone(),
            parameters: stack.parameters.clone(),
            secret_parameters: stack.secret_parameters.clone(),
            global_names: stack.global_names.iter().map(StoredGlobal::of).collect(),
            long_names: stack.long_names.iter().map(StoredName::of).collect(),
            resources: stack.resources,
            tags: stack.tags.clone(),
        }
    }

    fn read(self) -> Result<PackagedStack, String> {
        let part = |part: &String| parsed("part", StackPart::parse(part));
        Ok(PackagedStack {
            part: self.part.as_ref().map(part).transpose()?,
            after: self.after.iter().map(part).collect::<Result<_, _>>()?,
            template: digest(&self.template)?,
            stage_templates: self
                .stage_templates
                .iter()
                .map(|(stage, template)| Ok((parsed("stage", StageName::parse(stage))?, digest(template)?)))
                .collect::<Result<_, String>>()?,
            functions: read_functions(self.functions)?,
            aliases: read_aliases(self.aliases),
            capabilities: self.capabilities,
            parameters: self.parameters,
            secret_parameters: self.secret_parameters,
            global_names: self.global_names.into_iter().map(StoredGlobal::read).collect(),
            long_names: self.long_names.into_iter().map(StoredName::read).collect(),
            resources: self.resources,
            tags: self.tags,
        })
    }
}

/// Most warnings, and most rewrites, that are kept with a release.
const NOTES_MAX: usize = 100;
/// Longest text of a warning or rewrite, in bytes.
const NOTE_BYTES_MAX: usize = 400;

fn note(text: &str) -> String {
    text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= NOTE_BYTES_MAX).map(|(_, c)| c).collect()
}

impl Record for Release {
    type Stored = StoredRelease;

    fn key(&self) -> Key {
        release_key(&self.service, &self.id)
    }

    fn to_stored(&self) -> StoredRelease {
        let package = &self.package;
        let rewrites = package.rewrites.iter().take(NOTES_MAX);
        let warnings = package.warnings.iter().take(NOTES_MAX);
        StoredRelease {
            format: 2,
            id: self.id.to_string(),
            service: self.service.to_string(),
            git_ref: self.git_ref.to_string(),
            build: self.build.clone(),
            key: self.object.key.clone(),
            version_id: self.object.version_id.clone(),
            uploaded_at: self.object.uploaded_at.to_string(),
            digest: package.digest.to_string(),
            package_format: package.format.as_str().into(),
            stacks: package.stacks.iter().map(StoredStack::of).collect(),
            only: None,
            assets: package.assets.iter().map(|(asset, bytes)| (asset.key(), *bytes)).collect(),
            made_for: package.made_for.as_ref().map(ToString::to_string),
            rewrites: rewrites.map(|r| [note(&r.path), note(&r.from), note(&r.to)]).collect(),
            warnings: warnings.map(|w| vec![w.code.to_string(), note(&w.path), note(&w.message)]).collect(),
            provenance: self.provenance.as_ref().map(StoredProvenance::of),
        }
    }

    fn from_stored(stored: StoredRelease) -> Result<Self, String> {
        let asset = |key: &str| match Asset::parse_key(key) {
            Some(asset) => Ok(asset),
            None => Ok::<_, String>(Asset { kind: AssetKind::Zip, digest: digest(key)? }),
        };
        let assets: Result<_, String> =
            stored.assets.into_iter().map(|(key, bytes)| Ok((asset(&key)?, bytes))).collect();
        let stacks: Result<_, String> =
            stored.only.into_iter().chain(stored.stacks).map(StoredStack::read).collect();
        let rewrites = stored.rewrites.into_iter().map(|[path, from, to]| Rewrite { path, from, to });
        let warnings: Result<_, String> = stored
            .warnings
            .into_iter()
            .filter_map(|warning| <[String; 3]>::try_from(warning).ok())
            .map(|[code, path, message]| {
                let code = Code::parse(&code).ok_or_else(|| format!("the code {code} is not known"))?;
                Ok(Warning { code, path, message })
            })
            .collect();
        let package = Package {
            digest: digest(&stored.digest)?,
            format: PackageFormat::parse(&stored.package_format).ok_or("package_format")?,
            stacks: stacks?,
            assets: assets?,
            made_for: stored.made_for.map(|s| parsed("made_for", StageName::parse(&s))).transpose()?,
            rewrites: rewrites.collect(),
            warnings: warnings?,
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
            provenance: stored.provenance.map(StoredProvenance::read).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_global_name_is_read_as_it_was_stored_also_by_an_earlier_version() {
        let path = "Resources.Role.Properties.RoleName".to_owned();
        let of = |parameters: &[&str]| GlobalName {
            path: path.clone(),
            parameters: parameters.iter().map(ToString::to_string).collect(),
        };
        let stored = |name: &GlobalName| serde_json::to_value(StoredGlobal::of(name)).unwrap();
        assert_eq!(stored(&of(&[])), serde_json::json!(path), "as before names had parameters");
        for name in [of(&[]), of(&["A", "B"])] {
            assert_eq!(serde_json::from_value::<StoredGlobal>(stored(&name)).unwrap().read(), name);
        }
    }

    #[test]
    fn a_note_is_cut_at_a_characters_end() {
        assert_eq!(note("why"), "why");
        let whole = "x".repeat(NOTE_BYTES_MAX);
        assert_eq!(note(&format!("{whole}x")), whole);
        let before = "x".repeat(NOTE_BYTES_MAX - 1);
        assert_eq!(note(&format!("{before}ü")), before);
        assert_eq!(note(&format!("{}ü", &before[1..])).len(), NOTE_BYTES_MAX);
    }
}
