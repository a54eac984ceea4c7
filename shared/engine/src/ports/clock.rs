//! Time.

use flotilla_domain::Timestamp;

/// Tells the time. Nothing else in the engine does.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
