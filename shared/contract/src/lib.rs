//! What the HTTP API says: the bodies of its requests and replies, used by the `api` function that
//! writes them and by the `flotilla` command that reads them. And what functions say to each other ([`guard`]).
//!
//! These are types of their own: neither the table's items nor the domain's values. A field may be added
//! at any time; one is never renamed or given another meaning under `/v1`.

pub mod access;
pub mod config;
pub mod gates;
pub mod guard;
pub mod notices;
pub mod plan;
pub mod problem;
pub mod requests;
pub mod safeguards;
pub mod sets;
pub mod views;

pub use access::*;
pub use config::{
    AccountConfig, OutputConfig, ParameterConfig, ProfileConfig, RuleConfig, ServiceConfigDoc, WaveConfig,
    WaveTable,
};
pub use gates::*;
pub use guard::{BrokenRule, GuardReply, GuardRequest};
pub use notices::NoticeView;
pub use plan::*;
pub use problem::{CurrentState, Problem};
pub use requests::*;
pub use safeguards::SafeguardsConfig;
pub use sets::*;
pub use views::*;
