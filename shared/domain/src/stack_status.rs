//! CloudFormation's stack statuses, each with what it means for us.
//!
//! Source: the `StackStatus` enumeration of the CloudFormation API and the user guide's "Understand
//! CloudFormation stack creation events". The mapping is total: a status that AWS adds later reads as
//! [`Standing::Unknown`] and is waited for until the state's deadline.

/// What a stack's status means for whoever wants to change the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Only a change set has been made for it; it holds no resources.
    InReview,
    /// It is stable and may be updated.
    Stable,
    /// An operation is running; nothing may be started.
    Busy,
    /// The first creation failed; it can only be deleted.
    NeverStable,
    /// It is deleted.
    Gone,
    /// A rollback of an update failed: `ContinueUpdateRollback` or a deletion is needed.
    RollbackFailed,
    /// A deletion failed.
    DeleteFailed,
    /// A status this version does not know.
    Unknown,
}

/// How the operation that a stack's status speaks of ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is still running.
    Running,
    /// It did what was asked for.
    Completed,
    /// It failed and what was there before is there again (or nothing, after a first creation).
    RolledBack,
    /// It failed and an operator is needed.
    Stuck,
    /// The stack was deleted.
    Deleted,
}

/// Reads a stack's status.
pub fn standing(status: &str) -> Standing {
    match status {
        "REVIEW_IN_PROGRESS" => Standing::InReview,
        "CREATE_COMPLETE"
        | "UPDATE_COMPLETE"
        | "UPDATE_ROLLBACK_COMPLETE"
        | "IMPORT_COMPLETE"
        | "IMPORT_ROLLBACK_COMPLETE"
        // Updates with rollback disabled end here; CloudFormation takes a new update from here.
        | "UPDATE_FAILED" => Standing::Stable,
        "CREATE_IN_PROGRESS"
        | "UPDATE_IN_PROGRESS"
        | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        | "ROLLBACK_IN_PROGRESS"
        | "UPDATE_ROLLBACK_IN_PROGRESS"
        | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
        | "DELETE_IN_PROGRESS"
        | "IMPORT_IN_PROGRESS"
        | "IMPORT_ROLLBACK_IN_PROGRESS" => Standing::Busy,
        "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" => Standing::NeverStable,
        "UPDATE_ROLLBACK_FAILED" | "IMPORT_ROLLBACK_FAILED" => Standing::RollbackFailed,
        "DELETE_FAILED" => Standing::DeleteFailed,
        "DELETE_COMPLETE" => Standing::Gone,
        _ => Standing::Unknown,
    }
}

/// Reads how our own change set's operation stands.
pub fn end_of_update(status: &str) -> End {
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => End::Completed,
        "ROLLBACK_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => End::RolledBack,
        "CREATE_FAILED"
        | "ROLLBACK_FAILED"
        | "UPDATE_FAILED"
        | "UPDATE_ROLLBACK_FAILED"
        | "DELETE_FAILED"
        | "IMPORT_ROLLBACK_FAILED"
        | "IMPORT_COMPLETE" => End::Stuck,
        "DELETE_COMPLETE" => End::Deleted,
        _ => End::Running,
    }
}

/// Every status of the API, for tests.
pub const ALL: &[&str] = &[
    "CREATE_IN_PROGRESS",
    "CREATE_FAILED",
    "CREATE_COMPLETE",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_FAILED",
    "ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS",
    "DELETE_FAILED",
    "DELETE_COMPLETE",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "REVIEW_IN_PROGRESS",
    "IMPORT_IN_PROGRESS",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_COMPLETE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_the_api_is_known() {
        for status in ALL {
            assert_ne!(standing(status), Standing::Unknown, "{status}");
        }
        assert_eq!(standing("SOMETHING_NEW"), Standing::Unknown);
    }

    #[test]
    fn c06_a_cleanup_is_still_an_operation() {
        for status in ALL.iter().filter(|s| s.ends_with("_IN_PROGRESS") && **s != "REVIEW_IN_PROGRESS") {
            assert_eq!(standing(status), Standing::Busy, "{status}");
            assert_eq!(end_of_update(status), End::Running, "{status}");
        }
    }

    #[test]
    fn only_the_two_complete_statuses_are_a_success() {
        let completed: Vec<_> = ALL.iter().filter(|s| end_of_update(s) == End::Completed).collect();
        assert_eq!(completed, [&"CREATE_COMPLETE", &"UPDATE_COMPLETE"]);
    }
}
