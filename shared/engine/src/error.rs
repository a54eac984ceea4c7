//! What can keep a use case from doing its work.

use crate::ports::{PortError, WriteError};
use crate::records::RecordError;
use flotilla_domain::Refusal;

/// A use case could not be carried through. Whoever called it may call it again: nothing is half done that
/// the next call would not mend.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Somebody else changed what was to be saved, again and again.
    #[error("the state kept changing while it was being changed")]
    Contended,
    /// A stored item is not what it should be.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What was asked for is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A decision did not fit its state: a defect of Flotilla.
    #[error("defect: {0}")]
    Defect(String),
}

impl From<WriteError> for EngineError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict(_) => Self::Contended,
            WriteError::Port(error) => Self::Port(error),
        }
    }
}
