//! What may go wrong, and how often.

/// Chances in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// A call fails before it has any effect, and may work later.
    pub call_fails: u32,
    /// A call is throttled.
    pub throttled: u32,
    /// A call has its effect, but its reply is lost.
    pub reply_lost: u32,
    /// The function crashes before a call.
    pub crash_before: u32,
    /// The function crashes after a call has had its effect.
    pub crash_after: u32,
    /// The function stands still before a call, up to a minute, while everything else goes on.
    pub stalled: u32,
    /// A message is delivered twice.
    pub duplicated: u32,
    /// A message is lost.
    pub dropped: u32,
    /// A message comes late, up to five minutes.
    pub late: u32,
    /// A transaction meets another one at one of its items, and nothing is written.
    pub contended: u32,
    /// The index of due items lacks an item.
    pub stale_index: u32,
    /// A stack is seen as it was a moment ago.
    pub stale_stack: u32,
    /// A quota of CloudFormation is used up.
    pub quota: u32,
    /// An operation on a stack fails.
    pub operation_fails: u32,
    /// A rollback, or a deletion, fails.
    pub rollback_fails: u32,
    /// At a moment when time passes, somebody else does something to a stack.
    pub foreign: u32,
    /// At such a moment, the table or a region goes down for up to a minute.
    pub outage: u32,
    /// A stack-status event arrives when an operation ends; else it is lost.
    pub hints: u32,
}

impl Faults {
    /// Nothing goes wrong, and nothing helps.
    pub const NONE: Self = Self {
        call_fails: 0,
        throttled: 0,
        reply_lost: 0,
        crash_before: 0,
        crash_after: 0,
        stalled: 0,
        duplicated: 0,
        dropped: 0,
        late: 0,
        contended: 0,
        stale_index: 0,
        stale_stack: 0,
        quota: 0,
        operation_fails: 0,
        rollback_fails: 0,
        foreign: 0,
        outage: 0,
        hints: 0,
    };

    /// Everything goes wrong now and then.
    pub const STORM: Self = Self {
        call_fails: 15,
        throttled: 5,
        reply_lost: 10,
        crash_before: 8,
        crash_after: 12,
        stalled: 6,
        duplicated: 100,
        dropped: 50,
        late: 40,
        contended: 15,
        stale_index: 100,
        stale_stack: 50,
        quota: 5,
        operation_fails: 120,
        rollback_fails: 150,
        foreign: 20,
        outage: 10,
        hints: 500,
    };
}
