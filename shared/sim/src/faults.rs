//! The injected faults and their probabilities.

/// Probabilities in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// A call fails transiently, before it has any effect.
    pub call_fails: u32,
    /// A call is throttled.
    pub throttled: u32,
    /// A call has its effect, but its reply is lost.
    pub reply_lost: u32,
    /// The function crashes before a call.
    pub crash_before: u32,
    /// The function crashes after a call has had its effect.
    pub crash_after: u32,
    /// The function stalls before a call, up to a minute, while everything else continues.
    pub stalled: u32,
    /// A message is delivered twice.
    pub duplicated: u32,
    /// A message is lost.
    pub dropped: u32,
    /// A message is delayed, up to five minutes.
    pub late: u32,
    /// A transaction conflicts with another one, and nothing is written.
    pub contended: u32,
    /// The index of due items lacks an item.
    pub stale_index: u32,
    /// A read of a stack is stale.
    pub stale_stack: u32,
    /// A quota of CloudFormation is used up.
    pub quota: u32,
    /// An operation on a stack fails.
    pub operation_fails: u32,
    /// A rollback, or a deletion, fails.
    pub rollback_fails: u32,
    /// When time passes, another actor changes a stack.
    pub foreign: u32,
    /// When time passes, the table or a region is down for up to a minute.
    pub outage: u32,
    /// A stack-status event arrives when an operation ends; otherwise it is lost.
    pub hints: u32,
}

impl Faults {
    /// No faults, and no stack-status events.
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

    /// Every fault occurs from time to time.
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
