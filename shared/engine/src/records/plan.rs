//! The plan of a target: `RLO#<rollout>` / `PLN#<account>#<region>`, with `:<part>` appended for one of several
//! stacks.
//!
//! The changes are compressed: they are repetitive, a partition of the table takes 1,000 KB of writes a second,
//! and the plans of all targets are read at once.

use super::Record;
use super::common::{StoredCause, digest, parsed, time};
use crate::ports::{Key, Query};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use flotilla_domain::plan::{ChangeAction, Leaving, PropertyChange, Replacement, ResourceChange, TargetPlan};
use flotilla_domain::{Cause, RolloutId, StackName, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::io::Read;

const SK: &str = "PLN#";
/// Most bytes of a plan's JSON: far more than a plan of [`TargetPlan::BYTES_MAX`] has.
const JSON_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The plan of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRecord {
    /// The rollout.
    pub rollout: RolloutId,
    /// The target.
    pub target: Target,
    /// The stack.
    pub stack: StackName,
    /// The planned changes.
    pub plan: TargetPlan,
    /// Why it is not executed, if a safeguard refused it.
    pub blocked: Option<Cause>,
    /// When the change set was observed.
    pub at: Timestamp,
}

/// The plans of a rollout's targets.
pub fn plans_query(rollout: &RolloutId, limit: usize) -> Query {
    Query { pk: format!("RLO#{rollout}"), prefix: SK.into(), after: None, newest_first: false, limit }
}

#[derive(Serialize, Deserialize)]
pub struct StoredPlan {
    format: u32,
    rollout: String,
    target: String,
    stack: String,
    digest: String,
    complete: bool,
    /// A list of changes as JSON, deflated, in base64.
    changes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked: Option<StoredCause>,
    at: String,
}

#[derive(Serialize, Deserialize)]
struct StoredChange {
    id: String,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    physical_id: Option<String>,
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replacement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaving: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    properties: Vec<StoredProperty>,
    #[serde(default)]
    omitted: usize,
}

#[derive(Serialize, Deserialize)]
struct StoredProperty {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recreation: Option<String>,
}

const ACTIONS: [(ChangeAction, &str); 5] = [
    (ChangeAction::Add, "add"),
    (ChangeAction::Modify, "modify"),
    (ChangeAction::Remove, "remove"),
    (ChangeAction::Import, "import"),
    (ChangeAction::Dynamic, "dynamic"),
];
const REPLACEMENTS: [(Replacement, &str); 3] = [
    (Replacement::Never, "never"),
    (Replacement::Conditional, "conditional"),
    (Replacement::Always, "always"),
];
const LEAVINGS: [(Leaving, &str); 3] =
    [(Leaving::Deleted, "deleted"), (Leaving::Snapshotted, "snapshotted"), (Leaving::Retained, "retained")];

/// The stored word of a value.
fn word<T: PartialEq>(words: &[(T, &'static str)], value: &T) -> &'static str {
    words.iter().find(|(known, _)| known == value).map_or("?", |(_, word)| word)
}

fn read_word<T: Copy>(words: &[(T, &'static str)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(_, word)| *word == text).map(|(value, _)| *value);
    found.ok_or_else(|| format!("the word {text} is not known"))
}

/// What happens to a resource, as a word.
pub fn action_word(action: ChangeAction) -> &'static str {
    word(&ACTIONS, &action)
}

/// Whether another resource takes its place, as a word.
pub fn replacement_word(replacement: Replacement) -> &'static str {
    word(&REPLACEMENTS, &replacement)
}

/// What happens to a resource that leaves the stack, as a word.
pub fn leaving_word(leaving: Leaving) -> &'static str {
    word(&LEAVINGS, &leaving)
}

/// `None` for the most common value.
fn replacing(replacement: Replacement) -> Option<String> {
    (replacement != Replacement::Never).then(|| replacement_word(replacement).to_owned())
}

fn read_replacing(text: Option<String>) -> Result<Replacement, String> {
    text.map_or(Ok(Replacement::Never), |text| read_word(&REPLACEMENTS, &text))
}

impl StoredChange {
    fn of(change: &ResourceChange) -> Self {
        let property = |property: &PropertyChange| StoredProperty {
            path: property.path.clone(),
            before: property.before.clone(),
            after: property.after.clone(),
            hidden: property.hidden,
            recreation: replacing(property.recreation),
        };
        Self {
            id: change.logical_id.clone(),
            kind: change.resource_type.clone(),
            physical_id: change.physical_id.clone(),
            action: action_word(change.action).into(),
            replacement: replacing(change.replacement),
            leaving: change.leaving.map(|leaving| leaving_word(leaving).into()),
            properties: change.properties.iter().map(property).collect(),
            omitted: change.omitted,
        }
    }

    fn read(self) -> Result<ResourceChange, String> {
        let property = |stored: StoredProperty| {
            Ok(PropertyChange {
                path: stored.path,
                before: stored.before,
                after: stored.after,
                hidden: stored.hidden,
                recreation: read_replacing(stored.recreation)?,
            })
        };
        Ok(ResourceChange {
            physical_id: self.physical_id,
            replacement: read_replacing(self.replacement)?,
            leaving: self.leaving.map(|text| read_word(&LEAVINGS, &text)).transpose()?,
            properties: self.properties.into_iter().map(property).collect::<Result<_, String>>()?,
            omitted: self.omitted,
            ..ResourceChange::new(self.id, self.kind, read_word(&ACTIONS, &self.action)?)
        })
    }
}

fn pack(changes: &[ResourceChange]) -> String {
    let changes: Vec<StoredChange> = changes.iter().map(StoredChange::of).collect();
    // Structs of texts and numbers cannot fail to serialise, and reading from memory cannot fail.
    let json = serde_json::to_vec(&changes).unwrap_or_default();
    let mut packed = Vec::new();
    let read = DeflateEncoder::new(&json[..], Compression::default()).read_to_end(&mut packed);
    read.map(|_| STANDARD.encode(packed)).unwrap_or_default()
}

fn unpack(text: &str) -> Result<Vec<ResourceChange>, String> {
    let packed = parsed("changes", STANDARD.decode(text))?;
    let mut json = Vec::new();
    parsed("changes", DeflateDecoder::new(&packed[..]).take(JSON_BYTES_MAX).read_to_end(&mut json))?;
    let changes: Vec<StoredChange> = parsed("changes", serde_json::from_slice(&json))?;
    changes.into_iter().map(StoredChange::read).collect()
}

impl Record for PlanRecord {
    type Stored = StoredPlan;

    fn key(&self) -> Key {
        let target = self.target.to_string().replace('/', "#");
        Key::new(format!("RLO#{}", self.rollout), format!("{SK}{target}"))
    }

    fn to_stored(&self) -> StoredPlan {
        StoredPlan {
            format: 1,
            rollout: self.rollout.to_string(),
            target: self.target.to_string(),
            stack: self.stack.to_string(),
            digest: self.plan.digest.to_string(),
            complete: self.plan.complete,
            changes: pack(&self.plan.resources),
            blocked: self.blocked.as_ref().map(StoredCause::of_cause),
            at: self.at.to_string(),
        }
    }

    fn from_stored(stored: StoredPlan) -> Result<Self, String> {
        Ok(Self {
            rollout: parsed("rollout", RolloutId::parse(&stored.rollout))?,
            target: parsed("target", Target::parse(&stored.target))?,
            stack: parsed("stack", StackName::parse(&stored.stack))?,
            plan: TargetPlan {
                digest: digest(&stored.digest)?,
                resources: unpack(&stored.changes)?,
                complete: stored.complete,
            },
            blocked: stored.blocked.map(|cause| cause.to_cause()).transpose()?,
            at: time(&stored.at)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Change;
    use crate::records::{create, read};
    use flotilla_domain::Code;

    fn record(resources: Vec<ResourceChange>) -> PlanRecord {
        PlanRecord {
            rollout: RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]),
            target: Target::parse("111122223333/eu-west-1:Net").unwrap(),
            stack: StackName::parse("orders-staging").unwrap(),
            plan: TargetPlan::of(resources, true),
            blocked: Some(Cause::new(Code::RolledBack, "because", "fix it").of("Table")),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn property(path: &str, before: Option<&str>, after: Option<&str>) -> PropertyChange {
        PropertyChange {
            path: path.into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            hidden: false,
            recreation: Replacement::Conditional,
        }
    }

    #[test]
    fn a_plan_reads_back_as_it_was_stored() {
        let actions = ACTIONS.iter().map(|(action, word)| ResourceChange {
            physical_id: Some("id".into()),
            replacement: Replacement::Always,
            leaving: Some(Leaving::Retained),
            properties: vec![property("A.B", Some("1"), None), property("Password", None, Some("x"))],
            ..ResourceChange::new(*word, "AWS::SQS::Queue", *action)
        });
        let stored = record(actions.collect());
        let Change::Put(item) = create(&stored).change else { panic!("it is stored") };
        assert_eq!(item.key.sk, "PLN#111122223333#eu-west-1:Net");
        assert!(!item.body["changes"].to_string().contains("Password"), "it is packed");
        assert_eq!(read::<PlanRecord>(item).unwrap().value, stored);
    }

    #[test]
    fn the_largest_plan_fits_into_an_item_and_an_ordinary_one_takes_little() {
        let bytes = |plan: &PlanRecord| match create(plan).change {
            Change::Put(item) => serde_json::to_vec(&item.body).unwrap().len(),
            Change::Check(_) => 0,
        };
        // Values that hardly compress.
        let noise = |n: usize| flotilla_domain::Digest::of(&n.to_be_bytes()).to_string().repeat(3);
        let resource = |n: usize, properties: usize| ResourceChange {
            properties: (0..properties)
                .map(|p| property(&format!("P{p}"), None, Some(&noise(n * 500 + p))))
                .collect(),
            ..ResourceChange::new(format!("R{n}"), "AWS::Lambda::Function", ChangeAction::Modify)
        };
        let largest = record((0..1_000).map(|n| resource(n, 100)).collect());
        assert!(bytes(&largest) < 350_000, "{} bytes", bytes(&largest));
        let ordinary = record((0..200).map(|n| resource(n, 3)).collect());
        assert!(ordinary.plan.resources.iter().all(|change| change.omitted == 0));
        assert!(bytes(&ordinary) < 100_000, "{} bytes", bytes(&ordinary));
    }

    #[test]
    fn what_is_no_plan_is_an_error_and_no_panic() {
        let stored = record(Vec::new());
        for changes in ["", "!", "AAAA", &STANDARD.encode("not deflated")] {
            let Change::Put(mut item) = create(&stored).change else { panic!("it is stored") };
            item.body.insert("changes".into(), changes.into());
            assert!(read::<PlanRecord>(item).is_err(), "{changes}");
        }
    }
}
