//! The clock's contract.

use flotilla_engine::ports::Clock;

/// Time never decreases, and the current time is not the epoch.
///
/// # Panics
/// If the clock violates this.
pub fn clock(clock: &dyn Clock) {
    let first = clock.now();
    assert!(first.as_second() > 1_700_000_000, "{first} is before Flotilla was written");
    assert!(clock.now() >= first);
}
