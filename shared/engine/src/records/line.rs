//! The freezes: `LINE` / `STOPS`. One item for all, so that one read is enough.

use super::Record;
use super::common::{parsed, time};
use crate::ports::Key;
use flotilla_domain::ProfileName;
use flotilla_domain::gate::{Freeze, FreezeScope, Freezes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The key of the freezes.
pub fn stops_key() -> Key {
    Key::new("LINE", "STOPS")
}

#[derive(Serialize, Deserialize)]
pub struct StoredStops {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    everything: Option<StoredStop>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    profiles: BTreeMap<String, StoredStop>,
}

#[derive(Serialize, Deserialize)]
pub struct StoredStop {
    by: String,
    because: String,
    at: String,
}

impl StoredStop {
    fn of(stop: &Freeze) -> Self {
        Self { by: stop.by.clone(), because: stop.because.clone(), at: stop.at.to_string() }
    }

    fn read(self) -> Result<Freeze, String> {
        Ok(Freeze { by: self.by, because: self.because, at: time(&self.at)? })
    }
}

impl Record for Freezes {
    type Stored = StoredStops;

    fn key(&self) -> Key {
        stops_key()
    }

    fn to_stored(&self) -> StoredStops {
        let mut stored = StoredStops { format: 1, everything: None, profiles: BTreeMap::new() };
        for (line, stop) in &self.0 {
            match line {
                FreezeScope::Everything => stored.everything = Some(StoredStop::of(stop)),
                FreezeScope::Profile(name) => {
                    drop(stored.profiles.insert(name.to_string(), StoredStop::of(stop)))
                }
            }
        }
        stored
    }

    fn from_stored(stored: StoredStops) -> Result<Self, String> {
        let everything = stored.everything.map(|stop| Ok((FreezeScope::Everything, stop.read()?)));
        let profiles = stored.profiles.into_iter().map(|(name, stop)| {
            Ok((FreezeScope::Profile(parsed("profile", ProfileName::parse(&name))?), stop.read()?))
        });
        Ok(Self(everything.into_iter().chain(profiles).collect::<Result<_, String>>()?))
    }
}
