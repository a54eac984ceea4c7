//! The system's clock.

use flotilla_domain::Timestamp;
use flotilla_engine::ports::Clock;

/// Tells the system's time.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place where time comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
