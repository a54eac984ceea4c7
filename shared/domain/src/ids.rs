//! The ids that Flotilla generates: ULIDs with a prefix, so that they sort by time and show their kind.
//!
//! An id is derived from what it names (an object version, an API request) and never random, so that a repeated
//! request has the same id and changes nothing.

use crate::names::InvalidName;
use crate::target::Target;
use std::fmt;
use ulid::Ulid;

/// The first 80 bits of the digest of `parts`.
fn fingerprint(parts: &[&str]) -> u128 {
    // A separator that no part contains keeps ("a", "bc") and ("ab", "c") apart.
    let digest = crate::Digest::of(parts.join("\u{0}").as_bytes());
    digest.as_bytes()[..10].iter().fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

/// A ULID for an event at time `at` that `parts` identify.
pub fn derived_ulid(at: jiff::Timestamp, parts: &[&str]) -> Ulid {
    let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    Ulid::from_parts(ms, fingerprint(parts))
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Ulid);

        impl $type {
            /// The id of an event at time `at` that `parts` identify.
            pub fn derive(at: jiff::Timestamp, parts: &[&str]) -> Self {
                Self(derived_ulid(at, parts))
            }

            /// Reads the prefix and 26 characters of Crockford's base 32.
            ///
            /// # Errors
            /// [`InvalidName`] for anything else.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                text.strip_prefix($prefix)
                    .filter(|ulid| ulid.len() == 26)
                    .and_then(|ulid| Ulid::from_string(ulid).ok())
                    .map(Self)
                    .filter(|id| id.to_string() == text)
                    .ok_or_else(|| InvalidName {
                        kind: $kind,
                        given: text.chars().take(64).collect(),
                        rule: concat!("it must be ", $prefix, " and 26 characters"),
                    })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// One upload: a key and an object version in S3.
    UploadId,
    "upl_",
    "upload id"
);
id!(
    /// One release of a service.
    ReleaseId,
    "rel_",
    "release id"
);
id!(
    /// One rollout.
    RolloutId,
    "rlo_",
    "rollout id"
);

id!(
    /// One set of services.
    SetId,
    "set_",
    "set id"
);

impl RolloutId {
    /// The time the id was derived from, to the millisecond.
    pub fn time(&self) -> jiff::Timestamp {
        let ms = i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX)
    }
}

/// Which way a rollout goes at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To what the rollout brings.
    Forward,
    /// Back to the stage's last stable release, because the rollout failed and reverts.
    Rollback,
}

/// The deployment of one target in one rollout.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId {
    /// The rollout it is part of.
    pub rollout: RolloutId,
    /// The target.
    pub target: Target,
    /// Forward, or back.
    pub direction: Direction,
}

/// The suffix of a rollback deployment's id.
const BACK: &str = "/back";

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let back = if self.direction == Direction::Rollback { BACK } else { "" };
        write!(f, "{}/{}{back}", self.rollout, self.target)
    }
}

impl DeploymentId {
    /// Reads `rlo_…/<target>`, followed by `/back` for a rollback.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, direction) = match text.strip_suffix(BACK) {
            Some(text) => (text, Direction::Rollback),
            None => (text, Direction::Forward),
        };
        let (rollout, target) = text.split_once('/')?;
        Some(Self {
            rollout: RolloutId::parse(rollout).ok()?,
            target: Target::parse(target).ok()?,
            direction,
        })
    }
}

impl fmt::Debug for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_thing_has_the_same_id_and_later_things_sort_later() {
        let at = |s| jiff::Timestamp::from_second(s).unwrap();
        let id = ReleaseId::derive(at(1_800_000_000), &["key", "v1"]);
        assert_eq!(id, ReleaseId::derive(at(1_800_000_000), &["key", "v1"]));
        assert_ne!(id, ReleaseId::derive(at(1_800_000_000), &["ke", "yv1"]));
        assert!(id.to_string() < ReleaseId::derive(at(1_800_000_001), &["key", "v1"]).to_string());
        assert_eq!(ReleaseId::parse(&id.to_string()).unwrap(), id);
    }

    #[test]
    fn a_rollouts_id_remembers_its_time() {
        let at = jiff::Timestamp::from_millisecond(1_800_000_000_123).unwrap();
        assert_eq!(RolloutId::derive(at, &["r"]).time(), at);
    }

    #[test]
    fn a_deployments_id_reads_back_in_both_turns() {
        let rollout = RolloutId::derive(jiff::Timestamp::UNIX_EPOCH, &["r"]);
        for direction in [Direction::Forward, Direction::Rollback] {
            for target in ["111122223333/eu-west-1", "111122223333/eu-west-1:back"] {
                let id = DeploymentId { rollout, target: Target::parse(target).unwrap(), direction };
                assert_eq!(DeploymentId::parse(&id.to_string()), Some(id));
            }
        }
        for text in ["", "/", "rlo_x/111122223333/eu-west-1", "111122223333/eu-west-1/back"] {
            assert_eq!(DeploymentId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_of_another_kind_or_spelling_is_refused() {
        let id = ReleaseId::derive(jiff::Timestamp::UNIX_EPOCH, &["x"]).to_string();
        assert!(RolloutId::parse(&id).is_err());
        assert!(ReleaseId::parse(&id.to_lowercase()).is_err());
        assert!(ReleaseId::parse(&id[..id.len() - 1]).is_err());
    }
}
