//! The lines that are stopped: `LINE` / `STOPS`, one item for all, so that one look tells.

use super::Record;
use super::common::{parsed, time};
use crate::ports::Key;
use flotilla_domain::ProfileName;
use flotilla_domain::gate::{Line, LineStop, Stops};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The key of the stops.
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
    fn of(stop: &LineStop) -> Self {
        Self { by: stop.by.clone(), because: stop.because.clone(), at: stop.at.to_string() }
    }

    fn read(self) -> Result<LineStop, String> {
        Ok(LineStop { by: self.by, because: self.because, at: time(&self.at)? })
    }
}

impl Record for Stops {
    type Stored = StoredStops;

    fn key(&self) -> Key {
        stops_key()
    }

    fn to_stored(&self) -> StoredStops {
        let mut stored = StoredStops { format: 1, everything: None, profiles: BTreeMap::new() };
        for (line, stop) in &self.0 {
            match line {
                Line::Everything => stored.everything = Some(StoredStop::of(stop)),
                Line::Profile(name) => drop(stored.profiles.insert(name.to_string(), StoredStop::of(stop))),
            }
        }
        stored
    }

    fn from_stored(stored: StoredStops) -> Result<Self, String> {
        let everything = stored.everything.map(|stop| Ok((Line::Everything, stop.read()?)));
        let profiles = stored.profiles.into_iter().map(|(name, stop)| {
            Ok((Line::Profile(parsed("profile", ProfileName::parse(&name))?), stop.read()?))
        });
        Ok(Self(everything.into_iter().chain(profiles).collect::<Result<_, String>>()?))
    }
}
