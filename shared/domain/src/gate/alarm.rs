//! CloudWatch's alarms, as far as a gate asks for them.

/// The state of an alarm, metric or composite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// What it watches is as it should be.
    Ok,
    /// It is not.
    Alarm,
    /// CloudWatch cannot tell: the alarm is new, or its metric is silent.
    InsufficientData,
}
