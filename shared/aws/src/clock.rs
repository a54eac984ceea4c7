//! The system clock.

use flotilla_domain::Timestamp;
use flotilla_engine::ports::Clock;

/// The system clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the only place that reads the time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
