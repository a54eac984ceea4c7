//! Why a deployment or rollout ended as it did.

use crate::code::{Code, cut};

/// The true cause of a failure: a stable code, AWS's own words, and the resource it began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The stable code.
    pub code: Code,
    /// What happened; a reason that AWS gave is kept word for word.
    pub message: String,
    /// What the operator can do about it.
    pub fix: String,
    /// The logical id of the resource it began with, when one is known.
    pub resource: Option<String>,
}

impl Cause {
    /// A cause without a resource; texts are cut to [`crate::code::TEXT_BYTES_MAX`].
    pub fn new(code: Code, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, message: cut(message.into()), fix: cut(fix.into()), resource: None }
    }

    /// The same with the resource it began with.
    #[must_use]
    pub fn of(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }
}

/// An event of a stack, as `DescribeStackEvents` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// The resource's id in the template; the stack's name for the stack itself.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its status.
    pub status: String,
    /// CloudFormation's reason.
    pub reason: Option<String>,
    /// The token of the operation it belongs to.
    pub token: Option<String>,
    /// Whether it speaks of the stack itself, not of one of its resources.
    pub is_stack: bool,
}

impl StackEvent {
    /// Whether it begins the operation of this token: nothing older belongs to it.
    pub fn begins(&self, token: &str) -> bool {
        let begins = matches!(
            self.status.as_str(),
            "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "REVIEW_IN_PROGRESS"
        );
        self.is_stack && begins && self.token.as_deref().is_none_or(|t| t == token)
    }
}

/// Finds the true cause in the events of one operation, newest first: the earliest failure that is not
/// merely a cancellation because of another one.
///
/// The texts are CloudFormation's own: see "Resource creation cancelled" in the user guide's
/// "Troubleshooting CloudFormation".
pub fn root_cause(events: &[StackEvent], code: Code, status: &str) -> Cause {
    const NOISE: [&str; 3] = ["cancelled", "The following resource(s) failed", "Rollback requested by user"];
    let oldest_first = || events.iter().rev();
    let failed = |event: &&StackEvent| event.status.ends_with("_FAILED");
    let is_noise = |event: &&StackEvent| {
        event.reason.as_deref().is_none_or(|reason| NOISE.iter().any(|noise| reason.contains(noise)))
    };
    let root = oldest_first()
        .filter(|event| !event.is_stack)
        .filter(failed)
        .find(|event| !is_noise(event))
        .or_else(|| oldest_first().filter(failed).find(|event| !is_noise(event)))
        .or_else(|| oldest_first().filter(|event| event.is_stack).find(|event| event.reason.is_some()));
    let fix = "mend what CloudFormation complains of and upload again";
    match root {
        None => Cause::new(code, format!("the stack is {status}; CloudFormation gave no reason"), fix),
        Some(event) => {
            let reason = event.reason.as_deref().unwrap_or("no reason given");
            let message = format!("{} ({}): {reason}", event.logical_id, event.resource_type);
            Cause::new(code, message, fix).of(event.logical_id.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(logical_id: &str, kind: &str, status: &str, reason: &str) -> StackEvent {
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        let is_stack = kind == "AWS::CloudFormation::Stack";
        StackEvent {
            logical_id: logical_id.into(),
            resource_type: kind.into(),
            status: status.into(),
            reason,
            token: None,
            is_stack,
        }
    }

    #[test]
    fn c27_the_earliest_real_failure_is_reported_and_not_the_cancellations_after_it() {
        let events = [
            event(
                "orders-staging",
                "AWS::CloudFormation::Stack",
                "ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to create: [Queue, Table]. Rollback requested by user.",
            ),
            event("Queue", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled"),
            event("Table", "AWS::DynamoDB::Table", "CREATE_FAILED", "Table already exists: orders"),
            event("Table", "AWS::DynamoDB::Table", "CREATE_IN_PROGRESS", ""),
        ];
        let cause = root_cause(&events, Code::RolledBack, "ROLLBACK_COMPLETE");
        assert_eq!(cause.resource.as_deref(), Some("Table"));
        assert_eq!(cause.message, "Table (AWS::DynamoDB::Table): Table already exists: orders");
    }

    #[test]
    fn without_a_resources_failure_the_stacks_own_reason_is_reported() {
        let events = [event("s", "AWS::CloudFormation::Stack", "ROLLBACK_IN_PROGRESS", "Alarm x breached")];
        assert!(
            root_cause(&events, Code::RolledBack, "ROLLBACK_COMPLETE").message.contains("Alarm x breached")
        );
        assert!(root_cause(&[], Code::RolledBack, "ROLLBACK_COMPLETE").message.contains("ROLLBACK_COMPLETE"));
    }
}
