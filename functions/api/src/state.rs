//! The state that every route shares.

use flotilla_engine::access::Commands;
use flotilla_engine::status::Status;
use std::sync::Arc;

/// The use cases that the routes need.
pub struct Api {
    /// Commands: they change state.
    pub commands: Commands,
    /// Views: they only read.
    pub status: Status,
}

/// [`Api`] as an extractor.
pub type Shared = axum::extract::State<Arc<Api>>;
