//! Parts that several items share.

use super::safeguards::StoredSafeguards;
use flotilla_domain::deployment::{Access, Drift, StackPolicy};
use flotilla_domain::release::package::{FunctionAlias, FunctionCode};
use flotilla_domain::release::{ReleaseRef, Source, StackRef, StackRelease};
use flotilla_domain::{
    Cause, Code, Digest, GitRef, Refusal, ReleaseId, StackName, StackPart, Target, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Adds the name of the field to a parser's error.
pub fn parsed<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|e| format!("{what}: {e}"))
}

pub fn time(text: &str) -> Result<Timestamp, String> {
    parsed("time", text.parse())
}

pub fn targets(texts: &[String]) -> Result<Vec<Target>, String> {
    texts.iter().map(|text| parsed("target", Target::parse(text))).collect()
}

pub fn target_texts(targets: &[Target]) -> Vec<String> {
    targets.iter().map(ToString::to_string).collect()
}

pub fn digest(text: &str) -> Result<Digest, String> {
    parsed("digest", Digest::parse_hex(text))
}

/// A cause or a refusal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredCause {
    code: String,
    message: String,
    fix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

fn code(text: &str) -> Result<Code, String> {
    Code::parse(text).ok_or_else(|| format!("code: {text}"))
}

impl StoredCause {
    pub fn of_cause(cause: &Cause) -> Self {
        let Cause { code, message, fix, resource } = cause.clone();
        Self { code: code.to_string(), message, fix, place: resource }
    }

    pub fn to_cause(&self) -> Result<Cause, String> {
        let Self { code: text, message, fix, place } = self.clone();
        Ok(Cause { code: code(&text)?, message, fix, resource: place })
    }

    pub fn of_refusal(refusal: &Refusal) -> Self {
        let Refusal { code, message, fix, path } = refusal.clone();
        Self { code: code.to_string(), message, fix, place: path }
    }

    pub fn to_refusal(&self) -> Result<Refusal, String> {
        let Self { code: text, message, fix, place } = self.clone();
        Ok(Refusal { code: code(&text)?, message, fix, path: place })
    }
}

/// The key of the only stack of a package, which has no name.
pub const ONLY: &str = "-";

/// A stack's part as the key of a map.
pub fn part_name(part: &Option<StackPart>) -> String {
    part.as_ref().map_or_else(|| ONLY.to_owned(), ToString::to_string)
}

/// Reads a part that [`part_name`] wrote, and the name of its stack.
pub fn read_stack(part: &str, name: &str) -> Result<(Option<StackPart>, StackName), String> {
    let part = match part {
        ONLY => None,
        part => Some(parsed("part", StackPart::parse(part))?),
    };
    Ok((part, parsed("stack", StackName::parse(name))?))
}

/// The roles of a target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredAccess {
    role_arn: String,
    external_id: String,
    service_role_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_boundary: Option<String>,
}

impl StoredAccess {
    pub fn of(access: &Access) -> Self {
        let Access { role_arn, external_id, service_role_arn, role_boundary } = access.clone();
        Self { role_arn, external_id, service_role_arn, role_boundary }
    }

    pub fn read(self) -> Access {
        let Self { role_arn, external_id, service_role_arn, role_boundary } = self;
        Access { role_arn, external_id, service_role_arn, role_boundary }
    }
}

/// A function's code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredFunction {
    id: String,
    asset: String,
}

pub fn store_functions(functions: &[FunctionCode]) -> Vec<StoredFunction> {
    functions
        .iter()
        .map(|f| StoredFunction { id: f.logical_id.clone(), asset: f.asset.to_string() })
        .collect()
}

pub fn read_functions(functions: Vec<StoredFunction>) -> Result<Vec<FunctionCode>, String> {
    functions.into_iter().map(|f| Ok(FunctionCode { logical_id: f.id, asset: digest(&f.asset)? })).collect()
}

/// An alias of a function, by logical ids: alias, function, version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredAlias(String, String, String);

pub fn store_aliases(aliases: &[FunctionAlias]) -> Vec<StoredAlias> {
    aliases.iter().map(|a| StoredAlias(a.alias.clone(), a.function.clone(), a.version.clone())).collect()
}

pub fn read_aliases(aliases: Vec<StoredAlias>) -> Vec<FunctionAlias> {
    let read = |StoredAlias(alias, function, version)| FunctionAlias { alias, function, version };
    aliases.into_iter().map(read).collect()
}

/// One stack of a release as rollouts need it.
#[derive(Serialize, Deserialize)]
pub struct StoredStackRef {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    template: String,
    functions: Vec<StoredFunction>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<StoredAlias>,
    parameters: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl StoredStackRef {
    fn of(stack: &StackRef) -> Self {
        Self {
            part: stack.part.as_ref().map(ToString::to_string),
            template: stack.template.to_string(),
            functions: store_functions(&stack.functions),
            aliases: store_aliases(&stack.aliases),
            parameters: stack.parameters.clone(),
            tags: stack.tags.clone(),
        }
    }

    fn read(self) -> Result<StackRef, String> {
        Ok(StackRef {
            part: self.part.map(|part| parsed("part", StackPart::parse(&part))).transpose()?,
            template: digest(&self.template)?,
            functions: read_functions(self.functions)?,
            aliases: read_aliases(self.aliases),
            parameters: self.parameters,
            tags: self.tags,
        })
    }
}

/// A release as rollouts need it.
#[derive(Serialize, Deserialize)]
pub struct StoredReleaseRef {
    release: String,
    package: String,
    /// Ref and build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stacks: Vec<StoredStackRef>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    authors: BTreeSet<String>,
    /// Up to format 2 there was one stack only.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    only: Option<StoredOnlyStack>,
}

#[derive(Serialize, Deserialize)]
struct StoredOnlyStack {
    template: String,
    functions: Vec<StoredFunction>,
    /// Format 1 did not have it: it stored values of declared parameters only.
    #[serde(default)]
    parameters: Option<BTreeSet<String>>,
}

impl StoredReleaseRef {
    pub fn of(release: &ReleaseRef) -> Self {
        Self {
            release: release.release.to_string(),
            package: release.package.to_string(),
            source: release.source.as_ref().map(|source| (source.git_ref.to_string(), source.build.clone())),
            stacks: release.stacks.iter().map(StoredStackRef::of).collect(),
            authors: release.authors.clone(),
            only: None,
        }
    }

    pub fn read(self, values: &BTreeMap<String, String>) -> Result<ReleaseRef, String> {
        let only = self.only.map(|only| StoredStackRef {
            part: None,
            template: only.template,
            functions: only.functions,
            aliases: Vec::new(),
            parameters: only.parameters.unwrap_or_else(|| values.keys().cloned().collect()),
            tags: BTreeMap::new(),
        });
        let source = self.source.map(|(git_ref, build)| {
            let git_ref = GitRef::parse(&git_ref).ok_or("a release's ref is malformed")?;
            Ok::<_, String>(Source { git_ref, build })
        });
        Ok(ReleaseRef {
            release: parsed("release", ReleaseId::parse(&self.release))?,
            package: digest(&self.package)?,
            source: source.transpose()?,
            stacks: only
                .into_iter()
                .chain(self.stacks)
                .map(StoredStackRef::read)
                .collect::<Result<_, _>>()?,
            authors: self.authors,
        })
    }
}

/// A stack's part of a release as deployments need it.
#[derive(Serialize, Deserialize)]
pub struct StoredStackRelease {
    release: String,
    package: String,
    template: String,
    functions: Vec<StoredFunction>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<StoredAlias>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    may_keep_bucket: bool,
}

impl StoredStackRelease {
    pub fn of(stack: &StackRelease) -> Self {
        Self {
            release: stack.release.to_string(),
            package: stack.package.to_string(),
            template: stack.template.to_string(),
            functions: store_functions(&stack.functions),
            aliases: store_aliases(&stack.aliases),
            may_keep_bucket: stack.may_keep_bucket,
        }
    }

    pub fn read(self) -> Result<StackRelease, String> {
        Ok(StackRelease {
            release: parsed("release", ReleaseId::parse(&self.release))?,
            package: digest(&self.package)?,
            template: digest(&self.template)?,
            functions: read_functions(self.functions)?,
            aliases: read_aliases(self.aliases),
            may_keep_bucket: self.may_keep_bucket,
        })
    }
}

/// A stack's policy. Format 1 had none.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub struct StoredPolicy {
    recreate_failed: bool,
    force_delete: bool,
    express: bool,
    drift: String,
    refuse_warnings: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    skip_resources: BTreeSet<String>,
    safeguards: StoredSafeguards,
}

impl Default for StoredPolicy {
    fn default() -> Self {
        Self::of(&StackPolicy::default())
    }
}

impl StoredPolicy {
    pub fn of(policy: &StackPolicy) -> Self {
        let drift = match policy.drift {
            Drift::Ignore => "ignore",
            Drift::Revert => "revert",
            Drift::Refuse => "refuse",
        };
        Self {
            recreate_failed: policy.recreate_failed,
            force_delete: policy.force_delete,
            express: policy.express,
            drift: drift.into(),
            refuse_warnings: policy.refuse_warnings,
            skip_resources: policy.skip_resources.clone(),
            safeguards: StoredSafeguards::of(&policy.safeguards),
        }
    }

    pub fn read(self) -> Result<StackPolicy, String> {
        let drift = match self.drift.as_str() {
            "ignore" => Drift::Ignore,
            "revert" => Drift::Revert,
            "refuse" => Drift::Refuse,
            other => return Err(format!("drift: {other}")),
        };
        Ok(StackPolicy {
            recreate_failed: self.recreate_failed,
            force_delete: self.force_delete,
            express: self.express,
            drift,
            refuse_warnings: self.refuse_warnings,
            skip_resources: self.skip_resources,
            safeguards: self.safeguards.read(),
        })
    }
}
