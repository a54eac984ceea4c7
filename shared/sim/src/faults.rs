//! What may go wrong, and how often.

/// Chances in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// A call fails before it has any effect, and may work later.
    pub call_fails: u32,
    /// A call has its effect, but its reply is lost.
    pub reply_lost: u32,
    /// The function crashes before a call.
    pub crash_before: u32,
    /// The function crashes after a call has had its effect.
    pub crash_after: u32,
    /// A message is delivered twice.
    pub duplicated: u32,
    /// A message is lost.
    pub dropped: u32,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self =
        Self { call_fails: 0, reply_lost: 0, crash_before: 0, crash_after: 0, duplicated: 0, dropped: 0 };

    /// Everything goes wrong now and then.
    pub const STORM: Self = Self {
        call_fails: 40,
        reply_lost: 20,
        crash_before: 20,
        crash_after: 30,
        duplicated: 100,
        dropped: 60,
    };
}
