//! The state that every route shares.

use flotilla_engine::access::Commands;
use flotilla_engine::status::Status;
use std::sync::Arc;

/// What the routes need.
pub struct Api {
    /// Changes.
    pub commands: Commands,
    /// Views.
    pub status: Status,
}

/// The state that every route shares.
pub type Shared = axum::extract::State<Arc<Api>>;
