//! What a rollout would change, before it changes anything.

mod allowed;
pub mod change_values;
mod request;
mod view;

pub use allowed::Allowed;
pub use request::PlanOf;
