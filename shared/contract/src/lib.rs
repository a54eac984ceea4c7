//! The bodies of the HTTP API's requests and replies, shared by the `api` function and the `flotilla` command, and
//! the messages between functions ([`guard`]).
//!
//! These types are separate from the table's items and the domain's values. A field may be added at any time; under
//! `/v1` no field is renamed or changes its meaning.

pub mod access;
pub mod config;
pub mod gate;
pub mod guard;
pub mod notices;
pub mod plan;
pub mod problem;
pub mod provenance;
pub mod requests;
pub mod safeguards;
pub mod services;
pub mod sets;
pub mod stages;
pub mod traffic;
pub mod views;

pub use access::*;
pub use config::{
    AccountConfig, FourEyesConfig, OutputConfig, ParameterConfig, PreviewQuotasConfig, PreviewRolesConfig,
    ProfileConfig, StackConfig, WaveConfig, WaveTable,
};
pub use gate::*;
pub use guard::{BrokenRule, GuardReply, GuardRequest};
pub use notices::NoticeView;
pub use plan::*;
pub use problem::{CurrentState, Problem};
pub use provenance::*;
pub use requests::*;
pub use safeguards::SafeguardsConfig;
pub use services::*;
pub use sets::*;
pub use stages::*;
pub use traffic::{
    AnalysisConfig, InvocationsView, ShiftTraffic, TrafficConfig, TrafficMeasuredView, TrafficStepConfig,
    TrafficView,
};
pub use views::*;
