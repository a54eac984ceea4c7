//! An API mapping, as part of the items of rollouts and deployments.

use flotilla_domain::deployment::{ApiMapping, ApiStage, MappedApis};
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
