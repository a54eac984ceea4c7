//! The freeze gate ("stop the line"): an operator stops everything, or one profile, from beginning anything.

use super::{Blocked, Gate, Wave};
use crate::names::ProfileName;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// What a freeze affects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FreezeScope {
    /// Every rollout.
    Everything,
    /// The rollouts of a profile.
    Profile(ProfileName),
}

impl fmt::Display for FreezeScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Profile(profile) => write!(f, "the profile {profile}"),
        }
    }
}

/// A freeze: nothing that it affects begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Principal that created the freeze.
    pub by: String,
    /// Reason.
    pub because: String,
    /// Time of creation.
    pub at: Timestamp,
}

/// The freezes in effect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Freezes(pub BTreeMap<FreezeScope, Freeze>);

impl Freezes {
    /// Most freezes in effect at the same time.
    pub const MAX: usize = 100;

    /// The freezes that affect the rollouts of a profile.
    pub fn about(&self, profile: &ProfileName) -> Self {
        let about = |line: &FreezeScope| {
            matches!(line, FreezeScope::Everything) || *line == FreezeScope::Profile(profile.clone())
        };
        Self(self.0.iter().filter(|(line, _)| about(line)).map(|(l, s)| (l.clone(), s.clone())).collect())
    }
}

/// The freezes that keep a wave from beginning.
pub(super) fn blocked(wave: &Wave<'_>) -> Vec<Blocked> {
    let why = |(scope, freeze): (&FreezeScope, &Freeze)| {
        Blocked::by(Gate::Freeze, format!("{} froze {scope} at {}: {}", freeze.by, freeze.at, freeze.because))
    };
    wave.facts.stops.0.iter().map(why).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_of_a_profile_affects_its_own_rollouts_and_one_of_everything_affects_all() {
        let freeze = Freeze { by: "ann".into(), because: "smoke".into(), at: Timestamp::UNIX_EPOCH };
        let profile = |name: &str| ProfileName::parse(name).unwrap();
        let scopes =
            [FreezeScope::Everything, FreezeScope::Profile(profile("p")), FreezeScope::Profile(profile("q"))];
        let freezes = Freezes(scopes.clone().map(|scope| (scope, freeze.clone())).into());
        let about: Vec<FreezeScope> = freezes.about(&profile("p")).0.into_keys().collect();
        assert_eq!(about, scopes[..2]);
    }
}
