//! Time.

use flotilla_domain::Timestamp;

/// The only source of time in the engine.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
