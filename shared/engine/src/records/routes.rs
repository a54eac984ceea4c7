//! An API mapping or a weighted record, as part of the items of rollouts and deployments.

use super::common::time;
use flotilla_domain::deployment::{ApiMapping, ApiStage, Drain, MappedApis, WeightedRecord};
use serde::{Deserialize, Serialize};

/// Which mapping gets a stack its traffic.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredMapping {
    domain: String,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_stage: Option<String>,
}

impl StoredMapping {
    pub fn of(mapping: &ApiMapping) -> Self {
        let ApiMapping { domain, path, api, api_stage } = mapping.clone();
        Self { domain, path, api, api_stage }
    }

    pub fn read(self) -> ApiMapping {
        let Self { domain, path, api, api_stage } = self;
        ApiMapping { domain, path, api, api_stage }
    }
}

/// What a mapping points at: the ids of APIs, and their stages.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredMapped {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stable: Option<[String; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new: Option<[String; 2]>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    switched: bool,
}

impl StoredMapped {
    pub fn of(mapped: &MappedApis) -> Self {
        let pair = |api: &ApiStage| [api.api.clone(), api.stage.clone()];
        Self {
            stable: mapped.stable.as_ref().map(pair),
            new: mapped.new.as_ref().map(pair),
            switched: mapped.switched,
        }
    }

    pub fn read(self) -> MappedApis {
        let api = |[api, stage]: [String; 2]| ApiStage { api, stage };
        MappedApis { stable: self.stable.map(api), new: self.new.map(api), switched: self.switched }
    }
}

/// The weighted record of a region.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredRecord {
    zone: String,
    name: String,
    #[serde(rename = "type")]
    record_type: String,
    set_identifier: String,
    weight: u8,
}

impl StoredRecord {
    pub fn of(record: &WeightedRecord) -> Self {
        let WeightedRecord { zone, name, record_type, set_identifier, weight } = record.clone();
        Self { zone, name, record_type, set_identifier, weight }
    }

    pub fn read(self) -> WeightedRecord {
        let Self { zone, name, record_type, set_identifier, weight } = self;
        WeightedRecord { zone, name, record_type, set_identifier, weight }
    }
}

/// How far a drain has come.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredDrain {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<String>,
    ttl_s: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    synced_at: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_over: bool,
    #[serde(default)]
    weight: u8,
    #[serde(default)]
    wanted: u8,
    before: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_confirmed: bool,
}

impl StoredDrain {
    pub fn of(drain: &Drain) -> Self {
        let Drain { change, ttl_s, synced_at, is_over, before, weight, wanted, is_confirmed } = drain.clone();
        Self {
            change,
            ttl_s,
            synced_at: synced_at.map(|at| at.to_string()),
            is_over,
            before,
            weight,
            wanted,
            is_confirmed,
        }
    }

    pub fn read(self) -> Result<Drain, String> {
        let Self { change, ttl_s, synced_at, is_over, before, weight, wanted, is_confirmed } = self;
        Ok(Drain {
            change,
            ttl_s,
            synced_at: synced_at.map(|at| time(&at)).transpose()?,
            is_over,
            before,
            weight,
            wanted,
            is_confirmed,
        })
    }
}
