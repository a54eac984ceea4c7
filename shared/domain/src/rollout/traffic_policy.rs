//! How a profile shifts traffic, and what operators can order meanwhile.

use crate::analysis::AnalysisPolicy;
use crate::deployment::{ApiMapping, WeightedRecord};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficStep {
    /// The share of the new versions, in percent: 1 to 99.
    pub percent: u8,
    /// How long the step lasts after every alias of the wave has this share, in seconds.
    pub for_s: u32,
    /// How many invocations of the new versions the step needs, in all account-regions of the wave together; 0 for none.
    pub requests: u32,
}

/// How a profile shifts traffic. It is copied into the rollout when that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficPolicy {
    /// The API mapping that is switched from one slot to the other; `None` if the aliases of functions are shifted.
    pub mapping: Option<ApiMapping>,
    /// The weighted record of each region, without its set identifier filled in; `None` if no region is drained.
    pub record: Option<WeightedRecord>,
    /// The steps, with growing shares. After the last one the new versions get everything. An API mapping has none.
    pub steps: Vec<TrafficStep>,
    /// How the new versions are judged during a step, if they are.
    pub analysis: Option<AnalysisPolicy>,
    /// The functions of each target that are invoked beside the profile's checks.
    pub hooks: TrafficHooks,
}

/// Functions of a target that decide whether its traffic is shifted, and whether it stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrafficHooks {
    /// The name of the function that is invoked before the new versions get traffic.
    pub before: Option<String>,
    /// The name of the function that is invoked after the new versions got all of it.
    pub after: Option<String>,
}

impl TrafficPolicy {
    /// Whether a stage has two slots, which are deployed in turns.
    pub fn has_slots(&self) -> bool {
        self.mapping.is_some()
    }

    /// Most steps of a policy.
    pub const STEPS_MAX: usize = 20;
    /// How long a hook may go on to fail before it has failed, in seconds: as long as a check without `within`.
    pub const HOOK_S: u32 = 60;
    /// The longest step, in seconds: a day.
    pub const STEP_S_MAX: u32 = 24 * 3_600;
}

/// What an operator can order while traffic is shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficOrder {
    /// The new versions get this share now, from 1 to 99 percent. The step's time begins again.
    Set(u8),
    /// The new versions get everything now.
    Promote,
    /// The old versions get everything back, and the rollout fails.
    Abort,
}

impl TrafficOrder {
    /// The order that gives the new versions this share in percent: everything, nothing, or something.
    pub fn of(percent: u8) -> Self {
        match percent {
            0 => Self::Abort,
            1..100 => Self::Set(percent),
            _ => Self::Promote,
        }
    }
}
