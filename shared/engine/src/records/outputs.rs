//! Outputs of a stack and their consumers: `OUT#<service>#<stage>` / `TGT#<account>#<region>[:<part>]`, and
//! `USE#<service>#<stage>` for each stage that has ever used some.

use super::Record;
use super::common::{parsed, time};
use crate::ports::{Key, Query};
use flotilla_domain::{ReleaseId, ServiceName, StageName, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

fn pk(service: &ServiceName, stage: &StageName) -> String {
    format!("OUT#{service}#{stage}")
}

/// The key of a stack's outputs.
pub fn outputs_key(service: &ServiceName, stage: &StageName, target: &Target) -> Key {
    Key::new(pk(service, stage), format!("TGT#{}", target.to_string().replace('/', "#")))
}

/// All consumers of a stage's outputs.
pub fn consumers_query(service: &ServiceName, stage: &StageName, limit: usize) -> Query {
    Query { pk: pk(service, stage), prefix: "USE#".into(), after: None, newest_first: false, limit }
}

/// The outputs of a stack after its last successful deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputsRecord {
    /// The service.
    pub service: ServiceName,
    /// The stage.
    pub stage: StageName,
    /// The target.
    pub target: Target,
    /// The release; `None` if the stack was removed.
    pub release: Option<ReleaseId>,
    /// The outputs.
    pub outputs: BTreeMap<String, String>,
    /// When the deployment succeeded.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub struct StoredOutputs {
    format: u32,
    service: String,
    stage: String,
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    outputs: BTreeMap<String, String>,
    at: String,
}

impl Record for OutputsRecord {
    type Stored = StoredOutputs;

    fn key(&self) -> Key {
        outputs_key(&self.service, &self.stage, &self.target)
    }

    fn to_stored(&self) -> StoredOutputs {
        StoredOutputs {
            format: 1,
            service: self.service.to_string(),
            stage: self.stage.to_string(),
            target: self.target.to_string(),
            release: self.release.map(|id| id.to_string()),
            outputs: self.outputs.clone(),
            at: self.at.to_string(),
        }
    }

    fn from_stored(stored: StoredOutputs) -> Result<Self, String> {
        Ok(Self {
            service: parsed("service", ServiceName::parse(&stored.service))?,
            stage: parsed("stage", StageName::parse(&stored.stage))?,
            target: parsed("target", Target::parse(&stored.target))?,
            release: stored.release.map(|id| parsed("release", ReleaseId::parse(&id))).transpose()?,
            outputs: stored.outputs,
            at: time(&stored.at)?,
        })
    }
}

/// A stage of a service that uses outputs of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// The service and stage that have the outputs.
    pub of: (ServiceName, StageName),
    /// The service and stage that use them.
    pub by: (ServiceName, StageName),
    /// The outputs.
    pub outputs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub struct StoredConsumer {
    format: u32,
    of: [String; 2],
    by: [String; 2],
    outputs: Vec<String>,
}

fn whose([service, stage]: &[String; 2]) -> Result<(ServiceName, StageName), String> {
    Ok((parsed("service", ServiceName::parse(service))?, parsed("stage", StageName::parse(stage))?))
}

impl Record for ConsumerRecord {
    type Stored = StoredConsumer;

    fn key(&self) -> Key {
        Key::new(pk(&self.of.0, &self.of.1), format!("USE#{}#{}", self.by.0, self.by.1))
    }

    fn to_stored(&self) -> StoredConsumer {
        StoredConsumer {
            format: 1,
            of: [self.of.0.to_string(), self.of.1.to_string()],
            by: [self.by.0.to_string(), self.by.1.to_string()],
            outputs: self.outputs.clone(),
        }
    }

    fn from_stored(stored: StoredConsumer) -> Result<Self, String> {
        Ok(Self { of: whose(&stored.of)?, by: whose(&stored.by)?, outputs: stored.outputs })
    }
}
