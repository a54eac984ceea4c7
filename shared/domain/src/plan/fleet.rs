//! Merges the plans of all targets: equal changes are listed once.

use super::{ResourceChange, TargetPlan};
use crate::code::cut_to;
use crate::digest::{Digest, Digester};
use crate::names::StackPart;
use crate::target::{Site, Target};
use std::collections::{BTreeMap, BTreeSet};

/// One change, and the targets that it is made at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetChange {
    /// The stack of the package.
    pub part: Option<StackPart>,
    /// The change, without the physical id. If targets differ only in account and region, the values contain
    /// `${AWS::AccountId}` and `${AWS::Region}` instead.
    pub change: ResourceChange,
    /// The targets that it is made at.
    pub targets: BTreeSet<Target>,
    /// Whether these are all targets of the stack with a plan.
    pub everywhere: bool,
}

/// The digest of several targets' plans, computed from the digests of the plans.
pub fn fleet_digest<'a>(plans: impl IntoIterator<Item = (&'a Target, &'a Digest)>) -> Digest {
    let plans: BTreeMap<&Target, &Digest> = plans.into_iter().collect();
    let mut digester = Digester::default();
    for (target, plan) in plans {
        digester.update(format!("{target} {plan}\n").as_bytes());
    }
    digester.finish()
}

/// A change and its target.
type Made<'a> = (&'a Target, &'a ResourceChange);

/// Merges the plans of a rollout's targets by stack and logical id. A resource is listed more than once if targets
/// differ.
pub fn merge(plans: &BTreeMap<Target, TargetPlan>) -> Vec<FleetChange> {
    let mut found: BTreeMap<(&Option<StackPart>, &str), Vec<Made<'_>>> = BTreeMap::new();
    let mut with_part: BTreeMap<&Option<StackPart>, usize> = BTreeMap::new();
    for (target, plan) in plans {
        *with_part.entry(&target.part).or_default() += 1;
        for change in &plan.resources {
            found.entry((&target.part, &change.logical_id)).or_default().push((target, change));
        }
    }
    let changes = found.into_iter().flat_map(|((part, _), made)| {
        let all = with_part.get(part).copied().unwrap_or_default();
        merged(&made).into_iter().map(move |(change, targets)| FleetChange {
            part: part.clone(),
            everywhere: targets.len() == all,
            change,
            targets,
        })
    });
    changes.collect()
}

/// The different changes of one resource, each with its targets; the change with the most targets first.
fn merged(made: &[Made<'_>]) -> Vec<(ResourceChange, BTreeSet<Target>)> {
    let plain = |change: &ResourceChange| ResourceChange { physical_id: None, ..change.clone() };
    let first = made.first().map(|(_, change)| plain(change));
    // If no value differs, a region in a value is a literal and stays.
    if let Some(first) = first.filter(|first| made.iter().all(|(_, change)| plain(change) == *first)) {
        return vec![(first, made.iter().map(|(target, _)| (*target).clone()).collect())];
    }
    let mut merged: BTreeMap<ResourceChange, (ResourceChange, BTreeSet<Target>)> = BTreeMap::new();
    for (target, change) in made {
        let neutral = neutral(plain(change), &target.site);
        let entry = merged.entry(comparable(&neutral)).or_insert_with(|| (neutral, BTreeSet::new()));
        entry.1.insert((*target).clone());
    }
    let mut merged: Vec<_> = merged.into_values().collect();
    merged.sort_by_key(|(_, targets)| std::cmp::Reverse(targets.len()));
    // A change of one target keeps its own values.
    for (change, targets) in &mut merged {
        let own = made.iter().find(|(target, _)| targets.contains(*target));
        if let (1, Some((_, own))) = (targets.len(), own) {
            *change = plain(own);
        }
    }
    merged
}

/// A change whose values have account and region replaced.
fn neutral(mut change: ResourceChange, site: &Site) -> ResourceChange {
    let replaced = |text: &String| {
        text.replace(site.region.as_str(), "${AWS::Region}")
            .replace(site.account.as_str(), "${AWS::AccountId}")
    };
    for property in &mut change.properties {
        property.before = property.before.as_ref().map(replaced);
        property.after = property.after.as_ref().map(replaced);
    }
    change
}

/// The form in which changes are compared. Values that were cut end at different places if the names of regions
/// differ in length, so their last part is not compared.
fn comparable(change: &ResourceChange) -> ResourceChange {
    let shorter = |text: &String| match text.len() {
        len if !text.ends_with('…') => cut_to(text.clone(), len),
        len if len > 400 => cut_to(text.clone(), 400),
        _ => cut_to(text.clone(), 60),
    };
    let mut change = change.clone();
    for property in &mut change.properties {
        property.before = property.before.as_ref().map(shorter);
        property.after = property.after.as_ref().map(shorter);
    }
    change
}
