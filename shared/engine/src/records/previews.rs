//! The previews of a profile: `PRF#<profile>` / `PREVIEWS`.

use super::Record;
use super::common::parsed;
use crate::ports::Key;
use flotilla_domain::config::preview::PreviewList;
use flotilla_domain::{ProfileName, ServiceName, StageName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The list of a profile's previews. A preview is listed when it begins; one that has ended is removed when room is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewsRecord {
    /// The profile.
    pub profile: ProfileName,
    /// Its previews.
    pub list: PreviewList,
}

/// The key of the list.
pub fn previews_key(profile: &ProfileName) -> Key {
    Key::new(format!("PRF#{profile}"), "PREVIEWS")
}

#[derive(Serialize, Deserialize)]
pub struct StoredPreviews {
    format: u32,
    profile: String,
    /// The stages of each service.
    stages: BTreeMap<String, BTreeSet<String>>,
}

impl Record for PreviewsRecord {
    type Stored = StoredPreviews;

    fn key(&self) -> Key {
        previews_key(&self.profile)
    }

    fn to_stored(&self) -> StoredPreviews {
        let mut stages = BTreeMap::<String, BTreeSet<String>>::new();
        for (service, stage) in &self.list.0 {
            stages.entry(service.to_string()).or_default().insert(stage.to_string());
        }
        StoredPreviews { format: 1, profile: self.profile.to_string(), stages }
    }

    fn from_stored(stored: StoredPreviews) -> Result<Self, String> {
        let mut list = BTreeSet::new();
        for (service, stages) in stored.stages {
            let service = parsed("service", ServiceName::parse(&service))?;
            for stage in stages {
                list.insert((service.clone(), parsed("stage", StageName::parse(&stage))?));
            }
        }
        Ok(Self { profile: parsed("profile", ProfileName::parse(&stored.profile))?, list: PreviewList(list) })
    }
}
