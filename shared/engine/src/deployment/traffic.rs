//! Reads the aliases of a stack, and sets the shares of their versions.

use crate::deployment::DeploymentController;
use crate::ports::{AliasShares, ErrorKind, Place, PortError};
use flotilla_domain::deployment::{AliasVersions, Deployment, DeploymentKind, Event};
use flotilla_domain::release::StackRelease;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Aliases that are read or set concurrently. Lambda's control plane takes 15 calls a second in an account-region.
const ALIASES_AT_ONCE: usize = 10;

impl DeploymentController {
    /// The versions that the stack's aliases name before the update. An alias that the update will create is left out.
    pub(super) async fn aliases(&self, deployment: &Deployment, place: &Place) -> Result<Event, PortError> {
        let none = Event::AliasesObserved(Vec::new());
        let DeploymentKind::Deploy(release) = &deployment.spec.kind else { return Ok(none) };
        let Some(stack_id) = &deployment.stack_id else { return Ok(none) };
        let resources = self.stacks.resources(place, stack_id).await?;
        let arns: BTreeMap<&str, &str> =
            resources.iter().map(|r| (r.logical_id.as_str(), r.physical_id.as_str())).collect();
        let known = release.aliases.iter().filter_map(|alias| {
            let arn = arns.get(alias.alias.as_str()).filter(|arn| !arn.is_empty())?;
            Some((alias.alias.clone(), (*arn).to_owned()))
        });
        let reads: Vec<_> = known
            .map(|(alias, arn)| async move {
                let seen = self.functions.alias(place, &arn).await?;
                Ok(seen.map(|seen| AliasVersions {
                    alias,
                    arn,
                    stable: seen.shares.version,
                    new: None,
                    revision: seen.revision,
                }))
            })
            .collect();
        let read: Vec<Option<AliasVersions>> =
            stream::iter(reads).buffered(ALIASES_AT_ONCE).try_collect::<Vec<_>>().await?;
        Ok(Event::AliasesObserved(read.into_iter().flatten().collect()))
    }

    /// Gives the new versions this share of every alias. Every alias is tried, also after one has failed, so that as little traffic as
    /// possible stays where it should not be.
    pub(super) async fn shift(
        &self,
        deployment: &Deployment,
        place: &Place,
        percent: u8,
    ) -> Result<Event, PortError> {
        let set: Vec<_> =
            deployment.shared().map(|alias| self.set(place, alias, shares(alias, percent))).collect();
        let done: Vec<Result<Set, PortError>> =
            stream::iter(set).buffer_unordered(ALIASES_AT_ONCE).collect().await;
        let (mut revisions, mut moved) = (BTreeMap::new(), false);
        let mut failed: Option<PortError> = None;
        for one in done {
            match one {
                Ok(Set { alias, revision, is_set }) => {
                    moved |= !is_set;
                    revisions.insert(alias, revision);
                }
                // What may pass is tried again, and the others with it.
                Err(error) if failed.as_ref().is_none_or(|first| !first.may_pass()) => failed = Some(error),
                Err(_) => {}
            }
        }
        match failed {
            Some(error) => Err(error),
            None if moved => Ok(Event::AliasesMoved(revisions)),
            None => Ok(Event::TrafficShifted(revisions)),
        }
    }

    /// Sets one alias. If it has another revision, that is read: this call or an earlier one may have set it already.
    async fn set(&self, place: &Place, alias: &AliasVersions, wanted: AliasShares) -> Result<Set, PortError> {
        let answer = |revision, is_set| Set { alias: alias.alias.clone(), revision, is_set };
        let set = self.functions.set_alias(place, &alias.arn, &wanted, &alias.revision).await;
        if let Ok(Some(revision)) = set {
            return Ok(answer(revision, true));
        }
        let missing = match set {
            Err(error) if error.kind != ErrorKind::Missing => return Err(error),
            other => other.err(),
        };
        let is_back = wanted == shares(alias, 0);
        match (self.functions.alias(place, &alias.arn).await?, missing) {
            // It was deleted: it has no traffic to give back.
            (None, _) if is_back => Ok(answer(alias.revision.clone(), true)),
            // The alias or the version is missing: no step can give it traffic.
            (_, Some(error)) => Err(error),
            (None, None) => Ok(answer(alias.revision.clone(), false)),
            (Some(seen), None) => Ok(answer(seen.revision, seen.shares == wanted)),
        }
    }
}

/// How one alias was set.
struct Set {
    /// Its logical id.
    alias: String,
    revision: String,
    /// Whether it has the share that was asked for.
    is_set: bool,
}

/// What an alias names at a share of the new version.
fn shares(alias: &AliasVersions, percent: u8) -> AliasShares {
    let new = alias.new.clone().unwrap_or_else(|| alias.stable.clone());
    match percent {
        0 => AliasShares { version: alias.stable.clone(), other: None },
        100.. => AliasShares { version: new, other: None },
        _ => AliasShares { version: alias.stable.clone(), other: Some((new, percent)) },
    }
}

/// The versions that the stack has published for its aliases, by logical id: the ARN of a version ends with its number.
pub(super) fn versions_of(
    deployment: &Deployment,
    release: &StackRelease,
    names: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let version = |id: &String| {
        let number = names.get(id)?.rsplit(':').next()?;
        Some((id.clone(), number.to_owned()))
    };
    let aliases = release.aliases.iter().filter(|_| !deployment.aliases.is_empty());
    aliases.filter_map(|alias| version(&alias.version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_version_keeps_what_the_new_one_does_not_get() {
        let alias = AliasVersions {
            alias: "A".into(),
            arn: "arn".into(),
            stable: "7".into(),
            new: Some("8".into()),
            revision: "r".into(),
        };
        let named = |percent| {
            let AliasShares { version, other } = shares(&alias, percent);
            (version, other)
        };
        assert_eq!(named(0), ("7".into(), None));
        assert_eq!(named(5), ("7".into(), Some(("8".into(), 5))));
        assert_eq!(named(100), ("8".into(), None));
    }
}
