//! CloudFormation's stack statuses and their meaning for a deployment.
//!
//! Source: the `StackStatus` enumeration of the CloudFormation API and the user guide's "Understand
//! CloudFormation stack creation events". The mapping is total: a status that AWS adds later is
//! [`Standing::Unknown`], and the deployment waits until the state's deadline.

/// The meaning of a stack's status for a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Only a change set has been created for it; it has no resources.
    InReview,
    /// It is stable and can be updated.
    Stable,
    /// An operation is running; no other can begin.
    Busy,
    /// The first creation failed; it can only be deleted.
    NeverStable,
    /// It is deleted.
    Gone,
    /// An update failed without a rollback: `RollbackStack` restores the last stable state.
    UpdateFailed,
    /// A rollback of an update failed: `ContinueUpdateRollback` or a deletion is needed.
    RollbackFailed,
    /// The rollback of an import failed; the actor that began the import must finish it.
    ImportFailed,
    /// A deletion failed.
    DeleteFailed,
    /// A status that this version does not know.
    Unknown,
}

/// Reads a stack's status.
pub fn standing(status: &str) -> Standing {
    match status {
        "REVIEW_IN_PROGRESS" => Standing::InReview,
        "CREATE_COMPLETE"
        | "UPDATE_COMPLETE"
        | "UPDATE_ROLLBACK_COMPLETE"
        | "IMPORT_COMPLETE"
        | "IMPORT_ROLLBACK_COMPLETE" => Standing::Stable,
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
        // "To update the stack from this state, please use the disable-rollback parameter […]. To rollback to
        // the last known good state, use the rollback-stack API": an ordinary update is refused.
        "UPDATE_FAILED" => Standing::UpdateFailed,
        "UPDATE_ROLLBACK_FAILED" => Standing::RollbackFailed,
        "IMPORT_ROLLBACK_FAILED" => Standing::ImportFailed,
        "DELETE_FAILED" => Standing::DeleteFailed,
        "DELETE_COMPLETE" => Standing::Gone,
        _ => Standing::Unknown,
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
        }
    }
}
