//! Publishes versions and sets aliases, as CloudFormation does at the end of an update.
//!
//! | rule | source |
//! |---|---|
//! | a version is published when its resource is created, and stays when a retained resource leaves the template | user guide, `AWS::Lambda::Version`, `DeletionPolicy` |
//! | CloudFormation changes an alias only if the template's value has changed since its last update | user guide, "Detecting unmanaged configuration changes" |
//! | an alias can only be set with its present revision | API reference, `UpdateAlias`, `RevisionId` |

use crate::change_sets::resources;
use crate::state::State;
use flotilla_domain::release::package::NO_VERSION;
use flotilla_domain::{Digest, Site};
use flotilla_engine::ports::{AliasShares, StackResource};
use serde_json::{Map, Value};

/// The resources of a template that have this type.
fn of_type(resources: &Map<String, Value>, kind: &str) -> Vec<(String, Value)> {
    let of = resources.iter().filter(|(_, resource)| resource["Type"] == kind);
    of.map(|(id, resource)| (id.clone(), resource["Properties"].clone())).collect()
}

/// Applies a template's versions and aliases at the end of an update. Returns the aliases that name another version now.
pub fn apply(
    state: &mut State,
    (site, stack): &(Site, String),
    template: &Digest,
    stable: &str,
) -> Vec<(Site, String)> {
    let resources = resources(state, template);
    let key = |id: &str| (site.clone(), format!("{stack}/{id}"));
    let versions = of_type(&resources, "AWS::Lambda::Version");
    let kept: Vec<(Site, String)> = versions.iter().map(|(id, _)| key(id)).collect();
    let prefix = format!("{stack}/");
    let aliases = &mut state.aliases;
    aliases.versions.retain(|at, _| at.0 != *site || !at.1.starts_with(&prefix) || kept.contains(at));
    for (id, properties) in versions {
        let function = key(properties["FunctionName"]["Ref"].as_str().unwrap_or_default());
        if !aliases.versions.contains_key(&key(&id)) {
            let count = aliases.counts.entry(function).or_default();
            *count += 1;
            aliases.versions.insert(key(&id), *count);
            aliases.published.insert((site.clone(), stack.clone(), *count, *template));
        }
    }
    let mut moved = Vec::new();
    let stable: Vec<&str> = stable.split(',').collect();
    for (id, properties) in of_type(&resources, "AWS::Lambda::Alias") {
        let choice = &properties["FunctionVersion"]["Fn::If"];
        let at = choice[1]["Fn::Select"][0].as_str().and_then(|at| at.parse::<usize>().ok());
        let named = at.and_then(|at| stable.get(at)).filter(|version| !["", NO_VERSION].contains(version));
        let published = choice[2]["Fn::GetAtt"][0].as_str().unwrap_or_default();
        let published = aliases.versions.get(&key(published)).copied().unwrap_or_default().to_string();
        let said = named.map_or(published, |version| (*version).to_owned());
        let shares = AliasShares { version: said.clone(), other: None };
        let before = aliases.named.get(&key(&id));
        if before.is_some_and(|alias| alias.said == said) {
            continue;
        }
        moved.extend(before.filter(|alias| alias.shares.version != said).map(|_| key(&id)));
        aliases.set(key(&id), shares, said);
    }
    moved
}

/// Deletes the aliases of a deleted stack.
pub fn delete(state: &mut State, (site, stack): &(Site, String)) {
    let prefix = format!("{stack}/");
    state.aliases.named.retain(|at, _| at.0 != *site || !at.1.starts_with(&prefix));
    state.aliases.versions.retain(|at, _| at.0 != *site || !at.1.starts_with(&prefix));
}

/// A stack's versions and aliases.
pub fn listed(state: &State, (site, stack): &(Site, String)) -> Vec<StackResource> {
    let prefix = format!("{stack}/");
    let resource = |at: &(Site, String), physical_id, kind: &str| StackResource {
        logical_id: at.1[prefix.len()..].to_owned(),
        physical_id,
        resource_type: kind.into(),
        status: "UPDATE_COMPLETE".into(),
    };
    let of = |at: &(Site, String)| at.0 == *site && at.1.starts_with(&prefix);
    let aliases = state.aliases.named.keys().filter(|at| of(at));
    let aliases = aliases.map(|at| resource(at, at.1.clone(), "AWS::Lambda::Alias"));
    let versions = state.aliases.versions.iter().filter(|(at, _)| of(at));
    let versions =
        versions.map(|(at, number)| resource(at, format!("{}:{number}", at.1), "AWS::Lambda::Version"));
    aliases.chain(versions).collect()
}
