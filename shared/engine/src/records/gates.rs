//! The gates of a rollout, as parts of its item.

use super::common::{digest, parsed, time};
use flotilla_domain::gate::output::OutputRef;
use flotilla_domain::gate::{Approval, Blocked, BreakGlass, Check, FourEyes, Gate, Gates, Probe};
use flotilla_domain::{Region, StageName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The profile's gates, as they were when the rollout was composed.
#[derive(Default, PartialEq, Serialize, Deserialize)]
pub struct StoredGates {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    plan_first: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    four_eyes: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    four_eyes_author: bool,
    #[serde(default, rename = "hurry", skip_serializing_if = "std::ops::Not::not")]
    expedite: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    alarms: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    triggers: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checks: Vec<StoredCheck>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct StoredCheck {
    probe: StoredProbe,
    within_s: u32,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredProbe {
    Http { output: String, path: String, status: u16 },
    Function { name: String },
}

impl StoredGates {
    pub fn of(gates: &Gates) -> Self {
        let Gates { plan_first, four_eyes, expedite, alarms, triggers, checks } = gates.clone();
        let check = |Check { probe, within_s }| StoredCheck {
            probe: match probe {
                Probe::Http { output, path, status } => StoredProbe::Http { output, path, status },
                Probe::Function { name } => StoredProbe::Function { name },
            },
            within_s,
        };
        Self {
            plan_first,
            four_eyes: four_eyes.starter,
            four_eyes_author: four_eyes.author,
            expedite,
            alarms,
            triggers,
            checks: checks.into_iter().map(check).collect(),
        }
    }

    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub fn read(self) -> Gates {
        let Self { plan_first, four_eyes, four_eyes_author, expedite, alarms, triggers, checks } = self;
        let check = |StoredCheck { probe, within_s }| Check {
            probe: match probe {
                StoredProbe::Http { output, path, status } => Probe::Http { output, path, status },
                StoredProbe::Function { name } => Probe::Function { name },
            },
            within_s,
        };
        Gates {
            plan_first,
            four_eyes: FourEyes { starter: four_eyes, author: four_eyes_author },
            expedite,
            alarms,
            triggers,
            checks: checks.into_iter().map(check).collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub struct StoredApproval {
    by: String,
    /// Omitted if it is the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    at: String,
    wave: usize,
    package: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
}

impl StoredApproval {
    pub fn of(approval: &Approval) -> Self {
        let Approval { by, person, because, at, wave, package, plan } = approval.clone();
        Self {
            person: (person != by).then_some(person),
            by,
            because,
            at: at.to_string(),
            wave,
            package: package.to_string(),
            plan: plan.map(|plan| plan.to_string()),
        }
    }

    pub fn read(self) -> Result<Approval, String> {
        Ok(Approval {
            person: self.person.unwrap_or_else(|| self.by.clone()),
            by: self.by,
            because: self.because,
            at: time(&self.at)?,
            wave: self.wave,
            package: digest(&self.package)?,
            plan: self.plan.as_deref().map(digest).transpose()?,
        })
    }
}

/// An output of another service.
#[derive(Serialize, Deserialize)]
pub struct StoredOutputRef {
    output: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
}

impl StoredOutputRef {
    pub fn of(of: &OutputRef) -> Self {
        Self {
            output: of.to_string(),
            stage: of.stage.as_ref().map(ToString::to_string),
            region: of.region.as_ref().map(ToString::to_string),
        }
    }

    pub fn read(self) -> Result<OutputRef, String> {
        Ok(OutputRef {
            stage: self.stage.map(|stage| parsed("stage", StageName::parse(&stage))).transpose()?,
            region: self.region.map(|region| parsed("region", Region::parse(&region))).transpose()?,
            ..OutputRef::parse(&self.output).map_err(|refusal| refusal.message)?
        })
    }
}

#[derive(Serialize, Deserialize)]
pub struct StoredBreakGlass {
    by: String,
    because: String,
    at: String,
}

impl StoredBreakGlass {
    pub fn of(word: &BreakGlass) -> Self {
        Self { by: word.by.clone(), because: word.because.clone(), at: word.at.to_string() }
    }

    pub fn read(self) -> Result<BreakGlass, String> {
        Ok(BreakGlass { by: self.by, because: self.because, at: time(&self.at)? })
    }
}

#[derive(Serialize, Deserialize)]
pub struct StoredClosed {
    gate: String,
    why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl StoredClosed {
    pub fn of(closed: &Blocked) -> Self {
        let until = closed.until.map(|at| at.to_string());
        Self { gate: closed.gate.name().into(), why: closed.why.clone(), until }
    }

    pub fn read(self) -> Result<Blocked, String> {
        let gate = Gate::ALL.into_iter().find(|gate| gate.name() == self.gate);
        let until = self.until.as_deref().map(|at| parsed("until", at.parse())).transpose()?;
        Ok(Blocked { gate: gate.ok_or_else(|| format!("gate: {}", self.gate))?, why: self.why, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::Timestamp;

    #[test]
    fn an_approval_keeps_the_person_behind_its_principal() {
        let session = Approval {
            by: "arn:aws:sts::111122223333:assumed-role/release/ann".into(),
            person: "arn:aws:iam::111122223333:role/release".into(),
            because: None,
            at: Timestamp::UNIX_EPOCH,
            wave: 0,
            package: flotilla_domain::Digest::of(b"p"),
            plan: None,
        };
        let user = Approval { person: session.by.clone(), ..session.clone() };
        for approval in [session, user] {
            assert_eq!(StoredApproval::of(&approval).read(), Ok(approval));
        }
    }
}
