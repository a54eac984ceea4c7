//! Plans: what a rollout would change, before it changes anything.

mod allowed;
pub mod change_values;
mod request;
mod view;

pub use allowed::AllowedLosses;
pub use request::PlanOptions;
