//! What the change sets of a rollout would do: each target's plan, and all of them as one.
//!
//! The files: this one a target's plan, [`fleet`] the plans of all targets in one, [`safeguards`] what a plan is
//! held to, [`stateful`] which types hold data, `secrets` which values are never shown.

pub mod fleet;
pub mod safeguards;
mod secrets;
pub mod stateful;

pub use fleet::{FleetChange, fleet_digest, merge};
pub use safeguards::{Breach, Safeguards};

use crate::code::cut_to;
use crate::digest::{Digest, Digester};

/// What a change set does, in numbers.
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
    /// It is made.
    Add,
    /// It is changed, in place or by another one.
    Modify,
    /// It leaves the stack.
    Remove,
    /// It is there already and becomes part of the stack.
    Import,
    /// CloudFormation knows only when it comes to it.
    Dynamic,
}

/// Whether a change makes another resource in place of the one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Replacement {
    /// It does not.
    #[default]
    Never,
    /// It may: that depends on values that are not known yet.
    Conditional,
    /// It does.
    Always,
}

/// What becomes of a resource that leaves the stack, removed or replaced: CloudFormation's `PolicyAction`,
/// which follows from `DeletionPolicy` and `UpdateReplacePolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    /// It is deleted.
    Deleted,
    /// It is deleted, and a snapshot of it stays.
    Snapshotted,
    /// It stays, outside of the stack.
    Retained,
}

/// A property that changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PropertyChange {
    /// Where it is, with dots: `Environment.Variables.LEVEL`, `Tags.team`.
    pub path: String,
    /// Its value now, if it has one and CloudFormation tells it.
    pub before: Option<String>,
    /// Its value to come, if it has one and CloudFormation knows it.
    pub after: Option<String>,
    /// Whether the values are kept from everybody, because they may be secret.
    pub hidden: bool,
    /// Whether this change alone would replace the resource.
    pub recreation: Replacement,
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceChange {
    /// Its id in the template.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its id in AWS, if it is there.
    pub physical_id: Option<String>,
    /// What happens to it.
    pub action: ChangeAction,
    /// Whether another one takes its place.
    pub replacement: Replacement,
    /// What becomes of the one that leaves, if CloudFormation says so.
    pub leaving: Option<Leaving>,
    /// Which of its properties change.
    pub properties: Vec<PropertyChange>,
    /// How many more properties change than are listed.
    pub omitted: usize,
}

/// How a resource that is there now is lost to the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It is removed.
    Removed,
    /// Another one takes its place.
    Replaced,
    /// One of both may happen.
    Possible,
}

impl ResourceChange {
    /// A change of which nothing more is known.
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

    /// How the resource that is there now is lost, if it is or may be.
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

    /// Brings what CloudFormation says into one order, hides what may be secret and says each property once.
    fn put_in_order(&mut self) {
        for property in &mut self.properties {
            secrets::hide(property);
        }
        self.properties.sort();
        self.properties.dedup_by(|later, kept| {
            let same = later.path == kept.path;
            if same {
                // A property may change for several reasons: each is told by itself.
                kept.before = kept.before.take().or(later.before.take());
                kept.after = kept.after.take().or(later.after.take());
                kept.hidden |= later.hidden;
                kept.recreation = kept.recreation.max(later.recreation);
                secrets::hide(kept);
            }
            same
        });
    }

    /// Bytes of the texts that are always kept.
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

    /// Cuts its texts.
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
/// Longest id of a resource in AWS that is kept, in bytes.
const PHYSICAL_ID_BYTES_MAX: usize = 120;
/// Longest value of a property that is kept, in bytes.
pub const VALUE_BYTES_MAX: usize = 600;
/// The same in a plan that is too large otherwise.
const SHORT_VALUE_BYTES_MAX: usize = 100;
/// Most properties of a resource that are kept.
const PROPERTIES_MAX: usize = 100;
/// What a resource or a property takes beside its texts, in bytes, about.
const OVERHEAD_BYTES: usize = 60;

/// What the change set of one target would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPlan {
    /// The same for the same changes, whichever change set makes them: what an approval is bound to.
    pub digest: Digest,
    /// By logical id.
    pub resources: Vec<ResourceChange>,
    /// Whether these are all of them.
    pub complete: bool,
}

impl TargetPlan {
    /// Most changes of a plan: CloudFormation's quota of 500 resources, all of them removed and as many made.
    pub const RESOURCES_MAX: usize = 1_000;
    /// Most bytes of all texts together, so that a plan fits into an item of the table.
    pub const BYTES_MAX: usize = 250_000;

    /// The plan of these changes. Values that may be secret are dropped; what is too long is cut, after the
    /// digest was computed.
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

/// The digest of changes that are in order. Ids in AWS do not count: what is approved is the change, and a
/// rollout's next attempt may meet a stack that was made anew.
fn digest(resources: &[ResourceChange], complete: bool) -> Digest {
    let mut digester = Digester::default();
    // Each text behind its length: no two plans are written the same.
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

/// Cuts what is too much: texts, then properties, and resources at the very last.
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
