//! What can go wrong in the laboratory.

/// What was being done and why it failed.
#[derive(Debug)]
pub struct LabError(pub String);

impl std::fmt::Display for LabError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LabError {}

impl LabError {
    /// An error while `what` was being done.
    pub fn while_doing(what: &str) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> Self + '_ {
        move |error| Self(format!("{what}: {}", flotilla_cli::error_text(error.as_ref())))
    }
}

/// Turns any error into one of the laboratory, saying what was being done.
pub trait Doing<T> {
    /// Says what was being done.
    fn doing(self, what: &str) -> Result<T, LabError>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, LabError> {
        self.map_err(|error| LabError::while_doing(what)(error.into()))
    }
}
