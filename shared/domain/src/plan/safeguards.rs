//! Safeguards: changes that a profile refuses unless an operator approves them.

use super::stateful::is_stateful;
use super::{ChangeAction, Leaving, Loss, ResourceChange, TargetPlan};
use crate::code::Code;
use crate::names::Region;
use std::collections::BTreeSet;

/// The safeguards of a profile, with what an operator has approved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Safeguards {
    /// Whether stateful resources may be neither removed nor replaced; see [`super::stateful::STATEFUL_TYPES`].
    pub block_stateful: bool,
    /// Patterns of types that do not count as stateful.
    pub allow_types: BTreeSet<String>,
    /// Patterns of types that must not be created or changed.
    pub forbidden_types: BTreeSet<String>,
    /// Most resources that one change set may delete.
    pub max_deletions: Option<usize>,
    /// Resources whose loss an operator has approved: `Orders`, or `Orders@eu-west-1` for one region.
    pub approved: BTreeSet<String>,
}

/// A change that violates a safeguard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The safeguard.
    pub code: Code,
    /// The resource and what would happen to it.
    pub message: String,
    /// The resources that an operator can approve, by logical id; empty if the change cannot be approved.
    pub names: Vec<String>,
}

/// Whether a type matches a pattern: `AWS::IAM::User`, `AWS::EC2::*`.
fn matches(pattern: &str, resource_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => resource_type.starts_with(beginning),
        None => resource_type == pattern,
    }
}

fn any_matches(patterns: &BTreeSet<String>, resource_type: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, resource_type))
}

impl Safeguards {
    /// Most patterns of a list.
    pub const PATTERNS_MAX: usize = 100;
    /// Most resources that an operator approves for one rollout.
    pub const APPROVED_MAX: usize = 200;

    /// Whether a pattern of types is valid.
    pub fn is_pattern(pattern: &str) -> bool {
        let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '@' | '_' | '-');
        !pattern.is_empty() && pattern.len() <= 200 && beginning.chars().all(allowed)
    }

    /// Whether a name can be approved: a logical id, optionally followed by `@<region>`.
    pub fn is_name(name: &str) -> bool {
        let (id, region) = name.split_once('@').map_or((name, None), |(id, region)| (id, Some(region)));
        let is_id = !id.is_empty() && id.len() <= 255 && id.chars().all(|c| c.is_ascii_alphanumeric());
        is_id && region.is_none_or(|region| Region::parse(region).is_ok())
    }

    /// The changes of a plan for a region that violate safeguards.
    pub fn check(&self, plan: &TargetPlan, region: &Region) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let guards = self.block_stateful || !self.forbidden_types.is_empty() || self.max_deletions.is_some();
        if guards && !plan.complete {
            let message =
                format!("the change set has over {} changes: not all can be checked", plan.resources.len());
            breaches.push(Breach { code: Code::PlanUnchecked, message, names: Vec::new() });
        }
        for change in &plan.resources {
            breaches.extend(self.forbidden(change));
            if let Some(loss) = self.guarded_loss(change).filter(|_| !self.approves(change, region)) {
                breaches.push(lost(change, loss));
            }
        }
        breaches.extend(self.too_many_deletions(plan, region));
        breaches
    }

    /// Notes on a plan for the operator: losses of stateful resources.
    pub fn remarks(&self, plan: &TargetPlan) -> Vec<String> {
        let remark = |change: &ResourceChange| {
            let loss = change.loss().filter(|_| is_stateful(&change.resource_type))?;
            let (what, kept) = (describe(change, loss), change.leaving == Some(Leaving::Retained));
            Some(if kept { format!("{what}; it is retained outside of the stack") } else { what })
        };
        plan.resources.iter().filter_map(remark).collect()
    }

    fn forbidden(&self, change: &ResourceChange) -> Option<Breach> {
        let made = change.action != ChangeAction::Remove;
        let ResourceChange { logical_id, resource_type, .. } = change;
        (made && any_matches(&self.forbidden_types, resource_type)).then(|| Breach {
            code: Code::TypeForbidden,
            message: format!("{logical_id} is of the forbidden type {resource_type}"),
            names: Vec::new(),
        })
    }

    /// How the change loses a guarded resource. A resource that is retained outside of the stack is not lost.
    fn guarded_loss(&self, change: &ResourceChange) -> Option<Loss> {
        let guarded = self.block_stateful
            && is_stateful(&change.resource_type)
            && !any_matches(&self.allow_types, &change.resource_type)
            && change.leaving != Some(Leaving::Retained);
        change.loss().filter(|_| guarded)
    }

    fn approves(&self, change: &ResourceChange, region: &Region) -> bool {
        let id = &change.logical_id;
        self.approved.contains(id) || self.approved.contains(&format!("{id}@{region}"))
    }

    fn too_many_deletions(&self, plan: &TargetPlan, region: &Region) -> Option<Breach> {
        let most = self.max_deletions?;
        let deleted = |change: &&ResourceChange| {
            matches!(change.loss(), Some(Loss::Removed | Loss::Replaced))
                && change.leaving != Some(Leaving::Retained)
                && !self.approves(change, region)
        };
        let names: Vec<String> =
            plan.resources.iter().filter(deleted).map(|change| change.logical_id.clone()).collect();
        (names.len() > most).then(|| {
            let message = format!(
                "{} resources would be deleted, the profile allows {most}: {}",
                names.len(),
                names.join(", ")
            );
            Breach { code: Code::TooManyDeletions, message, names }
        })
    }
}

fn lost(change: &ResourceChange, loss: Loss) -> Breach {
    let code = if loss == Loss::Removed { Code::StatefulRemoved } else { Code::StatefulReplaced };
    let snapshot =
        if change.leaving == Some(Leaving::Snapshotted) { "; a snapshot of it is kept" } else { "" };
    let message = format!("{}{snapshot}", describe(change, loss));
    Breach { code, message, names: vec![change.logical_id.clone()] }
}

/// What happens to a resource, and the properties that cause it.
fn describe(change: &ResourceChange, loss: Loss) -> String {
    let what = match loss {
        Loss::Removed => "is removed",
        Loss::Replaced => "is replaced",
        Loss::Possible => "may be replaced or removed",
    };
    let because: Vec<&str> = change
        .properties
        .iter()
        .filter(|property| property.recreation != super::Replacement::Never)
        .map(|property| property.path.as_str())
        .take(3)
        .collect();
    let because = match because[..] {
        [] => String::new(),
        _ => format!(", because of {}", because.join(", ")),
    };
    format!("{} ({}) {what}{because}", change.logical_id, change.resource_type)
}

#[cfg(test)]
mod tests {
    use super::super::{PropertyChange, Replacement};
    use super::*;

    const TABLE: &str = "AWS::DynamoDB::Table";

    fn blocking() -> Safeguards {
        Safeguards { block_stateful: true, ..Safeguards::default() }
    }

    fn removed(id: &str, kind: &str) -> ResourceChange {
        let change = ResourceChange::new(id, kind, ChangeAction::Remove);
        ResourceChange { leaving: Some(Leaving::Deleted), ..change }
    }

    fn replaced(id: &str, kind: &str, replacement: Replacement) -> ResourceChange {
        let name = PropertyChange {
            path: "TableName".into(),
            before: None,
            after: None,
            hidden: false,
            recreation: replacement,
        };
        let change = ResourceChange::new(id, kind, ChangeAction::Modify);
        ResourceChange { replacement, properties: vec![name], ..change }
    }

    fn violations_of(safeguards: &Safeguards, changes: Vec<ResourceChange>) -> Vec<String> {
        let region = Region::parse("eu-west-1").unwrap();
        let breaches = safeguards.check(&TargetPlan::of(changes, true), &region);
        breaches.into_iter().map(|breach| format!("{} {}", breach.code, breach.message)).collect()
    }

    #[test]
    fn what_holds_data_is_neither_removed_nor_replaced() {
        let changes = vec![
            removed("Gone", TABLE),
            removed("Function", "AWS::Lambda::Function"),
            replaced("Other", TABLE, Replacement::Always),
            replaced("Perhaps", TABLE, Replacement::Conditional),
            replaced("Same", TABLE, Replacement::Never),
            ResourceChange::new("New", TABLE, ChangeAction::Add),
        ];
        insta::assert_snapshot!(violations_of(&blocking(), changes.clone()).join("\n"), @r"
        FL0541 Gone (AWS::DynamoDB::Table) is removed
        FL0540 Other (AWS::DynamoDB::Table) is replaced, because of TableName
        FL0540 Perhaps (AWS::DynamoDB::Table) may be replaced or removed, because of TableName
        ");
        assert!(violations_of(&Safeguards::default(), changes).is_empty());
    }

    #[test]
    fn what_stays_outside_of_the_stack_is_told_and_not_blocked_but_a_snapshot_is_not_the_thing() {
        let leaving = |leaving| ResourceChange { leaving: Some(leaving), ..removed("Orders", TABLE) };
        assert!(violations_of(&blocking(), vec![leaving(Leaving::Retained)]).is_empty());
        let plan = TargetPlan::of(vec![leaving(Leaving::Retained)], true);
        assert_eq!(
            blocking().remarks(&plan),
            ["Orders (AWS::DynamoDB::Table) is removed; it is retained outside of the stack"]
        );
        let snapshot = violations_of(&blocking(), vec![leaving(Leaving::Snapshotted)]);
        assert_eq!(snapshot, ["FL0541 Orders (AWS::DynamoDB::Table) is removed; a snapshot of it is kept"]);
        let unsaid = ResourceChange { leaving: None, ..removed("Orders", TABLE) };
        assert_eq!(
            violations_of(&blocking(), vec![unsaid]).len(),
            1,
            "CloudFormation does not say that it is retained"
        );
    }

    #[test]
    fn an_operator_approves_by_name_everywhere_or_in_one_region() {
        let approving = |name: &str| Safeguards { approved: [name.to_owned()].into(), ..blocking() };
        let two = || vec![removed("Orders", TABLE), removed("Carts", TABLE)];
        for name in ["Orders", "Orders@eu-west-1"] {
            let left = violations_of(&approving(name), two());
            assert_eq!(left, ["FL0541 Carts (AWS::DynamoDB::Table) is removed"], "{name}");
        }
        assert_eq!(violations_of(&approving("Orders@us-east-1"), two()).len(), 2);
        for name in ["Orders", "Orders@eu-west-1"] {
            assert!(Safeguards::is_name(name), "{name}");
        }
        for name in ["", "@eu-west-1", "Orders@", "Or ders", "Orders@x@y"] {
            assert!(!Safeguards::is_name(name), "{name}");
        }
    }

    #[test]
    fn a_profile_may_say_that_a_type_holds_nothing_of_worth() {
        let logs = Safeguards { allow_types: ["AWS::Logs::*".to_owned()].into(), ..blocking() };
        assert!(violations_of(&logs, vec![removed("Log", "AWS::Logs::LogGroup")]).is_empty());
        assert_eq!(violations_of(&logs, vec![removed("Orders", TABLE)]).len(), 1);
    }

    #[test]
    fn forbidden_types_are_neither_made_nor_changed_and_may_go() {
        let patterns = ["AWS::IAM::User", "AWS::EC2::*"].map(str::to_owned);
        let safeguards = Safeguards { forbidden_types: patterns.into(), ..Safeguards::default() };
        let of = |id: &str, kind: &str, action| ResourceChange::new(id, kind, action);
        let changes = vec![
            of("A", "AWS::IAM::User", ChangeAction::Add),
            of("B", "AWS::IAM::UserPolicy", ChangeAction::Add),
            of("C", "AWS::EC2::Instance", ChangeAction::Modify),
            of("D", "AWS::EC2::Instance", ChangeAction::Remove),
        ];
        assert_eq!(
            violations_of(&safeguards, changes),
            [
                "FL0542 A is of the forbidden type AWS::IAM::User",
                "FL0542 C is of the forbidden type AWS::EC2::Instance",
            ]
        );
        for (pattern, is_one) in [("AWS::EC2::*", true), ("*", true), ("", false), ("AWS::*::X", false)] {
            assert_eq!(Safeguards::is_pattern(pattern), is_one, "{pattern}");
        }
    }

    #[test]
    fn deletions_are_counted_without_what_stays_or_was_approved() {
        let safeguards =
            Safeguards { max_deletions: Some(1), approved: ["C".to_owned()].into(), ..Safeguards::default() };
        let function = "AWS::Lambda::Function";
        let kept = ResourceChange { leaving: Some(Leaving::Retained), ..removed("Version", function) };
        let few = vec![removed("A", function), removed("C", function), kept];
        assert!(violations_of(&safeguards, few.clone()).is_empty());
        let many = [few, vec![replaced("B", function, Replacement::Always)]].concat();
        assert_eq!(
            violations_of(&safeguards, many),
            ["FL0543 2 resources would be deleted, the profile allows 1: A, B"]
        );
    }

    #[test]
    fn a_plan_that_cannot_be_seen_to_its_end_is_refused_by_every_safeguard() {
        let region = Region::parse("eu-west-1").unwrap();
        let part = TargetPlan::of(Vec::new(), false);
        let codes = |safeguards: Safeguards| safeguards.check(&part, &region).len();
        assert_eq!(codes(blocking()), 1);
        assert_eq!(codes(Safeguards::default()), 0);
    }

    #[test]
    fn of_a_plan_that_is_not_whole_every_guard_says_that_it_cannot_be_checked() {
        let unchecked = |safeguards: &Safeguards| {
            let breaches =
                safeguards.check(&TargetPlan::of(Vec::new(), false), &Region::parse("eu-west-1").unwrap());
            breaches.iter().map(|breach| breach.code).collect::<Vec<_>>()
        };
        let forbidding =
            Safeguards { forbidden_types: ["AWS::IAM::User".to_owned()].into(), ..Safeguards::default() };
        let counting = Safeguards { max_deletions: Some(5), ..Safeguards::default() };
        for guarded in [blocking(), forbidding, counting] {
            assert_eq!(unchecked(&guarded), [Code::PlanUnchecked], "{guarded:?}");
        }
        assert_eq!(unchecked(&Safeguards::default()), []);
    }
}
