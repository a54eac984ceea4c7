//! Plans: what the change sets of a rollout would change, per target and merged.
//!
//! The files: this one the plan of a target, [`fleet`] the merged plans of all targets, [`safeguards`] the checks of
//! a plan, [`stateful`] the types that hold data, `secrets` the values that are never shown.

pub mod fleet;
pub mod safeguards;
pub mod stateful;

pub use fleet::{FleetChange, fleet_digest, merge};
pub use safeguards::{Breach, Safeguards};

use crate::code::cut_to;
use crate::digest::{Digest, Digester};
use crate::secret::{is_secret_name, is_secret_value};

/// The number of changes of a change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeSummary {
    /// Resources that are added.
    pub add: u32,
    /// Resources that are changed in place.
    pub modify: u32,
    /// Resources that are, or may be, replaced.
    pub replace: u32,
    /// Resources that are removed.
    pub remove: u32,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeAction {
    /// It is created.
    Add,
    /// It is updated in place or replaced.
    Modify,
    /// It is removed from the stack.
    Remove,
    /// It exists already and becomes part of the stack.
    Import,
    /// CloudFormation decides during the execution.
    Dynamic,
}

/// Whether a change replaces the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Replacement {
    /// It is not replaced.
    #[default]
    Never,
    /// It may be replaced, depending on values that are not known yet.
    Conditional,
    /// It is replaced.
    Always,
}

/// What happens to a resource that is removed or replaced: CloudFormation's `PolicyAction`, which follows from
/// `DeletionPolicy` and `UpdateReplacePolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    /// It is deleted.
    Deleted,
    /// It is deleted, and a snapshot of it is kept.
    Snapshotted,
    /// It is retained outside of the stack.
    Retained,
}

/// A property that changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PropertyChange {
    /// Where it is, with dots: `Environment.Variables.LEVEL`, `Tags.team`.
    pub path: String,
    /// Its value before, if it has one and CloudFormation shows it.
    pub before: Option<String>,
    /// Its value after, if it has one and CloudFormation knows it.
    pub after: Option<String>,
    /// Whether the values are dropped because they may be secret.
    pub hidden: bool,
    /// Whether this change alone would replace the resource.
    pub recreation: Replacement,
}

impl PropertyChange {
    /// Drops the values if they may be secret. The plan still shows that the property changes.
    fn hide_secrets(&mut self) {
        let secret = |value: &String| is_secret_value(value);
        self.hidden |=
            is_secret_name(&self.path) || [&self.before, &self.after].into_iter().flatten().any(secret);
        if self.hidden {
            (self.before, self.after) = (None, None);
        }
    }
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceChange {
    /// Its id in the template.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its physical id, if it exists.
    pub physical_id: Option<String>,
    /// What happens to it.
    pub action: ChangeAction,
    /// Whether it is replaced.
    pub replacement: Replacement,
    /// What happens to the resource that is removed or replaced, if CloudFormation tells.
    pub leaving: Option<Leaving>,
    /// The properties that change.
    pub properties: Vec<PropertyChange>,
    /// How many more properties change than are listed.
    pub omitted: usize,
}

/// How a stack loses an existing resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It is removed.
    Removed,
    /// It is replaced.
    Replaced,
    /// It may be removed or replaced.
    Possible,
}

impl ResourceChange {
    /// A change without details.
    pub fn new(
        logical_id: impl Into<String>,
        resource_type: impl Into<String>,
        action: ChangeAction,
    ) -> Self {
        Self {
            logical_id: logical_id.into(),
            resource_type: resource_type.into(),
            physical_id: None,
            action,
            replacement: Replacement::Never,
            leaving: None,
            properties: Vec::new(),
            omitted: 0,
        }
    }

    /// How the stack loses the resource, if it does or may.
    pub fn loss(&self) -> Option<Loss> {
        match (self.action, self.replacement) {
            (ChangeAction::Remove, _) => Some(Loss::Removed),
            (ChangeAction::Modify, Replacement::Always) => Some(Loss::Replaced),
            (ChangeAction::Modify, Replacement::Conditional) | (ChangeAction::Dynamic, _) => {
                Some(Loss::Possible)
            }
            (ChangeAction::Modify, Replacement::Never) | (ChangeAction::Add | ChangeAction::Import, _) => {
                None
            }
        }
    }

    /// Sorts the properties, hides values that may be secret and merges duplicates.
    fn put_in_order(&mut self) {
        for property in &mut self.properties {
            property.hide_secrets();
        }
        self.properties.sort();
        self.properties.dedup_by(|later, kept| {
            let same = later.path == kept.path;
            if same {
                // CloudFormation lists a property once for each reason of its change.
                kept.before = kept.before.take().or(later.before.take());
                kept.after = kept.after.take().or(later.after.take());
                kept.hidden |= later.hidden;
                kept.recreation = kept.recreation.max(later.recreation);
                kept.hide_secrets();
            }
            same
        });
    }

    /// Bytes of the texts that are kept even if the properties are dropped.
    fn head_bytes(&self) -> usize {
        OVERHEAD_BYTES
            + self.logical_id.len()
            + self.resource_type.len()
            + self.physical_id.as_ref().map_or(0, String::len)
    }

    /// Bytes of its properties.
    fn property_bytes(&self) -> usize {
        let bytes = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        self.properties
            .iter()
            .map(|p| OVERHEAD_BYTES + p.path.len() + bytes(&p.before) + bytes(&p.after))
            .sum()
    }

    /// Cuts its texts to their limits.
    fn shorten(&mut self, value_bytes_max: usize) {
        let cut = |text: &mut String, bytes_max| *text = cut_to(std::mem::take(text), bytes_max);
        cut(&mut self.logical_id, ID_BYTES_MAX);
        cut(&mut self.resource_type, ID_BYTES_MAX);
        self.physical_id.iter_mut().for_each(|id| cut(id, PHYSICAL_ID_BYTES_MAX));
        for property in &mut self.properties {
            cut(&mut property.path, ID_BYTES_MAX);
            property.before.iter_mut().chain(&mut property.after).for_each(|v| cut(v, value_bytes_max));
        }
        self.omitted += self.properties.len().saturating_sub(PROPERTIES_MAX);
        self.properties.truncate(PROPERTIES_MAX);
    }
}

/// Longest logical id, type or path that is kept, in bytes: CloudFormation's own are shorter.
const ID_BYTES_MAX: usize = 300;
/// Longest physical id that is kept, in bytes.
const PHYSICAL_ID_BYTES_MAX: usize = 120;
/// Longest value of a property that is kept, in bytes.
pub const VALUE_BYTES_MAX: usize = 600;
/// Longest value in a plan that would otherwise be too large, in bytes.
const SHORT_VALUE_BYTES_MAX: usize = 100;
/// Most properties of a resource that are kept.
const PROPERTIES_MAX: usize = 100;
/// The approximate overhead of a resource or a property besides its texts, in bytes.
const OVERHEAD_BYTES: usize = 60;

/// The plan of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPlan {
    /// The digest of the changes, independent of the change set. Approvals are bound to it.
    pub digest: Digest,
    /// The changes, sorted by logical id.
    pub resources: Vec<ResourceChange>,
    /// Whether these are all changes.
    pub complete: bool,
}

impl TargetPlan {
    /// Most changes of a plan: CloudFormation's quota of 500 resources, all removed and as many added.
    pub const RESOURCES_MAX: usize = 1_000;
    /// Most bytes of all texts together: an item of DynamoDB holds at most 400 KB.
    pub const BYTES_MAX: usize = 250_000;

    /// The plan of these changes. Values that may be secret are dropped. The digest is computed before long texts are
    /// cut.
    pub fn of(mut resources: Vec<ResourceChange>, complete: bool) -> Self {
        resources.iter_mut().for_each(ResourceChange::put_in_order);
        resources.sort();
        let digest = digest(&resources, complete);
        let all = resources.len();
        fit(&mut resources);
        let complete = complete && resources.len() == all;
        Self { digest, resources, complete }
    }

    /// The plan that changes nothing.
    pub fn empty() -> Self {
        Self::of(Vec::new(), true)
    }

    /// The changes in numbers.
    pub fn summary(&self) -> ChangeSummary {
        let mut summary = ChangeSummary::default();
        for change in &self.resources {
            let counted = match (change.action, change.replacement) {
                (ChangeAction::Add | ChangeAction::Import, _) => &mut summary.add,
                (ChangeAction::Remove, _) => &mut summary.remove,
                (_, Replacement::Never) => &mut summary.modify,
                _ => &mut summary.replace,
            };
            *counted += 1;
        }
        summary
    }
}

/// The digest of sorted changes. Physical ids are not part of it: an approval is for the change, and the next
/// attempt may find a recreated stack.
fn digest(resources: &[ResourceChange], complete: bool) -> Digest {
    let mut digester = Digester::default();
    // Each text is prefixed with its length, so that different plans have different input.
    let mut write = |text: &str| digester.update(format!("{}:{text}", text.len()).as_bytes());
    write(if complete { "plan" } else { "part of a plan" });
    for change in resources {
        write(&change.logical_id);
        write(&change.resource_type);
        write(&format!("{:?} {:?} {:?}", change.action, change.replacement, change.leaving));
        write(&change.properties.len().to_string());
        for property in &change.properties {
            write(&property.path);
            write(&format!("{:?} {}", property.recreation, property.hidden));
            for value in [&property.before, &property.after] {
                write(if value.is_some() { "some" } else { "none" });
                write(value.as_deref().unwrap_or_default());
            }
        }
    }
    digester.finish()
}

/// Reduces the plan to its limits: cuts texts, then drops properties, then resources.
fn fit(resources: &mut Vec<ResourceChange>) {
    resources.truncate(TargetPlan::RESOURCES_MAX);
    resources.iter_mut().for_each(|change| change.shorten(VALUE_BYTES_MAX));
    let mut left = TargetPlan::BYTES_MAX;
    let fitting = resources.iter().take_while(|change| {
        let fits = change.head_bytes() <= left;
        left = left.saturating_sub(change.head_bytes());
        fits
    });
    let fitting = fitting.count();
    resources.truncate(fitting);
    if resources.iter().map(ResourceChange::property_bytes).sum::<usize>() > left {
        resources.iter_mut().for_each(|change| change.shorten(SHORT_VALUE_BYTES_MAX));
    }
    for change in resources {
        match left.checked_sub(change.property_bytes()) {
            Some(rest) => left = rest,
            None => change.omitted += std::mem::take(&mut change.properties).len(),
        }
    }
}

#[cfg(test)]
mod tests;
